"""Any bytes in place of a file, or in it: the module's own faults alone, told by name, and every other
league as if nothing had happened."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soccer_assets.sources.football_data.faults import FileFault
from soccer_assets.sources.football_data.leagues import (
    EXTRA_BY_COUNTRY,
    EXTRA_FIXTURES,
    FIXTURES,
    MAIN_BY_DIV,
)
from soccer_assets.sources.football_data.parsing import parse_extra, parse_fixtures, parse_season
from soccer_assets.sources.football_data.source import FootballDataSource
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets_tests.sources.football_data.site import (
    Site,
    at,
    csv_file,
    extra,
    parsed,
    played,
)

DAY = date(2024, 11, 23)
NOW = at(2024, 11, 22, 12)
E0, E1, BRAZIL = "mmz4281/2425/E0.csv", "mmz4281/2425/E1.csv", "new/BRA.csv"
#: What a file is of: a fault of it may cost these leagues, and its lines can be of no others.
FILES = {
    E0: {MAIN_BY_DIV["E0"].tournament_id},
    BRAZIL: {EXTRA_BY_COUNTRY["Brazil"].tournament_id},
    FIXTURES: {league.tournament_id for league in MAIN_BY_DIV.values()},
    EXTRA_FIXTURES: {league.tournament_id for league in EXTRA_BY_COUNTRY.values()},
}
SOUND = {
    E0: csv_file(
        [
            played(DAY, "Arsenal", "Chelsea", "1-0"),
            played(DAY - timedelta(days=7), "Chelsea", "Everton", "2-2"),
        ]
    ),
    E1: csv_file([played(DAY, "Leeds", "Hull", "3-1", div="E1")]),
    BRAZIL: csv_file([extra(DAY, "Bahia", "Santos", "0-0", season="2024")]),
    FIXTURES: csv_file(
        [
            played(DAY, "Everton", "Fulham", Time="15:00"),
            played(DAY, "Stoke", "Derby", div="E1", Time="15:00"),
        ]
    ),
    EXTRA_FIXTURES: csv_file([extra(DAY, "Gremio", "Vasco")]),
}
CELLS = (
    "", "E0", "E1", "ZZ", "Brazil", "Chile", "23/11/2024", "23/11/24", "99/99/2024", "15:00", "25:61",
    "Arsenal", "Leeds", "1", "-1", "99999999999999999999", "2.5", '"', '"a\nb"', "\x00", "é", "2024",
    "2024/2025", "\ufeff", "<b>", "İ", ",", "\r", "\x1b[31m", "\ud7ff", "\u2028",
)  # fmt: skip

Edit = tuple[str, int, int, bytes]
edits = st.lists(
    st.tuples(
        st.sampled_from(("cell", "bytes", "cut", "line")),
        st.integers(0, 30),
        st.integers(0, 400),
        st.sampled_from(CELLS).map(str.encode) | st.binary(max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def edited(body: bytes, changes: Sequence[Edit]) -> bytes:
    for kind, column, place, new in changes:
        if kind == "cell":
            lines = body.split(b"\r\n")
            cells = lines[place % len(lines)].split(b",")
            cells[column % len(cells)] = new
            lines[place % len(lines)] = b",".join(cells)
            body = b"\r\n".join(lines)
        elif kind == "line":
            body += new + b"," * column + new + b"\r\n"
        else:
            start = place % (len(body) + 1)
            body = body[:start] + new + (b"" if kind == "cut" else body[start:])
    return body


bodies = st.binary(max_size=200) | st.builds(edited, st.sampled_from(list(SOUND.values())), edits)


@settings(max_examples=150)
@given(bodies)
def test_whatever_a_file_holds_it_is_parsed_or_refused_by_name(body: bytes) -> None:
    """And its rows are of its league; what is left out of a file of several is of none known."""
    for parse, leagues in (
        (lambda: parse_season(body, E0, MAIN_BY_DIV["E0"], 2024), {MAIN_BY_DIV["E0"]}),
        (
            lambda: parse_extra(body, BRAZIL, EXTRA_BY_COUNTRY["Brazil"]),
            {EXTRA_BY_COUNTRY["Brazil"]},
        ),
        (lambda: parse_fixtures(body, FIXTURES), set(MAIN_BY_DIV.values())),
        (lambda: parse_fixtures(body, EXTRA_FIXTURES), set(EXTRA_BY_COUNTRY.values())),
    ):
        try:
            file = parse()
        except FileFault:
            continue
        assert {row.league for row in file.rows} <= leagues
        assert {bad.league for bad in file.faults} - {None} <= leagues
        for row in file.rows:
            cells = row.cells()
            said = cells.get("Div", "").strip() or cells.get("Country", "").strip()
            named = {row.league.code, row.league.country, ""}
            assert said in named or "Div" not in row.columns


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(Path(tmp_path_factory.mktemp("fuzz"))).running() as running:
        yield running


def the_day(site: Site, path: str | None = None, body: bytes = b"") -> Any:
    """The day by tournament, and the tournaments that are told to lack matches."""
    for name, sound in SOUND.items():
        site.put(name, body if name == path else sound)
    with FootballDataSource(
        site.url, clock=NOW, policy=RequestPolicy(timeout=5, attempts=1)
    ) as source:
        day = parsed(source, DAY)
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in day.match.to_pylist():
        rows.setdefault(row["tournament_id"], []).append(row)
    return rows, set().union(*(gap.tournament_ids for gap in day.gaps))


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> Any:
    return the_day(site)[0]


def pairs(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["home_team_name"], row["away_team_name"]) for row in rows}


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(FILES)), bodies)
@example(FIXTURES, SOUND[FIXTURES].replace(b"E1", b'"E1'))
@example(FIXTURES, SOUND[FIXTURES].replace(b"Everton", b""))
@example(E0, SOUND[E0].replace(b"E0,", b"E1,", 1))
def test_other_leagues_are_as_if_nothing_had_happened_and_what_is_lost_is_told(
    site: Site, undisturbed: Any, path: str, body: bytes
) -> None:
    found, told = the_day(site, path, body)
    mine = FILES[path]
    assert found.keys() - undisturbed.keys() <= mine
    assert told <= mine
    header, *lines = SOUND[path].split(b"\r\n")
    intact = [line for line in body.split(b"\r\n")[1:] if line in lines]
    for tournament, rows in undisturbed.items():
        if tournament not in mine:
            assert found[tournament] == rows
        elif body.startswith(header + b"\r\n") and tournament not in told:
            there = pairs(found.get(tournament, []))
            for home, away in pairs(rows):
                its_line = any(f"{home},{away}".encode() in line for line in intact)
                assert not its_line or (home, away) in there
