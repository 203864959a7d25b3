"""DynamoDB, through PynamoDB. Nothing else reads or writes a table."""
