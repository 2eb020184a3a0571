"""Spans of time in seconds, the unit of every moment in the simulation."""

HOUR = 3600
DAY = 24 * HOUR
