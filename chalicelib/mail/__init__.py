"""Mails: written from templates, sent through SES."""
