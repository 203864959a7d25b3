"""Every two operations on one account at once, by processes of their own, on the local cloud."""
