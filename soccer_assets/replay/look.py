"""What can be seen from outside at the end of a step: what the worker serves, and which alerts are open."""

import numpy as np
import pandas as pd
import sqlalchemy as sa

from soccer_assets.alerting.outbox import OPEN, find
from soccer_assets.replay.plan import Day
from soccer_assets.serving.client import WorkerClient, WorkerError
from soccer_assets.serving.schemas import PredictionPage
from soccer_assets.warehouse.ledger import PROBABILITIES, newest_of

#: The next so many matches are compared.
COMPARED = 200
_NEGLIGIBLE = 1e-9


def look(day: Day, worker: WorkerClient, engine: sa.Engine) -> None:
    """Note it in ``day``. A worker that does not answer is not ready, and serves nothing wrong."""
    day.open_alerts = sorted(f"{row.kind}: {row.key}" for row in find(engine, state=OPEN))
    try:
        readiness = worker.ready()
        day.ready = readiness.ready
        day.served_version = readiness.version
        if readiness.age_seconds is not None:
            day.age_hours = readiness.age_seconds / 3600
        page = worker.predictions(COMPARED)
    except WorkerError:
        return
    day.stale = page.stale
    day.wrong = _wrong(page, engine)


def _wrong(page: PredictionPage, engine: sa.Engine) -> int:
    served = pd.DataFrame([one.model_dump() for one in page.predictions])
    if served.empty:
        return 0
    both = served.merge(newest_of(engine, served["match_id"].tolist()), on="match_id")
    columns = [both[[f"{name}_{side}" for name in PROBABILITIES]] for side in "xy"]
    moved = np.abs(columns[0].to_numpy(float) - columns[1].to_numpy(float)).max(axis=1)
    other = both["model_version_x"] != both["model_version_y"]
    return int(((moved > _NEGLIGIBLE) | other).sum())
