"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

from soccer_assets.cli import (  # which add their commands to it
    alerts,
    data,
    ledger,
    models,
    office,
    services,
)
from soccer_assets.cli.app import app

__all__ = ["alerts", "app", "data", "ledger", "models", "office", "services"]
