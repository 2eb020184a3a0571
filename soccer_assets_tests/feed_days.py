"""Hand-made days of the feed."""

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import orjson
from hypothesis import strategies as st

from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.payload import Row, day_feed, header_row, match_row
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.warehouse.rows import ParsedDay

DAY = date(2024, 3, 9)
FETCHED = datetime(2024, 3, 13, 6, tzinfo=UTC)

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def a_match(match_id: int, day: date = DAY, **fields: Any) -> Row:
    """A scheduled match with every field of the feed."""
    known = {
        "stageId": 701,
        "id": match_id,
        "status": FeedStatus.SCHEDULED.value,
        "startTimeUtc": f"{day}T15:00:00Z",
        "homeTeamId": 10 * match_id + 1,
        "homeTeamName": f"Home {match_id}",
        "awayTeamId": 10 * match_id + 2,
        "awayTeamName": f"Away {match_id}",
    }
    return match_row(known, fields)


def finished(match_id: int, home: int, away: int, day: date = DAY, **fields: Any) -> Row:
    """A match that is over."""
    result = {"status": FeedStatus.FINISHED.value, "homeScore": home, "awayScore": away}
    return a_match(match_id, day, **{**result, **fields})


def a_payload(*matches: Row, **header: Any) -> dict[str, Any]:
    """A day with one tournament."""
    known = {
        "regionId": 7,
        "regionName": "Albreth",
        "tournamentId": 11,
        "tournamentName": "Premier Division",
        "seasonId": 112023,
        "seasonName": "2023/2024",
        "stageId": 701,
        "sex": 0,
    }
    return day_feed([(header_row({**known, **header}), list(matches))])


def parsed(
    *matches: Row, day: date = DAY, fetched_at: datetime = FETCHED, **header: Any
) -> ParsedDay:
    """A day as the parser hands it on; its payload is called after the day and its content."""
    body = orjson.dumps(a_payload(*matches, **header))
    key = f"payload of {day}: {sha256(body).hexdigest()[:12]}"
    return parse_day(day, body, payload_key=key, fetched_at=fetched_at)
