"""What users of the API copy into their own projects. Each file stands alone."""
