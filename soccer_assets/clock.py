"""The pipeline's idea of now."""

import os
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, or the moment ``SOCCER_AS_OF`` (ISO 8601, UTC unless it says otherwise) freezes
    it at, so that the past can be replayed as if it were today."""
    frozen = os.environ.get("SOCCER_AS_OF")
    if not frozen:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(frozen)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
