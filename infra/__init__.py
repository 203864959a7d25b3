"""What makes and runs the service's surroundings: tables, keys, the local cloud, admin commands."""
