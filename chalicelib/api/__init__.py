"""HTTP: one module a resource, their schemas, and the one translation of errors."""
