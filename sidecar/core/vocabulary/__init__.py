"""The language of the core: facts, actions, decisions, limits, products and orders as types. No
I/O.
"""
