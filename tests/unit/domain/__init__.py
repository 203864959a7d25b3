"""Frozen values and the error tree."""
