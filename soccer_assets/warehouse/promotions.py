"""What is recorded of champions: who came into office and who did not, when and why.

MLflow keeps no history of an alias. Rows are added and never changed, which the database sees to.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from soccer_assets.warehouse.schema import PROMOTION_KINDS, PROMOTION_LOCK_KEY, SCHEMA, promotion

PROMOTED, REJECTED, AWAITING = "promoted", "rejected", "awaiting"
APPROVED, ROLLED_BACK, MOVED_BY_HAND = "approved", "rolled_back", "moved_by_hand"
#: After which the version that the row is about is the champion.
TAKE_OFFICE = (PROMOTED, APPROVED, ROLLED_BACK, MOVED_BY_HAND)


@dataclass(frozen=True)
class Holder:
    """A version, and the training that made it: numbers alone may be given again."""

    version: int
    run_id: str | None


@dataclass(frozen=True)
class Decision:
    """A row of the table ``promotion``."""

    decision_id: str
    decided_at: datetime
    kind: str
    before: Holder | None
    """The champion before."""
    about: Holder | None
    """The version that was decided about; None where the alias was removed."""
    reason: str
    who: str
    dagster_run_id: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def deciding(engine: sa.Engine) -> Iterator[None]:
    """A time in which nobody else decides about champions: others wait."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": PROMOTION_LOCK_KEY}
        )
        yield


def record(engine: sa.Engine, decision: Decision) -> bool:
    """Add a decision unless it is recorded already; returns whether it was added.

    It is there when this returns, whatever becomes of the process.
    """
    before, about = decision.before, decision.about
    with engine.begin() as connection:
        added = connection.execute(
            sa.text(
                f"""
                INSERT INTO {SCHEMA}.promotion
                    (decided_at, kind, from_version, from_run_id, to_version, to_run_id, figures,
                     reason, who, dagster_run_id, decision_id)
                VALUES (:decided_at, :kind, :from_version, :from_run_id, :to_version, :to_run_id,
                        CAST(:figures AS jsonb), :reason, :who, :dagster_run_id, :decision_id)
                ON CONFLICT (decision_id) DO NOTHING
                """
            ),
            {
                "decided_at": decision.decided_at,
                "kind": decision.kind,
                "from_version": before and before.version,
                "from_run_id": before and before.run_id,
                "to_version": about and about.version,
                "to_run_id": about and about.run_id,
                "figures": json.dumps(dict(decision.figures)),
                "reason": decision.reason,
                "who": decision.who,
                "dagster_run_id": decision.dagster_run_id,
                "decision_id": decision.decision_id,
            },
        )
    return bool(added.rowcount)


def decisions(
    engine: sa.Engine,
    limit: int | None = None,
    *,
    kinds: Sequence[str] = PROMOTION_KINDS,
    about: Holder | None = None,
) -> list[Decision]:
    """Those recorded, newest first; of all kinds, about all versions, unless some are given."""
    found = sa.select(promotion).where(promotion.c.kind.in_(kinds))
    if about is not None:
        found = found.where(
            promotion.c.to_version == about.version,
            promotion.c.to_run_id.is_not_distinct_from(about.run_id),
        )
    newest_first = found.order_by(promotion.c.promotion_id.desc()).limit(limit)
    with engine.connect() as connection:
        rows = connection.execute(newest_first).mappings().all()
    return [
        Decision(
            decision_id=row["decision_id"],
            decided_at=row["decided_at"],
            kind=row["kind"],
            before=_holder(row["from_version"], row["from_run_id"]),
            about=_holder(row["to_version"], row["to_run_id"]),
            reason=row["reason"],
            who=row["who"],
            dagster_run_id=row["dagster_run_id"],
            figures=row["figures"],
        )
        for row in rows
    ]


def _holder(version: int | None, run_id: str | None) -> Holder | None:
    return None if version is None else Holder(version, run_id)
