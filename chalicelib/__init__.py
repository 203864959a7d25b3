"""Accounts and tokens for serverless teams: what the Lambda functions run."""

__version__ = "0.1.0"
