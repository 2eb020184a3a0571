"""The embedded site: a real HTTP server of the day feed, its faults and its challenge, and invented leagues."""
