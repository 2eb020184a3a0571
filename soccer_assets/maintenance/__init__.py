"""Keeps Dagster's storage bounded: what it records grows by itself, and nothing else removes it."""
