"""From the outbox to people: what is due, as how many messages, each told once.

Who delivers claims rows for a while and holds no lock while Slack is asked, so that recording never
waits for it; a claim of somebody who died runs out. A message that was sent and whose row could
not be marked is sent again: at least once, not at most.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

import sqlalchemy as sa

from soccer_assets.alerting import messages
from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, RECOVERED, Entry, columns, entry
from soccer_assets.alerting.params import AlertingParams
from soccer_assets.warehouse.schema import alert as table

#: Seconds that a claim is good for, by the server's clock, and after which none is begun.
CLAIM, BUDGET = 180, 20.0
#: Rows claimed at once.
MOST = 2000
#: So many texts may be refused before the others wait for the next time.
REFUSALS = 3


class Away(Exception):
    """Nothing can be told now. ``retry_after``: seconds in which it is of no use to ask again."""

    def __init__(self, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Refused(Exception):
    """This message, or this channel, is not taken; others may be."""


class Messenger(Protocol):
    """Who tells people. Both methods take escaped texts, and raise ``Away`` or ``Refused``."""

    @property
    def channel(self) -> str:
        """Where that goes which has no channel of its own."""

    @property
    def ui(self) -> str:
        """Address of Dagster's web server."""

    def post(self, channel: str, text: str, thread: str | None = None) -> str | None:
        """A new message, or an answer to one that the whole channel sees; returns its name, by which
        it can be updated, if it has any."""

    def update(self, channel: str, message: str, text: str) -> None:
        """Other words for a message that was posted."""


class Telling(Enum):
    """How a row is told."""

    POST = "post"
    UPDATE = "update"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Message:
    """What is sent at once: one row, or many as a digest."""

    channel: str
    tellings: tuple[tuple[Telling, Entry], ...]
    digest: str | None = None
    """Why it is one."""


@dataclass(frozen=True)
class Delivery:
    """What one delivery did."""

    sent: int = 0
    """Messages, updates among them."""
    waiting: int = 0
    """Rows that are left for the next time."""
    fault: str | None = None
    """Why."""
    retry_after: float = 0.0
    """Seconds in which it is of no use to try again."""


def deliver(
    engine: sa.Engine,
    messenger: Messenger,
    params: AlertingParams,
    now: datetime,
    monotonic: Callable[[], float] = time.monotonic,
) -> Delivery:
    """Tell what is due.

    Args:
        now: by which pauses are counted.
        monotonic: seconds, by which the time of this call is bounded.
    """
    ends = monotonic() + BUDGET
    claimed = _claim(engine)
    try:
        planned = list(
            plan(claimed, _told_lately(engine, params, now), params, messenger.channel, now)
        )
        sent, refused, fault, retry_after = 0, 0, None, 0.0
        for message in planned:
            if monotonic() > ends:
                fault = "the time of a tick is over"
                break
            try:
                name, channel = _send(messenger, message)
            except Refused as error:
                _note_refusal(engine, message)
                refused, fault = refused + 1, str(error)
                if refused >= REFUSALS:
                    break
                continue
            except Away as error:
                fault, retry_after = str(error), error.retry_after
                break
            _mark(engine, message, channel, name, now)
            sent += 1
    finally:
        _release(engine, claimed)
    left = sum(len(message.tellings) for message in planned)
    return Delivery(sent, left if sent < len(planned) else 0, fault, retry_after)


def plan(
    rows: Sequence[Entry],
    told_lately: Mapping[Kind, int],
    params: AlertingParams,
    default_channel: str,
    now: datetime,
) -> Iterator[Message]:
    """What to send now, in order.

    Args:
        rows: of which something may not have been told.
        told_lately: messages of a kind within the window.
    """
    window = timedelta(minutes=params.window_minutes)
    new: defaultdict[str, list[tuple[Telling, Entry]]] = defaultdict(list)
    updates = []
    for row in sorted(rows, key=lambda row: (row.attempts, row.first_seen, row.alert_id)):
        telling = due(row, params, now)
        channel = params.channel(row.kind, default_channel)
        if telling is Telling.UPDATE:
            updates.append(Message(row.channel or channel, ((telling, row),)))
        elif telling:
            new[channel].append((telling, row))
    for channel, tellings in new.items():
        oldest = min(_since(row) for _, row in tellings)
        if len(tellings) > params.flood and now - oldest > window:
            since = f"since {oldest:%d %b %H:%M} UTC, which waited to be told"
            yield Message(channel, tuple(tellings), digest=since)
            continue
        of_kind: defaultdict[Kind, list[tuple[Telling, Entry]]] = defaultdict(list)
        for telling, row in tellings:
            of_kind[row.kind].append((telling, row))
        for kind, those in of_kind.items():
            room = params.flood - told_lately.get(kind, 0)
            if len(those) > params.flood and room > 0:
                yield Message(channel, tuple(those), digest=f"of the kind {kind}")
            else:
                yield from (Message(channel, (one,)) for one in those[: max(room, 0)])
    yield from updates


