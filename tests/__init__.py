"""The test suite: unit (fakes), store and api (moto), cloud (the local cloud), browser."""
