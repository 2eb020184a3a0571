"""From a CSV of the site to rows, or to faults that name the file and the line.

The files have grown since 1993 and were edited by hand: columns differ by season and league, dates
have two or four digits of year, text is UTF-8 with a byte order mark or Windows-1252, rows and
columns may be empty at the end, and a cell may have spaces around it. A line that cannot be used
does not spoil the others: it is kept as a fault of its date.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from soccer_assets.feed.fields import MAX_SCORE
from soccer_assets.sources.football_data.faults import FileFault
from soccer_assets.sources.football_data.leagues import (
    EXTRA_BY_COUNTRY,
    EXTRA_FIXTURES,
    FIXTURES,
    MAIN_BY_DIV,
    League,
)

#: The zone of the Time column, whatever the country of the league.
LONDON = ZoneInfo("Europe/London")
#: Kick-off of a match without a Time (the main leagues have none before 2019/20).
DEFAULT_TIME = time(15, 0)

_HOME, _AWAY = ("HomeTeam", "Home", "HT"), ("AwayTeam", "Away", "AT")
_HOME_GOALS, _AWAY_GOALS = ("FTHG", "HG"), ("FTAG", "AG")
_SEPARATOR = "\x00"  # between the cells of a row kept as text; no file may hold it
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{1,2})[:.](\d{2})(?::\d{2})?", re.ASCII)
_SEASON = re.compile(r"(\d{4})(?:[/-]\d{2,4})?", re.ASCII)
_GOALS = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)
#: Years of two digits from here on are of the last century; the site begins in 1993.
_CENTURY = 90


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A match of a file."""

    file: str
    line: int
    league: League
    season: int | None
    """Start year; None in a file of coming matches, which does not say."""
    season_name: str | None
    """As the feed has it, e.g. ``2024/2025``."""
    date: date
    """British date, as published."""
    kickoff: datetime
    """In UTC."""
    home: str
    away: str
    home_goals: int | None
    away_goals: int | None
    columns: tuple[str, ...]
    """Of the file, shared by its rows."""
    text: str
    """The cells, verbatim."""

    @property
    def finished(self) -> bool:
        return self.home_goals is not None

    def cells(self) -> dict[str, str]:
        """The row verbatim, without its empty cells and unnamed columns."""
        return {
            column: cell
            for column, cell in zip(self.columns, self.text.split(_SEPARATOR), strict=False)
            if column and cell.strip()
        }


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that cannot be used, with what is known of its match."""

    fault: FileFault
    league: League | None
    """None when it may be of any league of the file."""
    season: int | None
    """None when it is not known."""
    date: date | None
    """None when it is not known."""
    home: str
    """Empty when it is not known."""
    away: str
    """Empty when it is not known."""

    @property
    def is_note(self) -> bool:
        """Nothing in the line speaks of a match."""
        return self.date is None and not self.home and not self.away


@dataclass(frozen=True)
class CsvFile:
    """What a file holds."""

    rows: list[CsvRow]
    faults: list[LineFault]


def parse_season(body: bytes, file: str, league: League, season: int) -> CsvFile:
    """Parse the file of one season of a main league (start year ``season``).

    Raises:
        FileFault: the file as a whole cannot be used.
    """
    name = f"{season}/{season + 1}"
    records = list(_records(body, file))
    codes = {record.get("Div") for record in records} - {""}
    if codes and league.code not in codes:
        found = ", ".join(sorted(codes))
        raise FileFault(file, f"holds {found:.80} instead of {league.code}")
    return _rows(records, file, league, _only("Div", league.code), lambda _: (season, name))


def parse_extra(body: bytes, file: str, league: League) -> CsvFile:
    """Parse the file of all seasons of an extra league.

    Raises:
        FileFault: the file as a whole cannot be used.
    """
    records = list(_records(body, file))
    return _rows(records, file, league, _only("Country", league.country), _season)


def parse_fixtures(body: bytes, file: str) -> CsvFile:
    """Parse a file of coming matches; those of leagues that are not known here are left out.

    Raises:
        FileFault: the file as a whole cannot be used, or none of its lines is of a known league.
    """
    column, known = _LEAGUES_OF.get(file, _LEAGUES_OF[FIXTURES])
    records = list(_records(body, file, (column,)))
    named = {record.get(column) for record in records} - {""}
    if named and not named & known.keys():
        found = ", ".join(sorted(named))
        raise FileFault(file, f"holds {found:.80}, none of which is a league that is known")

    def league_of(record: _Record) -> League | None:
        name = record.get(column)
        if not name:
            raise _Unusable(f"no {column}")
        return known.get(name)

    return _rows(records, file, None, league_of, lambda _: (None, None))


#: By what a line of the files of coming matches says its league.
_LEAGUES_OF: dict[str, tuple[str, Mapping[str, League]]] = {
    FIXTURES: ("Div", MAIN_BY_DIV),
    EXTRA_FIXTURES: ("Country", EXTRA_BY_COUNTRY),
}


def _only(column: str, name: str) -> Callable[["_Record"], None]:
    """Refuses lines that say they are of another league than their file."""

    def check(record: _Record) -> None:
        if record.get(column) not in ("", name):
            raise _Unusable(f"{column} {record.get(column)!r:.40} in the file of {name}")

    return check


class _Unusable(ValueError):
    """A cell that cannot be used, in words."""


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    columns: tuple[str, ...]
    index: Mapping[str, int]
    cells: list[str]

    def get(self, *names: str) -> str:
        """The cell of the first of the columns that the file has, without spaces around it."""
        for name in names:
            at = self.index.get(name)
            if at is not None:
                return self.cells[at].strip() if at < len(self.cells) else ""
        return ""


def _decode(body: bytes, file: str) -> str:
    if b"\x00" in body:
        raise FileFault(file, "a NUL byte: not a CSV file")
    body = body.removeprefix(codecs.BOM_UTF8)  # whatever comes after it
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _records(body: bytes, file: str, required: tuple[str, ...] = ()) -> Iterator[_Record]:
    """The lines below the header that have any cell filled."""
    reader = csv.reader(io.StringIO(_decode(body, file), newline=""))
    columns: tuple[str, ...] = ()
    index: dict[str, int] = {}
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if any("\n" in cell or "\r" in cell for cell in cells):
                raise FileFault(file, "a quotation mark that is not closed", line=start)
            if not columns:
                columns = tuple(cell.strip() for cell in cells)
                index = _index(columns, file, start, required)
                continue
            yield _Record(start, columns, index, cells)
    except csv.Error as error:
        raise FileFault(file, str(error), line=line) from error
    if not columns:
        raise FileFault(file, "is empty")


def _index(
    columns: tuple[str, ...], file: str, line: int, required: tuple[str, ...]
) -> dict[str, int]:
    """Where each column is; the first of those with one name."""
    index: dict[str, int] = {}
    for at, column in enumerate(columns):
        index.setdefault(column, at)
    for names in (("Date",), _HOME, _AWAY, *((name,) for name in required)):
        if not index.keys() & set(names):
            raise FileFault(file, f"no column {' or '.join(names)}", line=line)
    return index


def _rows(
    records: list[_Record],
    file: str,
    league: League | None,
    league_of: Callable[[_Record], League | None],
    season_of: Callable[[_Record], tuple[int | None, str | None]],
) -> CsvFile:
    """The rows of a file of ``league``, or of several: ``league_of`` says of which a line is, None
    for one that is not known, or that it can be of none."""
    rows: list[CsvRow] = []
    faults: list[LineFault] = []
    for record in records:
        its_league, season, day = league, None, _date(record)
        try:
            found = league_of(record)
            if league is None and found is None:
                continue
            its_league = league or found
            season, season_name = season_of(record)
            if day is None:
                raise _Unusable(f"Date {record.get('Date')!r:.40} is not a date")
            assert its_league is not None
            if season is not None and season not in its_league.seasons_of(day):
                day = None  # it is wrong, or the season is
                raise _Unusable(f"Date {record.get('Date')} is not in the season of {season}")
            rows.append(_row(record, file, its_league, season, season_name, day))
        except _Unusable as error:
            fault = FileFault(file, str(error), line=record.line)
            teams = record.get(*_HOME), record.get(*_AWAY)
            faults.append(LineFault(fault, its_league, season, day, *teams))
    return CsvFile(rows, faults)


def _row(
    record: _Record,
    file: str,
    league: League,
    season: int | None,
    season_name: str | None,
    day: date,
) -> CsvRow:
    home, away = record.get(*_HOME), record.get(*_AWAY)
    if not home or not away:
        raise _Unusable("a team has no name")
    if home == away:
        raise _Unusable(f"{home} plays itself")
    home_goals = _goals(record, _HOME_GOALS)
    away_goals = _goals(record, _AWAY_GOALS)
    if (home_goals is None) != (away_goals is None):
        raise _Unusable("the goals of one team only")
    start = datetime.combine(day, _time(record), LONDON)
    return CsvRow(
        file=file,
        line=record.line,
        league=league,
        season=season,
        season_name=season_name,
        date=day,
        kickoff=start.astimezone(UTC),
        home=home,
        away=away,
        home_goals=home_goals,
        away_goals=away_goals,
        columns=record.columns,
        text=_SEPARATOR.join(record.cells),
    )


def _season(record: _Record) -> tuple[int, str]:
    text = record.get("Season")
    match = _SEASON.fullmatch(text)
    if match is None:
        raise _Unusable(f"Season {text!r:.40} is not a season")
    start = int(match[1])
    return start, str(start) if text == match[1] else f"{start}/{start + 1}"


def _date(record: _Record) -> date | None:
    match = _DATE.fullmatch(record.get("Date"))
    if match is None:
        return None
    year = int(match[3])
    if year < 100:
        year += 1900 if year >= _CENTURY else 2000
    try:
        return date(year, int(match[2]), int(match[1]))
    except ValueError:
        return None


def _time(record: _Record) -> time:
    text = record.get("Time")
    if not text:
        return DEFAULT_TIME
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return time(int(match[1]), int(match[2]))
    except ValueError:
        raise _Unusable(f"Time {text!r:.40} is not a time") from None


def _goals(record: _Record, columns: tuple[str, ...]) -> int | None:
    text = record.get(*columns)
    if not text:
        return None
    match = _GOALS.fullmatch(text)
    if match is None or int(match[1]) > MAX_SCORE:
        raise _Unusable(f"{columns[0]} {text!r:.40} is not a number of goals")
    return int(match[1])
