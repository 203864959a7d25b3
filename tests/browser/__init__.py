"""The documentation page, as a person uses it: a real browser, on the real local stack."""
