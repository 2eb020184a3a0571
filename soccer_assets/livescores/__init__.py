"""The livescores day feed: its schema, the client that fetches it and servers that speak it."""
