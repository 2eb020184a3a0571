"""How the predictions that were made in time came out, against others on the same matches."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import pandas as pd
import sqlalchemy as sa

from soccer_assets.monitoring.scorecard import losses_of
from soccer_assets.replay.plan import TooLate
from soccer_assets.warehouse.ledger import settled
from soccer_assets.warehouse.promotions import TAKE_OFFICE, Decision

#: System -> its name on the page. Losses are in columns of these names.
SYSTEMS = {
    "model": "model",
    "elo": "Elo, ordered logit",
    "prior": "class prior",
    "market": "market",
}
REIGNS = ["version", "first", "last", "matches", *SYSTEMS]
_TIME = "datetime64[us, UTC]"


def settled_predictions(engine: sa.Engine, first: date) -> pd.DataFrame:
    """The ledger's last prediction of every match before its kick-off, of the matches that are over,
    and how it came out.

    Args:
        first: day of the first matches.

    Returns:
        As ``warehouse.ledger.settled``, with the log-loss of each of ``SYSTEMS``, nats; NaN where a
        system says nothing. Elo and class prior are those of the version that predicted, fitted when
        it was trained.

    Raises:
        TooLate: one of them was not made before its match began.
    """
    found = settled(engine, after=datetime.combine(first, time(), UTC))
    assert_in_time(found)
    return pd.concat([found, losses_of(found)], axis=1)


def assert_in_time(settled: pd.DataFrame) -> None:
    """Raises TooLate: a prediction was not made strictly before its match began."""
    late = settled[~(settled["made_at"] < settled["kickoff"])]
    if len(late):
        one = late.iloc[0]
        raise TooLate(
            f"{len(late)} settled predictions were not made before kick-off, as of match "
            f"{one['match_id']}: predicted {one['made_at']}, kicked off {one['kickoff']}"
        )


def reigns(decisions: Sequence[Decision], settled: pd.DataFrame) -> pd.DataFrame:
    """Each time in office: ``version, first, last`` (``NaT`` for who is there now), ``matches`` (settled
    by a prediction of that version and time) and their mean losses, ``model, elo, prior, market``.

    Args:
        decisions: those recorded, in any order.
        settled: as ``settled_predictions`` has it.
    """
    taken = sorted(
        (one for one in decisions if one.kind in TAKE_OFFICE), key=lambda one: one.decided_at
    )
    ends = [*(one.decided_at for one in taken[1:]), None]
    rows = [
        (one.about.version, one.decided_at, until)
        for one, until in zip(taken, ends, strict=True)
        if one.about is not None  # or there was no champion until the next one
    ]
    found = pd.DataFrame(rows, columns=REIGNS[:3])
    found = found.astype({"version": "int64", "first": _TIME, "last": _TIME})
    # What a version said last may be a little later than the end of its time, never before its start.
    told = pd.merge_asof(
        settled.astype({"made_at": _TIME, "model_version": "int64"}).sort_values("made_at"),
        found[["version", "first"]],
        left_on="made_at",
        right_on="first",
        left_by="model_version",
        right_by="version",
    )
    scores = told.groupby("first").agg(
        matches=("match_id", "size"), **{name: (name, "mean") for name in SYSTEMS}
    )
    found = found.merge(scores, how="left", left_on="first", right_index=True)
    return found.fillna({"matches": 0}).astype({"matches": "int64"})
