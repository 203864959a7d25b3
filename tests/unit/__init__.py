"""One thing at a time, on fakes: nothing here knows AWS or HTTP."""
