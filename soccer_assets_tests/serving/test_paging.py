from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.serving.paging import (
    BadCursor,
    Position,
    decode_cursor,
    encode_cursor,
    epoch_us,
)
from soccer_assets_tests.serving.building import Match, snapshot_of
from soccer_assets_tests.serving.conftest import NOW

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.builds(Position, INT64, INT64))
def test_a_cursor_is_read_back(position: Position) -> None:
    assert decode_cursor(encode_cursor(position)) == position


@given(st.text(max_size=30))
def test_other_text_is_no_cursor(text: str) -> None:
    try:
        position = decode_cursor(text)
    except BadCursor:
        return
    assert encode_cursor(position) == text


@pytest.mark.parametrize("text", ["", "x", "!" * 22, "é" * 22, "A" * 21, "A" * 23, "A" * 21 + "B"])
def test_bad_cursors(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(text)


def test_epoch_is_exact_to_the_microsecond() -> None:
    assert epoch_us(datetime(1970, 1, 2, 0, 0, 0, 1, tzinfo=UTC)) == 86_400_000_001


# Kick-offs on few distinct instants, so that many tie, on both sides of "now".
MATCHES = st.lists(
    st.tuples(
        st.integers(1, 1000),  # match id
        st.integers(-3, 6),  # hours from now
        st.booleans(),  # scheduled
        st.integers(1, 2),  # tournament
        st.integers(1, 4),  # home team
        st.integers(5, 7),  # away team
    ),
    max_size=40,
    unique_by=lambda match: match[0],
)


@given(
    matches=MATCHES,
    limit=st.integers(1, 10),
    tournament_id=st.none() | st.integers(1, 3),
    team_id=st.none() | st.integers(1, 8),
    first=st.none() | st.integers(-1, 1),
    last=st.none() | st.integers(-1, 1),
)
def test_pages_show_every_match_exactly_once(
    matches: list[tuple[int, int, bool, int, int, int]],
    limit: int,
    tournament_id: int | None,
    team_id: int | None,
    first: int | None,
    last: int | None,
) -> None:
    now = NOW.replace(hour=22)  # so that the coming hours fall on two days
    first_day = None if first is None else (now + timedelta(days=first)).date()
    last_day = None if last is None else (now + timedelta(days=last)).date()

    def kickoff(hours: int) -> datetime:
        return now + timedelta(hours=hours)

    expected = sorted(
        (kickoff(hours), match_id)
        for match_id, hours, scheduled, tournament, home, away in matches
        if scheduled
        and hours > 0
        and tournament_id in (None, tournament)
        and team_id in (None, home, away)
        and (first_day is None or kickoff(hours).date() >= first_day)
        and (last_day is None or kickoff(hours).date() <= last_day)
    )
    snapshot = snapshot_of(
        1,
        [
            Match(match_id, kickoff(hours), scheduled, tournament, home, away)
            for match_id, hours, scheduled, tournament, home, away in matches
        ],
        at=now,
    )

    seen: list[int] = []
    after = None
    while True:
        page = snapshot.coming(
            now,
            limit=limit,
            after=after,
            first_day=first_day,
            last_day=last_day,
            tournament_id=tournament_id,
            team_id=team_id,
        )
        seen += [entry.match_id for entry in page.entries]
        if page.next_cursor is None:
            break
        assert len(page.entries) == limit
        after = decode_cursor(page.next_cursor)
    assert seen == [match_id for _, match_id in expected]
