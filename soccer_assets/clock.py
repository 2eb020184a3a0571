"""The pipeline's idea of now."""

import os
from datetime import UTC, datetime, timedelta

from soccer_assets.settings import SettingsError, moment

#: Clocks of several machines disagree by less; what is further ahead was stamped by a wrong one.
CLOCKS_DISAGREE_BY = timedelta(minutes=5)


def utc_now() -> datetime:
    """The present, or the moment that ``SOCCER_AS_OF`` freezes it at, so that the past can be
    replayed as if it were today."""
    frozen = os.environ.get("SOCCER_AS_OF")
    try:
        return moment(frozen) if frozen else datetime.now(UTC)
    except ValueError as error:
        raise SettingsError(f"SOCCER_AS_OF: {error}") from None
