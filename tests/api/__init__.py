"""The API as a client sees it, with AWS played by moto."""
