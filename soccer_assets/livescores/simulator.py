"""A simulated football world behind the day feed.

Ten invented countries with two men's divisions, promotion and relegation, a national cup, and
women's leagues in three of them: about 7,100 matches a season. Clubs have latent attack and
defence that drift from week to week, so that past results inform about future ones.

A payload is a pure function of (seed, first season, day, moment). Everything random is drawn per
(country, season) from its own stream, and each match is *viewed* at the moment asked for: nothing
that happens later than that moment, nor a fixture that depends on it, is shown.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from itertools import groupby
from typing import Any

import numpy as np

from soccer_assets.livescores.backends import (
    Row,
    day_feed,
    epoch,
    header_row,
    local_text,
    match_row,
    utc_text,
    winner,
)
from soccer_assets.livescores.feed import FeedStatus, Sex

HOUR = 3600
DAY = 24 * HOUR
FINAL_WHISTLE = 2 * HOUR  # after kick-off, extra time and penalties included
CORRECTED_AFTER = 20 * HOUR  # after the final whistle
AWARDED_AFTER = 30 * HOUR  # after the final whistle
ANNOUNCED_BEFORE = DAY  # postponements and cancellations, before kick-off

CUP_TEAMS = 32
CUP_STAGES = ("Round of 32", "Round of 16", "Quarter-finals", "Semi-finals", "Final")
SHOOTOUTS = ((5, 4), (4, 3), (4, 2), (5, 3), (3, 2), (3, 1), (6, 5), (4, 1), (7, 6))

Pattern = tuple[tuple[int, int, int], ...]

# (days from Saturday, hour, minute) in local time; a round of m matches takes the first m.
WEEKEND: Pattern = (
    *((0, 15, 0), (0, 17, 30), (1, 14, 0), (1, 16, 30), (-1, 20, 0)),
    *((0, 12, 30), (0, 15, 0), (2, 20, 0), (1, 14, 0), (0, 20, 0)),
)
WOMEN_WEEKEND: Pattern = (
    *((1, 12, 0), (1, 14, 0), (0, 13, 0), (1, 12, 30), (1, 15, 0), (0, 11, 30)),
)
LAST_ROUND: Pattern = ((1, 16, 0),)
# (days from Tuesday, hour, minute)
MIDWEEK: Pattern = ((0, 19, 0), (1, 19, 0), (0, 19, 45), (1, 20, 0), (0, 20, 30), (1, 18, 30))


@dataclass(frozen=True)
class Country:
    """One invented country: its calendar, its leagues and how its clubs are named."""

    id: int
    code: str
    name: str
    utc_offset: int
    sizes: tuple[int, int]
    leagues: tuple[str, str]
    cup: str
    stems: str
    endings: str
    forms: tuple[str, ...]
    exchanged: int = 3
    calendar_year: bool = False
    winter_break: bool = False
    women: int = 0
    minutes_later: int = 0

    def first_day(self, year: int) -> date:
        """The Saturday of the first round."""
        earliest = date(year, 3, 3) if self.calendar_year else date(year, 8, 5 + 7 * (self.id % 2))
        return earliest + timedelta(days=(5 - earliest.weekday()) % 7)

    def last_day(self, year: int) -> date:
        """The Saturday of the last round."""
        return self.first_day(year) + timedelta(weeks=38 if self.calendar_year else 40)

    def published(self, year: int) -> int:
        """When the season's calendar appears: after the previous season is decided."""
        moment = (year - 1, 12, 20) if self.calendar_year else (year, 6, 24)
        return int(datetime(*moment, 10, tzinfo=UTC).timestamp())

    def is_break(self, saturday: date) -> bool:
        """No league football around this Saturday: internationals, or the winter break."""
        month, week = saturday.month, (saturday.day - 1) // 7
        if self.calendar_year:  # the June break comes one country after the other
            return month == 6 and week == self.id % 3
        winter = (month == 12 and saturday.day > 22) or (month == 1 and saturday.day < 13)
        return (month, week) in {(9, 0), (10, 1), (11, 2), (3, 3)} or (self.winter_break and winter)

    def season_name(self, year: int) -> str:
        return str(year) if self.calendar_year else f"{year}/{year + 1}"


