"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

from soccer_assets.cli import data, models, office, services  # which add their commands to it
from soccer_assets.cli.app import app

__all__ = ["app", "data", "models", "office", "services"]
