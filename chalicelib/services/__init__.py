"""What the system does, in the contract's words. Knows neither HTTP nor DynamoDB."""
