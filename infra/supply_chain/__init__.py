"""What the service is made of, and whether it may be: `make audit`."""
