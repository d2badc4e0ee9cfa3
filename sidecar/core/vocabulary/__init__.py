"""What is said: facts, actions, decisions, limits, products and orders as types. No I/O."""
