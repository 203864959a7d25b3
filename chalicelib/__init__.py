"""Accounts and tokens for serverless teams: what the Lambda functions run."""

from chalicelib import startup

__version__ = "0.1.0"

startup.begin()  # before anything else is imported