COUNTRIES = (
    Country(
        1, "xa", "Albreth", 0, (20, 20), ("Premier Division", "Championship Division"),
        "Crown Cup", "Brenn Colver Dray Elmin Farro Grinsel Kessel Larch Morven Ottel Tolver Wither",
        "ford ham wick mere combe stead thorpe minster",
        ("{} United", "{} Town", "{} City", "{} Rovers", "{} Athletic", "{}", "{} Albion"),
        women=12,
    ),
    Country(
        2, "xb", "Castellor", 1, (20, 20), ("Liga Mayor", "Liga Menor"), "Copa del Reino",
        "Valde Monte Puerto Sora Alca Belmi Cordo Espi Galla Herra Juna Torre",
        "rosa lejo mira zano quera vilar bejo nera",
        ("Real {}", "Atlético {}", "CD {}", "{} CF", "Deportivo {}", "UD {}"),
        women=12, minutes_later=60,
    ),
    Country(
        3, "xc", "Teutmark", 1, (18, 18), ("Oberliga", "Zweite Oberliga"), "Teutmark-Pokal",
        "Alvern Birsen Dornel Eschel Falgen Horsel Krumbel Lorben Ommer Rauden Sturm Wessel",
        "bruck hagen rode stedt walde furt kirch tal",
        ("SV {}", "FC {}", "VfR {}", "{} 04", "Eintracht {}", "TSV {}", "Blau-Weiss {}"),
        exchanged=2, winter_break=True,
    ),
    Country(
        4, "xd", "Lusenne", 1, (18, 18), ("Division Une", "Division Deux"), "Coupe Nationale",
        "Bero Charmi Fonte Grali Lauve Marni Ponta Riva Saint-Alo Villo Aube Toure",
        "vrac lieu mireux sanne court belle gny rault",
        ("{}", "Olympique {}", "Stade {}", "AS {}", "FC {}", "Racing {}"),
    ),
    Country(
        5, "xe", "Vespera", 1, (20, 18), ("Lega Prima", "Lega Seconda"), "Coppa Vespera",
        "Aque Borgo Casti Fiora Luce Monta Pietra Rocca Sante Torra Verde Vola",
        "liano vento rano sella digo miro nuovo tese",
        ("{}", "{} Calcio", "AC {}", "US {}", "Virtus {}", "Pro {}"),
    ),
    Country(
        6, "xf", "Zoravia", 2, (16, 16), ("Prva Liga", "Druga Liga"), "Kup Zoravije",
        "Belti Chern Drago Goral Krasel Novet Radi Slav Starov Trebi Vrba Zlat",
        "grad slavka pole nik vets mir ovo dolina",
        ("FK {}", "{}", "Sloga {}", "Dinamo {}", "Zeleznik {}", "NK {}"),
        exchanged=2, winter_break=True,
    ),
    Country(
        7, "xg", "Nederhaven", 1, (18, 16), ("Hoofdklasse", "Eerste Klasse"), "Nederhaven Beker",
        "Alder Bruin Drenk Gelver Hoeks Kampel Moster Norder Schelp Twens Velder Zwans",
        "drecht horst veen sluis broek waard kapel loo",
        ("{}", "VV {}", "FC {}", "Sparta {}", "Go Ahead {}", "SC {}"),
    ),
    Country(
        8, "xh", "Norrmark", 1, (16, 16), ("Toppserien", "Forstedivision"), "Norrmark Cup",
        "Bjork Elv Fjell Gran Hav Kvit Lang Nord Orn Strand Ulv Vinter",
        "vik sund stad holm dal nes berga foss",
        ("{} IF", "{} BK", "IK {}", "{} FF", "IFK {}", "{}"),
        exchanged=2, calendar_year=True, women=12,
    ),
    Country(
        9, "xi", "Pampora", -3, (20, 20), ("Série Ouro", "Série Prata"), "Copa Pampora",
        "Avaca Boia Crusa Ibe Jara Mareci Parno Pirau Santa-Lu Taqui Ubera Vilo",
        "tuba nópolis guara mirim pema raba curi bela",
        ("{} FC", "EC {}", "Atlético {}", "{}", "Grêmio {}", "União {}"),
        calendar_year=True, minutes_later=60,
    ),
    Country(
        10, "xj", "Hinomoto", 9, (18, 18), ("H1 League", "H2 League"), "Chrysanthemum Cup",
        "Akino Fujira Harumi Ishino Kitsu Minori Nagiru Okuri Sakumi Tachi Uchiro Yamori",
        "hara zawa shiro gawa mura hama mori jima",
        ("{} Brave", "FC {}", "{} Crane", "{} Stars", "Vento {}", "{} SC"),
        calendar_year=True, minutes_later=-60,
    ),
)  # fmt: skip


class Kind(IntEnum):
    """What becomes of a match."""

    NORMAL = 0
    POSTPONED = 1
    CORRECTED = 2
    CANCELLED = 3
    ABANDONED = 4
    AWARDED = 5


KIND_SHARES = (0.017, 0.005, 0.001, 0.001, 0.0015)  # of all kinds but NORMAL, in league matches


