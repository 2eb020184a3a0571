"""When assets are made, how fresh they must be and who is told."""
