"""The DynamoDB door. Its operations arrive with a later step; until then it says so, in DynamoDB's own words."""