@dataclass(frozen=True, slots=True)
class Level:
    """How a competition plays: log goal rate, home advantage, spread of strength, its centre."""

    goals: float
    home: float
    spread: float
    centre: float


LEVELS = (Level(0.10, 0.28, 0.32, 0.16), Level(0.08, 0.26, 0.26, -0.16))
WOMEN_LEVEL = Level(0.22, 0.18, 0.40, 0.0)
LOW_SCORE_CORRELATION = -0.10


@dataclass(slots=True)
class Team:
    """A club, with its part of a match row for either side."""

    id: int
    home: Row
    away: Row


def _team(team_id: int, name: str, country: Country) -> Team:
    values = (team_id, name, country.code, country.name)
    names = ("TeamId", "TeamName", "TeamCountryCode", "TeamCountryName")
    home, away = (
        {side + key: value for key, value in zip(names, values, strict=True)}
        for side in ("home", "away")
    )
    return Team(team_id, home, away)


@dataclass(slots=True)
class Stage:
    """One stage of one season of a tournament."""

    id: int
    utc_offset: int
    header: Row


@dataclass(slots=True)
class Match:
    """The whole truth about a match; ``view`` shows what is known of it at a moment."""

    id: int
    stage: Stage
    home: Team
    away: Team
    kickoff: int
    known_at: int
    kind: Kind
    score: tuple[int, int]
    goal_minutes: tuple[list[int], list[int]]
    cards: list[int]
    misreported: tuple[int, int] | None = None
    extra_time: tuple[int, int] | None = None
    penalties: tuple[int, int] | None = None
    moved_to: int | None = None

    def result(self) -> tuple[int, int] | None:
        """The score that counts for the table, if any."""
        if self.kind in (Kind.CANCELLED, Kind.ABANDONED):
            return None
        return self._award() if self.kind is Kind.AWARDED else self.score

    def view(self, now: float, on_new_day: bool) -> Row | None:
        """The match as shown at ``now`` on its first or its new day; None if not (yet) there."""
        if now < self.known_at:
            return None
        announced = now >= self.kickoff - ANNOUNCED_BEFORE
        if self.moved_to is not None and on_new_day:
            return self._row(self.moved_to, self._played(self.moved_to, now)) if announced else None
        if announced and self.kind is Kind.POSTPONED:
            return self._row(self.kickoff, {"status": int(FeedStatus.POSTPONED)})
        if announced and self.kind is Kind.CANCELLED:
            return self._row(self.kickoff, {"status": int(FeedStatus.CANCELLED)})
        return self._row(self.kickoff, self._played(self.kickoff, now))

    def _row(self, kickoff: int, shown: Row) -> Row:
        fixture = {
            "stageId": self.stage.id,
            "id": self.id,
            "startTime": local_text(kickoff + self.stage.utc_offset),
            "startTimeUtc": utc_text(kickoff),
            "period": 0,
            "hasIncidentsSummary": False,
            "hasPreview": False,
            "isLineupConfirmed": False,
            "isTopMatch": self.id % 7 == 0,
            "isStreamAvailable": False,
            "matchIsOpta": False,
            "commentCount": 0,
        }
        return match_row(fixture, self.home.home, self.away.away, shown)

    def _played(self, kickoff: int, now: float) -> Row:
        elapsed = now - kickoff
        if elapsed < 0:
            return {"status": int(FeedStatus.SCHEDULED)}
        minute = _match_minute(elapsed)
        if self.kind is Kind.ABANDONED and minute >= self._abandoned_at():
            minute = self._abandoned_at()
            return self._running(kickoff, minute, FeedStatus.ABANDONED) | {"elapsed": "Abd"}
        if elapsed < FINAL_WHISTLE:
            return self._running(kickoff, minute, FeedStatus.IN_PLAY)
        return self._finished(kickoff, now - kickoff - FINAL_WHISTLE)

    def _running(self, kickoff: int, minute: int, status: FeedStatus) -> Row:
        home, away = (sum(m <= minute for m in minutes) for minutes in self.goal_minutes)
        row = self._clock(kickoff, minute) | self._last_goal(kickoff, minute)
        row |= {
            "status": int(status),
            "homeScore": home,
            "awayScore": away,
            "period": 1 if minute <= 45 else 2,
            "elapsed": f"{minute}'",
        }
        return row

    def _finished(self, kickoff: int, since: float) -> Row:
        row = self._clock(kickoff, 90) | self._last_goal(kickoff, 90)
        score, status, decided, elapsed = self.score, FeedStatus.FINISHED, self.score, "FT"
        if self.kind is Kind.CORRECTED and self.misreported is not None:
            if since < CORRECTED_AFTER:
                score = decided = self.misreported
            else:
                corrected = kickoff + FINAL_WHISTLE + CORRECTED_AFTER
                row["scoreChangedAt"] = _changed_text(corrected)
        if self.kind is Kind.AWARDED and since >= AWARDED_AFTER:
            score = decided = self._award()
            status, elapsed = FeedStatus.AWARDED, "Awd"
            row["scoreChangedAt"] = _changed_text(kickoff + FINAL_WHISTLE + AWARDED_AFTER)
        if self.extra_time is not None:
            row["homeExtratimeScore"], row["awayExtratimeScore"] = decided = self.extra_time
            elapsed = "AET"
        if self.penalties is not None:
            row["homePenaltyScore"], row["awayPenaltyScore"] = decided = self.penalties
            elapsed = "PEN"
        row |= {
            "status": int(status),
            "homeScore": score[0],
            "awayScore": score[1],
            "homeYellowCards": self.cards[0],
            "awayYellowCards": self.cards[1],
            "homeRedCards": self.cards[2],
            "awayRedCards": self.cards[3],
            "period": 7,
            "elapsed": elapsed,
            "winnerField": winner(*decided),
            "hasIncidentsSummary": True,
            "commentCount": self.id % 23,
        }
        return row

    def _clock(self, kickoff: int, minute: int) -> Row:
        return {
            "startedAtUtc": utc_text(kickoff),
            "firstHalfEndedAtUtc": utc_text(kickoff + 47 * 60) if minute > 45 else None,
            "secondHalfStartedAtUtc": utc_text(kickoff + 62 * 60) if minute > 45 else None,
            "isLineupConfirmed": True,
        }

    def _last_goal(self, kickoff: int, minute: int) -> Row:
        goals = [(m, side) for side in (0, 1) for m in self.goal_minutes[side] if m <= minute]
        if not goals:
            return {}
        last, side = max(goals)
        return {"lastScorer": side, "scoreChangedAt": _changed_text(kickoff + _real_seconds(last))}

    def _abandoned_at(self) -> int:
        return 30 + self.id % 45

    def _award(self) -> tuple[int, int]:
        return (3, 0) if self.id % 2 else (0, 3)


