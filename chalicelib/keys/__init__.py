"""Signing keys: a key set kept in SSM Parameter Store."""
