"""Measurements that take too long, or say too little alone, for the test suite: `make bench`."""
