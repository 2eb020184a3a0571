"""Integrations of Dagster with tools that have none of their own."""
