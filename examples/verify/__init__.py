"""Verifying access tokens elsewhere: docs/verify.md."""
