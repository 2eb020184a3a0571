"""From scraped livescores to served 1X2 predictions, as a Dagster asset graph."""

__version__ = "0.1.0"
