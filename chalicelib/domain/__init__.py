"""What the service is about: frozen values and the error tree. Imports nothing of ours."""
