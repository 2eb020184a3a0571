"""What the database has on record: what people were told, what was predicted, who is champion."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import sqlalchemy as sa

from soccer_assets.alerting.kinds import Severity
from soccer_assets.alerting.outbox import OPEN, find
from soccer_assets.clock import utc_now
from soccer_assets.doctor.finding import Look, Wrong
from soccer_assets.doctor.services import SCHEMA, Services
from soccer_assets.storage.store import ObjectNotFound
from soccer_assets.text import shortened
from soccer_assets.warehouse.promotions import (
    AWAITING,
    TAKE_OFFICE,
    Decision,
    Holder,
    decisions,
)
from soccer_assets.warehouse.schema import alert
from soccer_assets.warehouse.serving_tables import served_model

if TYPE_CHECKING:
    from soccer_assets.modelling.registry import ModelRegistry, Version

#: Open alerts that are named, and of how many characters.
NAMED, WORDS = 3, 70
#: An alert that has waited for longer is not told by the next tick, nor after a flood or a pause.
STUCK = timedelta(minutes=30)
#: A day is closed by the daily run after it; so many days may be over and open.
OPEN_DAYS = timedelta(days=2)
#: A version that has waited for longer is forgotten by whoever was to sign it off.
LONGEST_WAIT = timedelta(days=7)
#: Seconds; to import MLflow takes longer than to ask it.
OF_MLFLOW = 30.0


def looks(services: Services) -> list[Look]:
    return [
        Look("alerts", lambda: alerts(services.engine), SCHEMA),
        Look("delivery", lambda: delivery(services.engine, utc_now()), SCHEMA),
        Look("ledger", lambda: ledger(services, utc_now()), (*SCHEMA, "lake")),
        Look("champion", lambda: champion(services), (*SCHEMA, "mlflow"), OF_MLFLOW),
        Look("promotion", lambda: promotion(services, utc_now()), (*SCHEMA, "mlflow"), OF_MLFLOW),
    ]


def alerts(engine: sa.Engine) -> str:
    """Whether a trouble goes on that somebody was told of as an error."""
    found = sorted(find(engine, state=OPEN), key=lambda row: (-row.severity.rank, row.first_seen))
    if not found:
        return "none is open"
    named = "; ".join(
        f"{row.kind} since {row.first_seen:%Y-%m-%d %H:%M}: {shortened(row.text, WORDS)}"
        for row in found[:NAMED]
    )
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    told = f"{len(found)} open: {named}{more} (soccer alerts --open)"
    if found[0].severity is Severity.ERROR:
        raise Wrong(told)
    return told


def delivery(engine: sa.Engine, now: datetime) -> str:
    """Whether alerts reach people."""
    t = alert.c
    since = sa.case(
        (t.delivered_at.is_(None), t.first_seen),
        else_=sa.func.coalesce(t.recovered_at, t.last_seen),
    )
    query = sa.select(
        sa.func.count(), sa.func.min(since), sa.func.count().filter(t.attempts > 0)
    ).where(sa.or_(t.delivered_at.is_(None), t.told_state != t.state))
    with engine.connect() as connection:
        waiting, oldest, refused = connection.execute(query).one()
    if not waiting:
        return "all that was to be told was told"
    told = f"{waiting} alerts wait to be told, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"
    if now - oldest <= STUCK:
        return told
    of_slack = f"; Slack has refused {refused} of them" if refused else ""
    raise Wrong(f"{told}{of_slack}: see the lines daemon and slack, and the sensor alert_delivery")


def ledger(services: Services, now: datetime) -> str:
    """Whether the days of the ledger are closed, and the end of their chain is what it was."""
    from soccer_assets.lake.ledger import key_of
    from soccer_assets.warehouse.ledger import days_with_entries, ledger_days

    with services.engine.connect() as connection:
        closed, span = ledger_days(connection), days_with_entries(connection)
    if closed:
        last = max(closed)
        try:
            manifest = services.lake.get(key_of(last))
        except ObjectNotFound:
            raise Wrong(
                f"the manifest of {last} is not in the lake: materialize ledger, it writes it again"
            ) from None
        if sha256(manifest).hexdigest() != closed[last]:
            raise Wrong(
                f"the manifest of {last} is not the one that it was closed with: soccer ledger verify"
            )
        told = f"{len(closed)} days are closed, the last is {last}"
    elif span:
        last = span[0] - timedelta(days=1)
        told = f"no day is closed yet, the first entry is of {span[0]}"
    else:
        return "nothing was predicted before its kick-off yet"
    if last < now.date() - OPEN_DAYS:
        raise Wrong(f"{told}: materialize ledger, and see why the sensor updates does not")
    return told


def champion(services: Services) -> str:
    """Whether a model serves, and is the one whose predictions are published."""
    registry = _registry(services)
    version = registry.by_alias("champion") if registry else None
    if version is None:
        raise Wrong("there is none: nothing can be predicted; the job retrain makes one")
    published = served_model(services.engine)
    if published is None:
        raise Wrong(f"{version} has published no predictions: the job refresh makes them")
    if published.run_id != version.run_id:
        raise Wrong(
            f"{version} is champion, the predictions published last are of version "
            f"{published.version}: the job refresh makes them"
        )
    return f"{version}, since {published.promoted_at:%Y-%m-%d %H:%M} UTC"


def promotion(services: Services, now: datetime) -> str:
    """Whether the champion is the one on record, and whether a version waits for a person."""
    registry = _registry(services)
    last = next(iter(decisions(services.engine, 1, kinds=TAKE_OFFICE)), None)
    version = registry.by_alias("champion") if registry else None
    recorded = last.about if last else None
    if recorded != (_holder(version) if version else None):
        raise Wrong(
            f"MLflow's champion is {version or 'none'}, on record is "
            f"{f'version {recorded.version}' if recorded else 'none'}: the sensor champion_alias "
            "records it while the daemon runs"
        )
    on_record = f"on record: {_sentence(last)}" if last else "nobody was promoted yet"
    waiting = registry.by_alias("awaiting_sign_off") if registry else None
    if not waiting:
        return f"{on_record}; none waits for a sign-off"
    asked = next(
        iter(decisions(services.engine, 1, kinds=(AWAITING,), about=_holder(waiting))), None
    )
    since = asked.decided_at if asked else waiting.created_at
    told = (
        f"{waiting} waits for a sign-off since {since:%Y-%m-%d %H:%M} UTC: soccer approve "
        f"{waiting.number}, or soccer reject {waiting.number} --why ..."
    )
    if now - since > LONGEST_WAIT:
        raise Wrong(told)
    return f"{told}; {on_record}"


def _sentence(decision: Decision) -> str:
    about = f"version {decision.about.version}" if decision.about else "no version"
    return f"{about} {decision.kind} by {decision.who}, {decision.decided_at:%Y-%m-%d %H:%M} UTC"


def _holder(version: "Version") -> Holder:
    return Holder(version.number, version.run_id)


def _registry(services: Services) -> "ModelRegistry | None":
    if not services.has_registry:
        return None
    from soccer_assets.modelling.registry import ModelRegistry
    from soccer_assets.resources.mlflow import EXPERIMENT

    return ModelRegistry(services.settings.tracking_uri, EXPERIMENT)
