"""Fuzzing the API by its own OpenAPI document, and the parsers by their coverage: `make fuzz`."""
