"""Passwords that are known to others: the most common ones, and those of breaches."""