def due(row: Entry, params: AlertingParams, now: datetime) -> Telling | None:
    """What is to be told of a row now, if anything."""
    if row.delivered_at is None:
        return Telling.POST
    if row.state == RECOVERED:
        return Telling.RECOVERY if row.told_state == OPEN else None
    if row.state != OPEN:
        return None
    if row.told_severity and row.severity.rank > row.told_severity.rank:
        return Telling.POST
    pause = params.repeat_hours[min(row.tellings, len(params.repeat_hours)) - 1]
    told = row.told_at or row.delivered_at
    # Either way: a clock that was ahead may have stamped it.
    is_time = abs(now - told) >= timedelta(hours=pause)
    return Telling.UPDATE if row.count > row.told_count and is_time else None


def _since(row: Entry) -> datetime:
    """How long what is new of a row has waited."""
    if row.delivered_at is None:
        return row.first_seen
    return (row.recovered_at if row.state == RECOVERED else None) or row.last_seen


def _send(messenger: Messenger, message: Message) -> tuple[str | None, str]:
    """Returns the name of the message, and its channel."""
    channel = message.channel
    if message.digest is not None:
        rows = [row for _, row in message.tellings]
        return _post(messenger, channel, messages.digest(rows, message.digest))
    [(telling, row)] = message.tellings
    text = messages.message(row, messenger.ui)
    known = row.slack_ts if row.channel else None
    if telling is Telling.POST or not (known and row.channel):
        return _post(messenger, channel, text)
    try:
        messenger.update(row.channel, known, text)
        if telling is Telling.RECOVERY:
            messenger.post(row.channel, messages.recovery(row), thread=known)
    except Refused:  # it was deleted, or is too old to be edited
        return _post(messenger, channel, text)
    return known, row.channel


def _post(messenger: Messenger, channel: str, text: str) -> tuple[str | None, str]:
    """A message; to the channel of everything where its own does not take it."""
    try:
        return messenger.post(channel, text), channel
    except Refused as error:
        if channel == messenger.channel:
            raise
        more = messages.fitting(f"\n({channel} did not take it: {error})")
        return messenger.post(messenger.channel, text + more), messenger.channel


def _claim(engine: sa.Engine) -> list[Entry]:
    """Rows of which something may not have been told, that nobody else delivers."""
    t = table.c
    untold = sa.or_(
        t.delivered_at.is_(None),
        t.told_state != t.state,
        sa.and_(t.state == OPEN, t.count > t.told_count),
    )
    free = sa.or_(t.claimed_until.is_(None), t.claimed_until < sa.func.clock_timestamp())
    mine = (
        sa.select(t.alert_id)
        .where(untold, free)
        .order_by(t.delivered_at.is_not(None), t.first_seen)
        .limit(MOST)
        .with_for_update(skip_locked=True)
        .cte("mine")
    )
    claim = (
        table.update()
        .where(t.alert_id.in_(sa.select(mine.c.alert_id)))
        .values(claimed_until=sa.func.clock_timestamp() + timedelta(seconds=CLAIM))
        .returning(*columns())
    )
    with engine.begin() as connection:
        return [entry(dict(row)) for row in connection.execute(claim).mappings()]


def _release(engine: sa.Engine, rows: Sequence[Entry]) -> None:
    if rows:
        ids = [row.alert_id for row in rows]
        with engine.begin() as connection:
            connection.execute(
                table.update().where(table.c.alert_id.in_(ids)).values(claimed_until=None)
            )


def _told_lately(engine: sa.Engine, params: AlertingParams, now: datetime) -> Counter[Kind]:
    """Kind -> rows that were told first within the window."""
    since = now - timedelta(minutes=params.window_minutes)
    query = (
        sa.select(table.c.kind, sa.func.count())
        .where(table.c.told_at > since, table.c.told_at <= now, table.c.tellings <= 1)
        .group_by(table.c.kind)
    )
    with engine.connect() as connection:
        return Counter({Kind(kind): count for kind, count in connection.execute(query)})


def _mark(
    engine: sa.Engine, message: Message, channel: str, name: str | None, now: datetime
) -> None:
    """Write down how much of each row was told: what was in the message, not what is there now."""
    with engine.begin() as connection:
        for telling, row in message.tellings:
            first = telling is Telling.POST
            connection.execute(
                table.update()
                .where(table.c.alert_id == row.alert_id)
                .values(
                    channel=channel,
                    slack_ts=None if message.digest is not None else name,
                    delivered_at=row.delivered_at or now,
                    told_at=now,
                    told_state=row.state,
                    told_severity=row.severity.value,
                    told_count=row.count,
                    told_facts=row.facts,
                    tellings=1 if first else row.tellings + 1,
                    attempts=0,
                )
            )


def _note_refusal(engine: sa.Engine, message: Message) -> None:
    ids = [row.alert_id for _, row in message.tellings]
    with engine.begin() as connection:
        connection.execute(
            table.update().where(table.c.alert_id.in_(ids)).values(attempts=table.c.attempts + 1)
        )
