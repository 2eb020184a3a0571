"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

from soccer_assets.cli import alerts, data, models, services  # which add their commands to it
from soccer_assets.cli.app import app

__all__ = ["alerts", "app", "data", "models", "services"]
