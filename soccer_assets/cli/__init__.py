"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

from soccer_assets.cli import data, ledger, models, office, services  # which add their commands
from soccer_assets.cli.app import app

__all__ = ["app", "data", "ledger", "models", "office", "services"]