def _match_minute(elapsed: float) -> int:
    """The match clock: 45 minutes, a break of 17 with stoppage time, 45 minutes."""
    minute = int(elapsed // 60)
    if minute <= 45:
        return minute
    return min(90, max(45, minute - 17))


def _real_seconds(minute: int) -> int:
    """The first second since kick-off at which the match clock shows ``minute``."""
    return 60 * (minute if minute <= 45 else minute + 17)


def _changed_text(seconds: int) -> str:
    return utc_text(seconds).replace("T", " ")


@dataclass
class Squad:
    """Clubs playing in the same leagues and cup, with their attack and defence."""

    teams: list[Team]
    divisions: list[list[int]]  # indices of teams, best of last season first
    strength: np.ndarray  # (teams, 2): attack, defence


@dataclass
class Tournament:
    """A competition over all its seasons."""

    id: int
    name: str
    country: Country
    sex: Sex
    level: Level

    def stage(self, year: int, number: int = 1, name: str | None = None) -> Stage:
        season_id = self.id * 10000 + year
        header = header_row(
            {
                "regionId": self.country.id,
                "regionName": self.country.name,
                "regionCode": self.country.code,
                "tournamentId": self.id,
                "tournamentName": self.name,
                "seasonId": season_id,
                "seasonName": self.country.season_name(year),
                "stageId": season_id * 10 + number,
                "stageName": name or self.name,
                "sex": int(self.sex),
            }
        )
        return Stage(season_id * 10 + number, self.country.utc_offset * HOUR, header)

    def first_match_id(self, year: int) -> int:
        return ((year - 1900) * 200 + self.id) * 1000 + 1


@dataclass
class Fixtures:
    """Matches to be played, as parallel arrays; ``day`` is a local ordinal, ``time`` seconds."""

    home: np.ndarray
    away: np.ndarray
    day: np.ndarray
    time: np.ndarray


@dataclass
class CountryWorld:
    """A country's clubs, advanced by one season at a time."""

    country: Country
    seed: int
    men: Squad = field(init=False)
    women: Squad | None = field(init=False, default=None)
    tournaments: dict[str, Tournament] = field(init=False)

    def __post_init__(self) -> None:
        rng = self._rng(0, 0)
        names = _club_names(self.country, rng)
        size_1, size_2 = self.country.sizes
        first_id = self.country.id * 1000 + 1
        teams = [_team(first_id + i, name, self.country) for i, name in enumerate(names)]
        divisions = [list(range(size_1)), list(range(size_1, size_1 + size_2))]
        self.men = Squad(teams, divisions, _first_strengths(divisions, LEVELS, rng))
        if self.country.women:
            ids = range(first_id + 500, first_id + 500 + self.country.women)
            sides = [_team(i, f"{n} Women", self.country) for i, n in zip(ids, names, strict=False)]
            league = [list(range(len(sides)))]
            self.women = Squad(sides, league, _first_strengths(league, (WOMEN_LEVEL,), rng))
        self.tournaments = self._make_tournaments(rng)

    def _rng(self, purpose: int, year: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.country.id, purpose, year])

    def _make_tournaments(self, rng: np.random.Generator) -> dict[str, Tournament]:
        country = self.country
        plan = {
            "first": (1, country.leagues[0], Sex.MEN, LEVELS[0]),
            "second": (2, country.leagues[1], Sex.MEN, LEVELS[1]),
            "cup": (3, country.cup, Sex.MEN, LEVELS[0]),
        }
        if country.women:
            name = f"{country.leagues[0]} Women"
            plan["women"] = (4, name, Sex.WOMEN, WOMEN_LEVEL)
        made = {}
        for key, (number, name, sex, base) in plan.items():
            goals, home = rng.normal((base.goals, base.home), (0.07, 0.06))
            level = Level(float(goals), max(0.05, float(home)), base.spread, base.centre)
            made[key] = Tournament(country.id * 10 + number, name, country, sex, level)
        return made

    def season(self, year: int) -> Iterator[Match]:
        """Play one season and move on: promotion, relegation, changed strengths."""
        start = self.country.first_day(year)
        tuesdays = self._cup_tuesdays(year)
        cup_days = {t.toordinal() + k for t in tuesdays for k in range(-1, 3)}
        rng = self._rng(1, year)
        path = _strength_path(self.men.strength, rng)
        tables = []
        for i, key in enumerate(("first", "second")):
            league = LeagueSeason(self.tournaments[key], year, self.men, tuesdays, cup_days, rng)
            matches = league.play(self.men.divisions[i], path, start)
            yield from matches
            tables.append(_table(matches, self.men, self.men.divisions[i]))
        yield from self._cup(year, tuesdays, path, self._rng(2, year))
        self._advance(self.men, tables, path, LEVELS, self._rng(3, year))
        if self.women is not None:
            yield from self._women_season(year, start, self.women)

    def _women_season(self, year: int, start: date, squad: Squad) -> list[Match]:
        rng = self._rng(4, year)
        path = _strength_path(squad.strength, rng)
        league = LeagueSeason(self.tournaments["women"], year, squad, [], set(), rng)
        matches = league.play(squad.divisions[0], path, start)
        table = _table(matches, squad, squad.divisions[0])
        self._advance(squad, [table], path, (WOMEN_LEVEL,), self._rng(5, year))
        return matches

    def _advance(
        self,
        squad: Squad,
        tables: list[list[int]],
        path: np.ndarray,
        levels: tuple[Level, ...],
        rng: np.random.Generator,
    ) -> None:
        if len(tables) == 2:
            top, bottom, k = *tables, self.country.exchanged
            tables = [top[:-k] + bottom[:k], top[-k:] + bottom[k:]]
        squad.divisions = tables
        kept = 0.5 * (squad.strength + path[-1])
        noise = rng.normal(0.0, 0.36, (len(kept), 1)) + rng.normal(0.0, 0.15, kept.shape)
        for division, level in zip(tables, levels, strict=True):
            centre = level.centre / 2
            fresh = level.spread * noise[division]
            kept[division] = centre + 0.92 * (kept[division] - centre) + fresh
        squad.strength = kept

    def _cup_tuesdays(self, year: int) -> list[date]:
        first, last = self.country.first_day(year), self.country.last_day(year)
        weeks = (last - first).days // 7
        shares = (0.12, 0.32, 0.53, 0.74, 0.93)
        return [first + timedelta(days=3 + 7 * round(weeks * share)) for share in shares]

    def _cup(
        self, year: int, tuesdays: list[date], path: np.ndarray, rng: np.random.Generator
    ) -> Iterator[Match]:
        """Knockout rounds; a round is drawn, and so appears, the day after the one before it."""
        tournament, known_at = self.tournaments["cup"], self.country.published(year)
        alive = np.array([*self.men.divisions[0], *self.men.divisions[1]][:CUP_TEAMS])
        match_id = tournament.first_match_id(year)
        start = self.country.first_day(year).toordinal()
        for number, (name, tuesday) in enumerate(zip(CUP_STAGES, tuesdays, strict=True), 1):
            home, away = rng.permutation(alive).reshape(-1, 2).T
            days, times = _kickoffs(MIDWEEK, tuesday, len(home), self.country, rng)
            draw = Fixtures(home, away, days, times)
            stage = tournament.stage(year, number, name)
            rates = _goal_rates(draw, path, start, tournament.level)
            matches = _matches(stage, match_id, self.men, draw, rates, known_at, rng)
            winners = [
                (h, a)[_decide(match, lam, mu, rng)]
                for match, h, a, lam, mu in zip(matches, home, away, *rates, strict=True)
            ]
            yield from matches
            alive, match_id = np.array(winners), match_id + len(matches)
            known_at = max(match.kickoff for match in matches) + FINAL_WHISTLE + 15 * HOUR


