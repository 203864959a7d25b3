"""What the system does, on fakes."""
