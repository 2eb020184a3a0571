"""How old what a worker serves is, and whether that is too old."""

from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

from soccer_assets.serving.snapshot import Snapshot


class Freshness(NamedTuple):
    """``reason`` says why predictions are stale; None while they are not."""

    as_of: datetime
    age: timedelta
    reason: str | None

    @property
    def stale(self) -> bool:
        return self.reason is not None


def freshness(snapshot: Snapshot, now: datetime, max_age: timedelta) -> Freshness:
    """Predictions dated too far ahead are as suspect as old ones: a clock was wrong."""
    age = snapshot.age(now)
    reason = None
    for delta, how in ((age, "old"), (snapshot.ahead(now), "ahead of now")):
        if delta > max_age:
            hours, limit = (each.total_seconds() / 3600 for each in (delta, max_age))
            reason = f"the predictions are {hours:.1f} h {how}; {limit:.1f} h is the limit"
    return Freshness(snapshot.as_of, age, reason)


def marks(fresh: Freshness, snapshot: Snapshot) -> bytes:
    """Members of a JSON object that tell an answer's reader how far to trust it."""
    return orjson.dumps(
        {
            "as_of": fresh.as_of,
            "age_seconds": int(fresh.age.total_seconds()),
            "stale": fresh.stale,
            "source": snapshot.origin,
        },
        option=orjson.OPT_UTC_Z,
    )[1:-1]
