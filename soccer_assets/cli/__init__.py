"""``soccer``: the demo, replays, backfills, the feed server, the prediction service, a look at it all."""

from soccer_assets.cli import (  # which add their commands to it
    alerts,
    data,
    doctor,
    garbage,
    ledger,
    models,
    office,
    season,
    services,
    steps,
)
from soccer_assets.cli.app import app

__all__ = [
    "alerts",
    "app",
    "data",
    "doctor",
    "garbage",
    "ledger",
    "models",
    "office",
    "season",
    "services",
    "steps",
]
