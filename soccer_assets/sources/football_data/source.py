"""The site as a livescores feed: a day's matches out of the files that may hold them.

- A match belongs to the UTC day of its kick-off. Times are British; without one it is 15:00.
- A match with the goals of both teams is finished, any other is scheduled.
- Each match carries its CSV row verbatim, with the file it is from, as ``footballData``.
- What is wrong with a file or a line costs its own league only, and is told in the payload under
  ``gaps``, with the league if some of its matches may be missing.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import orjson

from soccer_assets.clock import utc_now
from soccer_assets.feed.fields import GAPS_FIELD
from soccer_assets.feed.payload import Row, day_feed
from soccer_assets.sources.football_data.client import BASE_URL, FootballDataClient
from soccer_assets.sources.football_data.faults import FileFault, FootballDataFault
from soccer_assets.sources.football_data.feed_rows import known_season, league_header, league_match
from soccer_assets.sources.football_data.leagues import (
    EXTRA_FIXTURES,
    FIXTURES,
    LEAGUES,
    League,
    local_days,
)
from soccer_assets.sources.football_data.meetings import number_meetings
from soccer_assets.sources.football_data.parsing import (
    CsvFile,
    CsvRow,
    LineFault,
    parse_extra,
    parse_fixtures,
    parse_season,
)
from soccer_assets.sources.football_data.teams import TeamDirectory
from soccer_assets.sources.request_policy import DEFAULT_POLICY, RequestPolicy
from soccer_assets.storage.store import ObjectStore

logger = logging.getLogger(__name__)

Archive = Callable[[str, bytes], None]

#: Days before today from which on the files of coming matches are looked into.
FIXTURES_REACH_BACK = timedelta(days=30)
#: Matches of a league that are no further apart belong to one season.
SEASON_GAP = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class _Match:
    row: CsvRow
    meeting: int


@dataclass(frozen=True)
class _Index:
    """The matches of a season by UTC day, and those that a bad line may be about, with its fault."""

    matches: dict[date, list[_Match]]
    doubtful: dict[date, set[str]]


class _Gaps:
    """What could not be told of a day: fault -> the leagues that may lack matches for it."""

    def __init__(self) -> None:
        self._found: dict[str, set[int]] = defaultdict(set)

    def add(self, fault: object, leagues: Iterable[League]) -> None:
        self._found[str(fault)].update(league.tournament_id for league in leagues)

    def told(self) -> list[dict[str, Any]]:
        return [
            {"tournamentIds": sorted(ids), "fault": fault} for fault, ids in self._found.items()
        ]


class FootballDataSource:
    """Day payloads in the livescores feed's shape; a context manager, safe across threads.

    A file is asked for once in the source's lifetime, whatever came of it, so that a day costs
    nothing once its season is there, and a failing site is not asked again for every day.

    Args:
        base_url: the site or a mirror of it.
        archive: given the path and the bytes of every file that is new or has changed, before it is
            parsed.
        aliases: a file that adds to, and wins over, the package's ``team_aliases.csv``.
        cache: where files stay from run to run, to ask the site only for those that changed.
        clock: the present; files of coming matches are not looked into for days long before it.

    Raises:
        ValueError: the aliases cannot be used.
    """

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        archive: Archive | None = None,
        aliases: Path | None = None,
        cache: ObjectStore | None = None,
        clock: Callable[[], datetime] = utc_now,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self._teams = TeamDirectory(aliases)
        self._client = FootballDataClient(base_url, cache=cache, policy=policy)
        self._archive = archive
        self._clock = clock
        self._files: dict[str, CsvFile | FileFault | None] = {}
        self._indexes: dict[tuple[League, int, bool], _Index] = {}
        self._lock = threading.Lock()

    def fetch(self, day: date) -> bytes:
        """The matches that kick off on the UTC day ``day``, as a payload of the feed (JSON).

        Raises:
            FootballDataFault: the site does not answer, or no league's file could be had or used.
        """
        gaps = _Gaps()
        try:
            with self._lock:
                groups = list(self._groups(day, gaps))
        except FileFault as fault:
            raise FootballDataFault(day, fault) from fault
        payload = day_feed(groups)
        return orjson.dumps(payload | {GAPS_FIELD: told} if (told := gaps.told()) else payload)

    def _groups(self, day: date, gaps: _Gaps) -> Iterator[tuple[Row, list[Row]]]:
        needed = _seasons_of(day)
        to_come = day >= self._clock().date() - FIXTURES_REACH_BACK
        sound: set[League] = set()
        faults: list[FileFault] = []
        for league, seasons in needed.items():
            try:
                files = [file for season in seasons if (file := self._file(league, season))]
            except FileFault as fault:
                _refuse_of_site(fault)
                faults.append(fault)
                gaps.add(fault, [league])
            else:
                sound |= {league} if files else set()
        if needed and not sound:
            path = next(iter(needed)).file(next(iter(needed.values()))[0])
            absent = FileFault(self._client.base_url, f"has no league's file, {path} for one")
            raise faults[0] if faults else absent
        if to_come:
            for extra in (False, True):
                try:
                    self._fixtures(extra)
                except FileFault as fault:
                    _refuse_of_site(fault)
                    gaps.add(fault, (league for league in needed if league.extra is extra))
        for league, seasons in needed.items():
            try:
                yield from self._league(league, seasons, day, to_come, gaps)
            except FileFault as fault:
                _refuse_of_site(fault)
                gaps.add(fault, [league])

    def _league(
        self, league: League, seasons: list[int], day: date, to_come: bool, gaps: _Gaps
    ) -> list[tuple[Row, list[Row]]]:
        """What a league has on a day."""
        indexes = [self._index(league, season, to_come) for season in seasons]
        files = [self._file(league, season) for season in seasons]
        if to_come:
            files.append(self._sound_fixtures(league.extra))
        for file in filter(None, files):
            for bad in file.faults:
                if bad.league in (league, None) and _may_be_of(bad, file, day):
                    gaps.add(bad.fault, [] if bad.is_note else [league])
        for index in indexes:
            for fault in sorted(index.doubtful.get(day, ())):
                gaps.add(fault, [league])
        return [
            (league_header(league, matches[0].row), [self._match(match) for match in matches])
            for index in indexes
            if (matches := index.matches.get(day))
        ]

    # Files

    def _file(self, league: League, season: int) -> CsvFile | None:
        path = league.file(season)
        if league.extra:
            return self._load(path, lambda body: parse_extra(body, path, league))
        return self._load(path, lambda body: parse_season(body, path, league, season))

    def _fixtures(self, extra: bool) -> CsvFile | None:
        path = EXTRA_FIXTURES if extra else FIXTURES
        return self._load(path, lambda body: parse_fixtures(body, path))

    def _sound_fixtures(self, extra: bool) -> CsvFile | None:
        """The same; None when it cannot be used, too."""
        try:
            return self._fixtures(extra)
        except FileFault as fault:
            _refuse_of_site(fault)
            return None

    def _load(self, path: str, parse: Callable[[bytes], CsvFile]) -> CsvFile | None:
        """The file, parsed; None when the site does not have it. Raises FileFault."""
        if path not in self._files:
            try:
                self._files[path] = self._download(path, parse)
            except FileFault as fault:
                self._files[path] = fault
        file = self._files[path]
        if isinstance(file, FileFault):
            raise file
        return file

    def _download(self, path: str, parse: Callable[[bytes], CsvFile]) -> CsvFile | None:
        download = self._client.fetch(path)
        if download is None:
            logger.info("%s has no %s", self._client.base_url, path)
            return None
        if download.changed and self._archive is not None:
            self._archive(path, download.body)
        file = parse(download.body)
        if download.changed:
            self._client.remember(download)
        return file

    # Matches

    def _index(self, league: League, season: int, to_come: bool) -> _Index:
        key = (league, season, to_come)
        if key not in self._indexes:
            rows = list(self._results(league, season))
            if to_come:
                rows += [row for row in self._to_come(league, season) if row.season == season]
            index = _Index(defaultdict(list), defaultdict(set))
            bad_lines = self._bad_lines(league, season, to_come)
            sound = []
            for row in rows:
                # A line that cannot be used may be a meeting of the same teams, and the meetings
                # are numbered.
                faults = {str(bad.fault) for bad in bad_lines if self._may_be_same_pair(bad, row)}
                if faults:
                    index.doubtful[row.kickoff.date()] |= faults
                else:
                    sound.append(row)
            for row, meeting in number_meetings(sound, self._pair):
                index.matches[row.kickoff.date()].append(_Match(row, meeting))
            for matches in index.matches.values():
                matches.sort(key=lambda match: (match.row.kickoff, match.row.home, match.row.away))
            self._indexes[key] = index
        return self._indexes[key]

    def _bad_lines(self, league: League, season: int, to_come: bool) -> list[LineFault]:
        """The lines with a team's name that may be of a season."""
        files = [self._file(league, season)]
        if to_come:
            files.append(self._sound_fixtures(league.extra))
        return [
            bad
            for file in files
            if file
            for bad in file.faults
            if bad.league in (league, None) and bad.season in (season, None)
            if bad.home or bad.away
        ]

    def _may_be_same_pair(self, bad: LineFault, row: CsvRow) -> bool:
        home, away = (
            {self._teams.team(row.league.country, name).id} if name else set()
            for name in (bad.home, bad.away)
        )
        if home == away:  # one of them is another team
            return not home.isdisjoint(self._pair(row))
        its_home, its_away = self._pair(row)
        return (not home or its_home in home) and (not away or its_away in away)

    def _results(self, league: League, season: int) -> Iterator[CsvRow]:
        """The rows of a season's file, or of a season in the file of all."""
        file = self._file(league, season)
        return (row for row in file.rows if row.season == season) if file else iter(())

    def _to_come(self, league: League, season: int) -> Iterator[CsvRow]:
        """The coming matches that may be of a season, with the season each is of."""
        file = self._sound_fixtures(league.extra)
        for row in file.rows if file else ():
            if row.league is league and season in league.seasons_of(row.date):
                start, name = self._season_of(row)
                yield replace(row, season=start, season_name=name)

    def _season_of(self, fixture: CsvRow) -> tuple[int, str]:
        """The season of a coming match, whose file does not say.

        That of the league's nearest match. With none near, a season begins or goes on after a
        break, and the calendar decides.
        """
        league, day = fixture.league, fixture.date
        known = [row for season in league.seasons_of(day) for row in self._results(league, season)]
        nearest = min(known, key=lambda row: abs(row.date - day), default=None)
        if nearest is not None and abs(nearest.date - day) <= SEASON_GAP:
            return known_season(nearest)
        name = known_season(nearest)[1] if nearest else ""
        if name.isdecimal() if name else league.calendar_year:
            return day.year, str(day.year)
        start = day.year - (day.month < 7)
        return start, f"{start}/{start + 1}"

    def _pair(self, row: CsvRow) -> tuple[int, int]:
        country = row.league.country
        return self._teams.team(country, row.home).id, self._teams.team(country, row.away).id

    def _match(self, match: _Match) -> Row:
        country = match.row.league.country
        home = self._teams.team(country, match.row.home)
        away = self._teams.team(country, match.row.away)
        return league_match(match.row, match.meeting, home, away)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _seasons_of(day: date) -> dict[League, list[int]]:
    """The leagues that may have a match on the UTC day ``day``, and in which seasons."""
    found = {
        league: sorted({s for local in local_days(day) for s in league.seasons_of(local)})
        for league in LEAGUES
    }
    return {league: seasons for league, seasons in found.items() if seasons}


def _refuse_of_site(fault: FileFault) -> None:
    """Raise a fault that the next file would have as well."""
    if fault.of_site:
        raise fault


def _may_be_of(bad: LineFault, file: CsvFile, day: date) -> bool:
    """Whether a line may be a match of the day."""
    days = local_days(day)
    if bad.date is not None:
        return bad.date in days
    if bad.season is not None and bad.league is not None:
        return any(bad.season in bad.league.seasons_of(local) for local in days)
    return min((row.date for row in file.rows), default=date.min) <= days[1]
