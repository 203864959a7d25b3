"""Many users of the deployed API for some minutes, every answer held to a model: `make soak`."""
