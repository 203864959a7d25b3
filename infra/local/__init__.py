"""The service on one's own machine: a local cloud, an API Gateway of sorts, and what runs them."""