@dataclass
class LeagueSeason:
    """One season of a double round robin."""

    tournament: Tournament
    year: int
    squad: Squad
    cup_tuesdays: list[date]
    cup_days: set[int]
    rng: np.random.Generator

    def play(self, division: list[int], path: np.ndarray, start: date) -> list[Match]:
        country, rng = self.tournament.country, self.rng
        fixtures = self._fixtures(np.array(division))
        rates = _goal_rates(fixtures, path, start.toordinal(), self.tournament.level)
        matches = _matches(
            self.tournament.stage(self.year),
            self.tournament.first_match_id(self.year),
            self.squad,
            fixtures,
            rates,
            country.published(self.year),
            rng,
        )
        kinds = np.searchsorted(np.cumsum(KIND_SHARES), rng.random(len(matches)), side="right")
        for i in np.flatnonzero(kinds < len(KIND_SHARES)):
            matches[i].kind = Kind(int(kinds[i]) + 1)
        for match in matches:
            if match.kind is Kind.CORRECTED:
                match.misreported = _misreport(match.score, rng)
        self._reschedule(matches, fixtures)
        return matches

    def _fixtures(self, division: np.ndarray) -> Fixtures:
        country, rng = self.tournament.country, self.rng
        rounds = rng.permutation(division)[_round_robin(len(division))]
        parts = []
        slots = self._round_slots(len(rounds))
        for number, (day, midweek) in enumerate(slots):
            pattern = WOMEN_WEEKEND if self.tournament.sex is Sex.WOMEN else WEEKEND
            if midweek:
                pattern = MIDWEEK
            elif number >= len(slots) - 2:
                pattern = LAST_ROUND
            days, times = _kickoffs(pattern, day, rounds.shape[1], country, rng)
            if day + timedelta(days=3) in self._busy_tuesdays:  # no Monday before a midweek
                days = np.where(days > day.toordinal() + 1, days - 1, days)
            parts.append((days, times))
        return Fixtures(
            rounds[..., 0].ravel(),
            rounds[..., 1].ravel(),
            np.concatenate([days for days, _ in parts]),
            np.concatenate([times for _, times in parts]),
        )

    def _round_slots(self, rounds: int) -> list[tuple[date, bool]]:
        """Days of the rounds: evenly chosen weekends, and some midweeks without a cup round."""
        country = self.tournament.country
        first, last = country.first_day(self.year), country.last_day(self.year)
        weeks = [first + timedelta(weeks=k) for k in range((last - first).days // 7 + 1)]
        weekends = [saturday for saturday in weeks if not country.is_break(saturday)]
        cup = set(self.cup_tuesdays)
        tuesdays = [s + timedelta(days=3) for s in weekends[1:-3]]
        tuesdays = [tuesday for tuesday in tuesdays if tuesday not in cup]
        wanted = 2 if self.tournament.sex is Sex.WOMEN else 5
        midweeks = max(wanted, rounds - len(weekends))
        offset = self.rng.random()
        at = ((np.arange(midweeks) + offset) * len(tuesdays) / midweeks).astype(int)
        chosen = [tuesdays[i] for i in at]
        spread = np.linspace(0, len(weekends) - 1, rounds - midweeks).round().astype(int)
        self._busy_tuesdays = cup | set(chosen)
        return sorted([(weekends[i], False) for i in spread] + [(day, True) for day in chosen])

    def _reschedule(self, matches: list[Match], fixtures: Fixtures) -> None:
        """Give postponed matches a new midweek day on which neither club plays."""
        busy: set[tuple[int, int]] = set()
        for team_ids in (fixtures.home, fixtures.away):
            for team, day in zip(team_ids.tolist(), fixtures.day.tolist(), strict=True):
                busy.update((team, day + k) for k in (-1, 0, 1))
        latest = self.tournament.country.last_day(self.year).toordinal() - 3
        postponed = [i for i, match in enumerate(matches) if match.kind is Kind.POSTPONED]
        for i in sorted(postponed, key=lambda i: (matches[i].kickoff, i)):
            pair = (int(fixtures.home[i]), int(fixtures.away[i]))
            day = int(fixtures.day[i]) + int(self.rng.integers(9, 40))
            while day < latest and not self._is_free(pair, day, busy):
                day += 1
            if day >= latest:  # too late in the season: played as planned
                matches[i].kind = Kind.NORMAL
                continue
            busy.update((team, day + k) for team in pair for k in (-1, 0, 1))
            evening = 19 * HOUR + 60 * self.tournament.country.minutes_later
            matches[i].moved_to = _utc(day, evening, matches[i].stage)

    def _is_free(self, pair: tuple[int, int], day: int, busy: set[tuple[int, int]]) -> bool:
        midweek = date.fromordinal(day).weekday() in (1, 2, 3)
        return midweek and day not in self.cup_days and not any((t, day) in busy for t in pair)


def _club_names(country: Country, rng: np.random.Generator) -> list[str]:
    towns = [stem + ending for stem in country.stems.split() for ending in country.endings.split()]
    count = sum(country.sizes)
    chosen = rng.choice(len(towns), count, replace=False)
    forms = rng.integers(0, len(country.forms), count)
    return [country.forms[f].format(towns[t]) for t, f in zip(chosen, forms, strict=True)]


def _first_strengths(
    divisions: list[list[int]], levels: tuple[Level, ...], rng: np.random.Generator
) -> np.ndarray:
    parts = []
    for division, level in zip(divisions, levels, strict=True):
        overall = level.centre / 2 + rng.normal(0.0, 0.9 * level.spread, (len(division), 1))
        style = rng.normal(0.0, 0.08, (len(division), 1))
        parts.append(np.hstack([overall + style, overall - style]))
    return np.concatenate(parts)


def _strength_path(strength: np.ndarray, rng: np.random.Generator, weeks: int = 46) -> np.ndarray:
    """Attack and defence by week: the season's level plus an AR(1) form, (weeks, teams, 2)."""
    shocks = rng.normal(0.0, 0.025, (weeks, *strength.shape))
    form = np.zeros_like(shocks)
    for week in range(1, weeks):
        form[week] = 0.96 * form[week - 1] + shocks[week]
    return strength + form


def _round_robin(n: int) -> np.ndarray:
    """Circle method, each pair once at home and once away: (2 (n - 1), n / 2, 2)."""
    circle = list(range(n))
    rounds = []
    for number in range(n - 1):
        pairs = [(circle[i], circle[n - 1 - i]) for i in range(n // 2)]
        rounds.append(
            [(b, a) if (i % 2 if i else number % 2) else (a, b) for i, (a, b) in enumerate(pairs)]
        )
        circle = [circle[0], circle[-1], *circle[1:-1]]
    half = np.array(rounds)
    return np.concatenate([half, half[:, :, ::-1]])


def _kickoffs(
    pattern: Pattern,
    day: date,
    matches: int,
    country: Country,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Local days and times of a round's matches, dealt out at random."""
    slots = np.array([pattern[i % len(pattern)] for i in range(matches)])[rng.permutation(matches)]
    times = slots[:, 1] * HOUR + (slots[:, 2] + country.minutes_later) * 60
    return day.toordinal() + slots[:, 0], times


def _goal_rates(
    fixtures: Fixtures, path: np.ndarray, start: int, level: Level
) -> tuple[np.ndarray, np.ndarray]:
    week = np.clip((fixtures.day - start) // 7 + 1, 0, len(path) - 1)
    home, away = path[week, fixtures.home], path[week, fixtures.away]
    lam = np.exp(level.goals + level.home + home[:, 0] - away[:, 1])
    mu = np.exp(level.goals + away[:, 0] - home[:, 1])
    return lam, mu


def _draw_scores(lam: np.ndarray, mu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson goals up to 10 with the Dixon-Coles correction of low scores, (matches, 2)."""
    goals = np.arange(11)
    factorial = np.cumprod(np.maximum(goals, 1)).astype(float)
    home = np.exp(-lam)[:, None] * lam[:, None] ** goals / factorial
    away = np.exp(-mu)[:, None] * mu[:, None] ** goals / factorial
    joint = home[:, :, None] * away[:, None, :]
    rho = LOW_SCORE_CORRELATION
    joint[:, 0, 0] *= 1 - lam * mu * rho
    joint[:, 0, 1] *= np.maximum(0.0, 1 + lam * rho)
    joint[:, 1, 0] *= np.maximum(0.0, 1 + mu * rho)
    joint[:, 1, 1] *= 1 - rho
    cumulative = joint.reshape(len(lam), -1).cumsum(axis=1)
    targets = rng.random(len(lam)) * cumulative[:, -1]
    cells = (cumulative <= targets[:, None]).sum(axis=1)
    return np.column_stack(np.divmod(cells, len(goals)))


def _utc(day: int, seconds: int, stage: Stage) -> int:
    return (day - date(1970, 1, 1).toordinal()) * DAY + seconds - stage.utc_offset


def _matches(
    stage: Stage,
    first_id: int,
    squad: Squad,
    fixtures: Fixtures,
    rates: tuple[np.ndarray, np.ndarray],
    known_at: int,
    rng: np.random.Generator,
) -> list[Match]:
    n = len(fixtures.home)
    scores = _draw_scores(*rates, rng)
    minutes = rng.integers(1, 91, (n, 2, 10)).tolist()
    cards = np.column_stack([rng.poisson((1.9, 2.2), (n, 2)), rng.random((n, 2)) < 0.08])
    columns = (fixtures.home, fixtures.away, fixtures.day, fixtures.time, scores, cards)
    rows = zip(*(column.tolist() for column in columns), minutes, strict=True)
    return [
        Match(
            first_id + i,
            stage,
            squad.teams[home],
            squad.teams[away],
            _utc(day, time, stage),
            known_at,
            Kind.NORMAL,
            (score[0], score[1]),
            (minute[0][: score[0]], minute[1][: score[1]]),
            card,
        )
        for i, (home, away, day, time, score, card, minute) in enumerate(rows)
    ]


def _decide(match: Match, lam: float, mu: float, rng: np.random.Generator) -> int:
    """Extra time and penalties where needed; the side (0 home, 1 away) that goes through.

    ``extra_time`` is the score after 120 minutes, ``score`` stays that of 90.
    """
    home, away = match.score
    if home == away:
        home, away = home + int(rng.poisson(0.3 * lam)), away + int(rng.poisson(0.3 * mu))
        match.extra_time = (home, away)
    if home == away:
        shootout = SHOOTOUTS[int(rng.integers(len(SHOOTOUTS)))]
        home, away = match.penalties = shootout if rng.random() < 0.5 else shootout[::-1]
    return int(away > home)


def _misreport(score: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    side, less = int(rng.integers(2)), rng.random() < 0.5
    wrong = list(score)
    wrong[side] += -1 if less and wrong[side] else 1
    return wrong[0], wrong[1]


def _table(matches: list[Match], squad: Squad, division: list[int]) -> list[int]:
    """The final table: points, goal difference, goals for, then the lower id."""
    tally: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for match in matches:
        result = match.result()
        if result is None:
            continue
        for team, scored, conceded in ((match.home, *result), (match.away, *result[::-1])):
            points = 3 if scored > conceded else int(scored == conceded)
            total = tally[team.id]
            total[0] += points
            total[1] += scored - conceded
            total[2] += scored
    return sorted(division, key=lambda i: ([-x for x in tally[squad.teams[i].id]], i))


class LeagueSimulator:
    """The simulated world as a feed backend; seasons are played when first needed."""

    def __init__(self, seed: int = 20, first_season: int = 2022) -> None:
        self.seed = seed
        self.first_season = first_season
        self._countries = [CountryWorld(country, seed) for country in COUNTRIES]
        self._days: dict[int, list[tuple[Match, bool]]] = defaultdict(list)
        self._next_season = first_season
        self._lock = threading.Lock()

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        """The feed of ``day`` as shown at ``as_of``."""
        now = epoch(as_of)
        # A calendar appears at most a year ahead, so later seasons need not be played yet.
        self._play_through(min(day.year, as_of.year + 1))
        shown = (
            (match.stage, row)
            for match, on_new_day in self._days.get(day.toordinal(), ())
            if (row := match.view(now, on_new_day)) is not None
        )
        return day_feed(
            (stage_rows[0][0].header, [row for _, row in stage_rows])
            for _, group in groupby(shown, key=lambda item: item[0].id)
            if (stage_rows := list(group))
        )

    def _play_through(self, year: int) -> None:
        if year < self._next_season:
            return
        with self._lock:
            while self._next_season <= year:
                self._play(self._next_season)
                self._next_season += 1

    def _play(self, year: int) -> None:
        touched = set()
        for world in self._countries:
            for match in world.season(year):
                for kickoff, on_new_day in ((match.kickoff, False), (match.moved_to, True)):
                    if kickoff is not None:
                        day = datetime.fromtimestamp(kickoff, UTC).toordinal()
                        self._days[day].append((match, on_new_day))
                        touched.add(day)
        for day in touched:
            self._days[day].sort(key=_shown_order)


def _shown_order(entry: tuple[Match, bool]) -> tuple[int, int, int]:
    match, on_new_day = entry
    kickoff = match.moved_to if on_new_day and match.moved_to is not None else match.kickoff
    return match.stage.id, kickoff, match.id
