"""Histories told to a manager, and its recorded answers: see retelling.py."""
