"""Accounts and tokens for serverless teams: what the Lambda functions run."""

from chalicelib import postponing, startup

__version__ = "0.1.0"

# Before anything else is imported.
startup.begin()
postponing.postpone()
