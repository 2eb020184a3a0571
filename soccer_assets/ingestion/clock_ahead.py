"""What a machine whose clock was ahead has archived and loaded: payloads of the future.

Nobody knows when they came, only that they did before now. They are filed anew as of now, in the
archive and wherever the tables have their times, before anything else of their day is looked at:
else they would count as the newest of their day until that future has come, and what is fetched in
truth would be passed over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from soccer_assets.clock import CLOCKS_DISAGREE_BY
from soccer_assets.storage.archive import ArchivedPayload, PayloadArchive
from soccer_assets.warehouse.retime import retime


def of_the_future(payloads: Sequence[ArchivedPayload], now: datetime) -> list[ArchivedPayload]:
    return [payload for payload in payloads if payload.fetched_at > now + CLOCKS_DISAGREE_BY]


def file_as_of_now(
    known: Sequence[ArchivedPayload], archive: PayloadArchive, engine: sa.Engine, now: datetime
) -> list[ArchivedPayload]:
    """All payloads of a day, oldest first, after those of the future have been filed anew.

    Cut off between its steps, it goes on where it was: a copy comes before the tables, and the
    tables before the end of what it is a copy of.

    Args:
        known: the day's payloads, oldest first.
    """
    ahead = of_the_future(known, now)
    filed = [payload for payload in known if payload not in ahead]
    moved = {}
    for step, payload in enumerate(ahead):
        moment = now - timedelta(microseconds=len(ahead) - step)  # in their order
        moved[payload] = archive.copy_as_of(payload, moment, known=filed)
        if moved[payload] not in filed:
            filed.append(moved[payload])
    retime(engine, moved)
    for payload in ahead:
        archive.discard(payload)
    return filed
