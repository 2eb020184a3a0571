"""The simulated world: shape, determinism, and that no payload knows the future."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS, FeedStatus
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.leagues.match import Kind

SEED, FIRST = 20, 2022
LATER = datetime(2030, 1, 1, tzinfo=UTC)
RESULT_FIELDS = [
    side + name
    for side in ("home", "away")
    for name in ("Score", "ExtratimeScore", "PenaltyScore", "YellowCards", "RedCards")
] + ["winnerField", "scoreChangedAt", "startedAtUtc", "lastScorer", "elapsed"]
UNPLAYED = {FeedStatus.SCHEDULED, FeedStatus.POSTPONED, FeedStatus.CANCELLED}
DAYS = st.dates(date(2022, 2, 1), date(2024, 7, 31))
few = settings(max_examples=10, deadline=None)  # a new world in each example
untimed = settings(deadline=None)
MINUTES = st.integers(-20 * 1440, 4 * 1440)

Shown = tuple[date, dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> LeagueSimulator:
    return LeagueSimulator(SEED, FIRST)


@pytest.fixture(scope="module")
def history(world: LeagueSimulator) -> list[Shown]:
    """Everything of the first two seasons, seen from much later."""
    days = days_between(date(2022, 1, 1), date(2024, 6, 30))
    return [shown for day in days for shown in rows(world, day, LATER)]


def days_between(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=k) for k in range((last - first).days + 1))


def rows(world: LeagueSimulator, day: date, as_of: datetime) -> list[Shown]:
    tournaments = world.payload(day, as_of)["tournaments"]
    return [(day, header, match) for header in tournaments for match in header["matches"]]


def kickoff(match: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(match["startTimeUtc"])


def score(match: dict[str, Any]) -> tuple[int, int]:
    return match["homeScore"], match["awayScore"]


def moment(day: date, minutes: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)


def find(world: LeagueSimulator, day: date, match_id: int, as_of: datetime) -> dict[str, Any]:
    return next(match for _, _, match in rows(world, day, as_of) if match["id"] == match_id)


def entry_days(history: list[Shown]) -> dict[int, list[Shown]]:
    by_id = defaultdict(list)
    for shown in history:
        by_id[shown[2]["id"]].append(shown)
    return by_id


# Determinism


@pytest.mark.slow
@few
@given(st.lists(st.tuples(DAYS, MINUTES), min_size=1, max_size=5))
def test_payloads_do_not_depend_on_what_was_asked_before(
    world: LeagueSimulator, asked: list[tuple[date, int]]
) -> None:
    fresh = LeagueSimulator(SEED, FIRST)
    for day, minutes in asked:
        as_of = moment(day, minutes)
        assert orjson.dumps(fresh.payload(day, as_of)) == orjson.dumps(world.payload(day, as_of))


def test_another_process_with_another_hash_seed_gives_the_same_bytes(
    world: LeagueSimulator,
) -> None:
    script = (
        "import orjson, sys\n"
        "from datetime import UTC, date, datetime\n"
        "from soccer_assets.simulator.leagues import LeagueSimulator\n"
        f"world = LeagueSimulator({SEED}, {FIRST})\n"
        "payload = world.payload(date(2023, 10, 21), datetime(2023, 10, 21, 15, 30, tzinfo=UTC))\n"
        "sys.stdout.buffer.write(orjson.dumps(payload))\n"
    )
    expected = orjson.dumps(
        world.payload(date(2023, 10, 21), datetime(2023, 10, 21, 15, 30, tzinfo=UTC))
    )
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        assert blake2b(run.stdout).digest() == blake2b(expected).digest()


def test_seeds_differ(world: LeagueSimulator) -> None:
    day = date(2023, 10, 21)
    assert world.payload(day, LATER) != LeagueSimulator(SEED + 1, FIRST).payload(day, LATER)


def test_a_caller_cannot_spoil_later_payloads(world: LeagueSimulator) -> None:
    day = date(2023, 10, 21)
    first = world.payload(day, LATER)
    expected = orjson.dumps(first)
    first["tournaments"][0]["regionName"] = "spoiled"
    first["tournaments"][0]["matches"].clear()
    assert orjson.dumps(world.payload(day, LATER)) == expected


def test_a_naive_moment_is_refused(world: LeagueSimulator) -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        world.payload(date(2023, 10, 21), datetime(2023, 10, 21))


# Shape


def test_every_field_is_there_in_order(history: list[Shown]) -> None:
    for _, header, match in history:
        assert tuple(header) == (*HEADER_FIELDS, "matches")
        assert tuple(match) == (*MATCH_FIELDS, "isNeutral")
        assert match["stageId"] == header["stageId"]


def test_days_are_those_of_the_utc_kickoff(history: list[Shown]) -> None:
    assert all(kickoff(match).date() == day for day, _, match in history)


def test_a_day_shows_an_id_once(history: list[Shown]) -> None:
    seen = Counter((day, match["id"]) for day, _, match in history)
    assert max(seen.values()) == 1


def test_names_and_ids_belong_together(history: list[Shown]) -> None:
    names = defaultdict(set)
    for _, _, match in history:
        for side in ("home", "away"):
            names[match[f"{side}TeamId"]].add(match[f"{side}TeamName"])
    assert all(len(known) == 1 for known in names.values())
    assert len({name for known in names.values() for name in known}) == len(names)


def test_the_size_of_a_season(history: list[Shown]) -> None:
    seasons = Counter(header["seasonId"] % 10000 for _, header, _ in history)
    assert seasons[2022] > 6000
    assert seasons[2023] > 6000


def test_there_is_football_in_every_week_and_midweek(history: list[Shown]) -> None:
    days = Counter(day for day, _, _ in history if date(2022, 9, 1) <= day < date(2023, 9, 1))
    weeks = {day.isocalendar()[:2] for day in days if day.weekday() >= 5}
    assert len(weeks) >= 48
    assert sum(n for day, n in days.items() if day.weekday() in (1, 2, 3)) > 800


def test_women_have_leagues_in_two_countries_or_more(history: list[Shown]) -> None:
    women = {header["regionId"] for _, header, _ in history if header["sex"] == 1}
    assert len(women) >= 2
    teams: dict[int, set[int]] = defaultdict(set)
    for _, header, match in history:
        teams[header["sex"]].update((match["homeTeamId"], match["awayTeamId"]))
    assert not teams[0] & teams[1]


# Competitions


def leagues(history: list[Shown]) -> dict[int, list[dict[str, Any]]]:
    """Matches by season id of the round robins, once each."""
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for _, header, match in history:
        if header["tournamentId"] % 10 != 3 and match["status"] != FeedStatus.POSTPONED:
            found[header["seasonId"]][match["id"]] = match
    return {season: list(matches.values()) for season, matches in found.items()}


def season_teams(matches: list[dict[str, Any]]) -> set[int]:
    return {match["homeTeamId"] for match in matches}


def test_everyone_plays_everyone_at_home_and_away(history: list[Shown]) -> None:
    for season, matches in leagues(history).items():
        if season % 10000 > FIRST + 1:  # not over yet
            continue
        teams = season_teams(matches)
        pairs = Counter((match["homeTeamId"], match["awayTeamId"]) for match in matches)
        assert len(teams) in (12, 16, 18, 20)
        assert set(pairs.values()) == {1}
        assert len(pairs) == len(teams) * (len(teams) - 1)


def test_no_team_plays_on_two_days_running(history: list[Shown]) -> None:
    days = defaultdict(list)
    for _, _, match in history:
        if match["status"] != FeedStatus.POSTPONED:
            for side in ("home", "away"):
                days[match[f"{side}TeamId"]].append(
                    datetime.fromisoformat(match["startTime"]).date()
                )
    for played in days.values():
        played.sort()
        assert all((b - a).days >= 2 for a, b in pairwise(played))


def table(matches: list[dict[str, Any]]) -> list[int]:
    points: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for match in matches:
        if match["status"] not in (FeedStatus.FINISHED, FeedStatus.AWARDED):
            continue
        home, away = score(match)
        for team, won, lost in (("home", home, away), ("away", away, home)):
            total = points[match[f"{team}TeamId"]]
            total[0] += 3 if won > lost else int(won == lost)
            total[1] += won - lost
            total[2] += won
    return sorted(points, key=lambda team: ([-x for x in points[team]], team))


def test_the_table_decides_who_goes_up_and_down(history: list[Shown]) -> None:
    played = leagues(history)
    for country in range(1, 11):
        first, second = (played[(country * 10 + k) * 10000 + 2022] for k in (1, 2))
        after = season_teams(played[(country * 10 + 1) * 10000 + 2023])
        down, up = season_teams(first) - after, after - season_teams(first)
        assert len(down) in (2, 3)
        assert down == set(table(first)[-len(down) :])
        assert up == set(table(second)[: len(down)])


def cup_rounds(history: list[Shown], season: int) -> list[list[dict[str, Any]]]:
    stages = defaultdict(list)
    for _, header, match in history:
        if header["seasonId"] == season:
            stages[header["stageId"]].append(match)
    return [stages[stage] for stage in sorted(stages)]


def through(match: dict[str, Any]) -> int:
    return match["awayTeamId"] if match["winnerField"] else match["homeTeamId"]


def test_winners_go_through_to_the_next_cup_round(history: list[Shown]) -> None:
    rounds = cup_rounds(history, 13 * 10000 + 2022)
    assert [len(matches) for matches in rounds] == [16, 8, 4, 2, 1]
    for before, after in pairwise(rounds):
        teams = {match[f"{side}TeamId"] for match in after for side in ("home", "away")}
        assert teams == {through(match) for match in before}


def test_extra_time_and_penalties_leave_the_score_of_ninety_minutes(history: list[Shown]) -> None:
    cups = [match for _, header, match in history if header["tournamentId"] % 10 == 3]
    endings = Counter(match["elapsed"] for match in cups)
    assert endings["AET"] > 5
    assert endings["PEN"] > 5
    for match in cups:
        extra = (match["homeExtratimeScore"], match["awayExtratimeScore"])
        shootout = (match["homePenaltyScore"], match["awayPenaltyScore"])
        home, away = score(match)
        assert (extra == (None, None)) == (home != away)
        if extra != (None, None):
            assert extra[0] >= home
            assert extra[1] >= away
            assert (shootout == (None, None)) == (extra[0] != extra[1])
        assert match["winnerField"] in (0, 1)


def test_outcomes_and_goals_look_like_football(history: list[Shown]) -> None:
    played = [match for _, _, match in history if match["status"] == FeedStatus.FINISHED]
    outcomes = Counter((h > a) - (h < a) for h, a in map(score, played))
    assert outcomes[1] / len(played) == pytest.approx(0.44, abs=0.03)
    assert outcomes[0] / len(played) == pytest.approx(0.26, abs=0.025)
    assert outcomes[-1] / len(played) == pytest.approx(0.30, abs=0.03)
    assert sum(map(sum, map(score, played))) / len(played) == pytest.approx(2.7, abs=0.25)


def test_last_season_tells_about_the_next(history: list[Shown]) -> None:
    """Points per match of the first season predict who wins in the second."""
    played = leagues(history)
    agree = total = 0
    for country in range(1, 11):
        before = table(played[(country * 10 + 1) * 10000 + 2022])
        rank = {team: place for place, team in enumerate(before)}
        for match in played[(country * 10 + 1) * 10000 + 2023]:
            home, away = rank.get(match["homeTeamId"]), rank.get(match["awayTeamId"])
            if match["status"] != FeedStatus.FINISHED or home is None or away is None:
                continue
            goals = match["homeScore"] - match["awayScore"]
            if goals and abs(home - away) >= 5:
                agree += (goals > 0) == (home < away)
                total += 1
    assert agree / total > 0.6


# Time


@untimed
@given(day=DAYS, minutes=MINUTES)
def test_what_has_not_kicked_off_has_no_result(
    world: LeagueSimulator, day: date, minutes: int
) -> None:
    as_of = moment(day, minutes)
    for _, _, match in rows(world, day, as_of):
        if kickoff(match) > as_of:
            assert match["status"] in UNPLAYED
        else:
            assert match["status"] != FeedStatus.SCHEDULED
        if match["status"] in UNPLAYED:
            assert [match[name] for name in RESULT_FIELDS] == [None] * len(RESULT_FIELDS)


@pytest.mark.parametrize(
    "as_of", [datetime(2023, 3, 11, 15, 40, tzinfo=UTC), datetime(2023, 10, 4, 7, tzinfo=UTC)]
)
def test_another_future_leaves_the_payloads_as_they_are(
    world: LeagueSimulator, as_of: datetime
) -> None:
    """Rewrites all that is decided after the moment; what is shown at it must not change."""
    other, now = LeagueSimulator(SEED, FIRST), as_of.timestamp()
    days = list(days_between(as_of.date() - timedelta(days=60), as_of.date() + timedelta(days=90)))
    other.payload(days[-1], as_of)
    matches = {m.id: m for entries in other._days.values() for m, _ in entries}.values()
    coming = [match for match in matches if now < (match.moved_to or match.kickoff)]
    assert len(coming) > 1000
    for match in coming:
        if now < match.kickoff - 86400:  # nothing announced yet
            if match.moved_to is None:
                match.kind = Kind.CANCELLED if match.kind is Kind.NORMAL else Kind.NORMAL
            else:
                match.moved_to += 7 * 86400
        match.score, match.goal_minutes = (9, 8), ([1] * 9, [2] * 8)
        match.extra_time, match.penalties, match.misreported = (9, 9), (7, 6), None
        match.cards = [5, 5, 5, 5]
    for day in days:
        assert other.payload(day, as_of) == world.payload(day, as_of)


@untimed
@given(day=DAYS, minutes=st.integers(0, 1440))
def test_a_match_is_in_play_for_two_hours(world: LeagueSimulator, day: date, minutes: int) -> None:
    as_of = moment(day, minutes)
    final = {match["id"]: match for _, _, match in rows(world, day, as_of + timedelta(days=20))}
    for _, _, match in rows(world, day, as_of):
        since = as_of - kickoff(match)
        if match["status"] == FeedStatus.IN_PLAY:
            assert timedelta(0) <= since < timedelta(hours=2)
            if final[match["id"]]["status"] == FeedStatus.FINISHED:
                assert 0 <= int(match["elapsed"].rstrip("'")) <= 90
                end = score(final[match["id"]])
                assert all(a <= b for a, b in zip(score(match), end, strict=True))
        elif match["status"] == FeedStatus.FINISHED:
            assert since >= timedelta(hours=2)


def test_a_score_grows_to_its_final_value(world: LeagueSimulator) -> None:
    day = date(2023, 10, 21)
    final = {match["id"]: score(match) for _, _, match in rows(world, day, LATER)}
    last: dict[int, tuple[int, int]] = {}
    for minutes in range(0, 1440 + 150, 5):
        for _, _, match in rows(world, day, moment(day, minutes)):
            if match["status"] == FeedStatus.IN_PLAY:
                before = last.get(match["id"], (0, 0))
                assert all(a <= b for a, b in zip(before, score(match), strict=True))
                last[match["id"]] = score(match)
    late = {match_id: last[match_id] for match_id in final if match_id in last}
    assert late
    assert late == {match_id: final[match_id] for match_id in late}


def test_cup_rounds_appear_only_when_the_one_before_is_decided(
    world: LeagueSimulator, history: list[Shown]
) -> None:
    for country in range(1, 11):
        rounds = cup_rounds(history, (country * 10 + 3) * 10000 + 2022)
        for before, after in pairwise(rounds):
            last = max(kickoff(match) for match in before)
            ids = {match["id"] for match in after}
            days = {kickoff(match).date() for match in after}

            def visible(as_of: datetime, days: set[date] = days) -> set[int]:
                return {m["id"] for day in days for _, _, m in rows(world, day, as_of)}

            assert not ids & visible(last + timedelta(hours=2))
            assert ids <= visible(last + timedelta(days=2))


def test_a_calendar_appears_after_the_season_before_is_over(
    world: LeagueSimulator, history: list[Shown]
) -> None:
    for season in (k * 10000 + 2022 for k in (11, 12, 13, 81, 91, 92)):
        tournament = season // 10000
        own = [(day, h, m) for day, h, m in history if h["tournamentId"] == tournament]
        over = max(kickoff(m) for _, h, m in own if h["seasonId"] == season)
        coming = [(day, m["id"]) for day, h, m in own if h["seasonId"] == season + 1]
        if tournament % 10 == 3:  # the cup's later rounds are not drawn yet
            coming = [(d, i) for d, i in coming if i % 1000 <= 16]
        days = {day for day, _ in coming}
        ids = {match_id for _, match_id in coming}

        def visible(as_of: datetime, days: set[date] = days) -> set[int]:
            return {m["id"] for day in days for _, _, m in rows(world, day, as_of)}

        assert not ids & visible(over + timedelta(hours=40))
        assert ids <= visible(over + timedelta(days=60))


def test_a_season_is_the_same_whether_or_not_the_next_was_played() -> None:
    day, as_of = date(2023, 3, 11), datetime(2023, 3, 11, 16, tzinfo=UTC)
    asked_later = LeagueSimulator(SEED, FIRST)
    asked_later.payload(date(2026, 3, 1), LATER)
    assert asked_later.payload(day, as_of) == LeagueSimulator(SEED, FIRST).payload(day, as_of)


# What goes wrong


def test_a_postponed_match_keeps_its_id_on_both_days(
    world: LeagueSimulator, history: list[Shown]
) -> None:
    whole = [shown for shown in history if shown[1]["seasonId"] % 10000 < FIRST + 2]
    postponed = {m["id"]: day for day, _, m in whole if m["status"] == FeedStatus.POSTPONED}
    matches = {m["id"] for _, _, m in whole}
    assert 0.005 < len(postponed) / len(matches) < 0.03
    by_id = entry_days(history)
    for match_id, day in postponed.items():
        (_, _, old), (new_day, _, new) = sorted(by_id[match_id], key=lambda shown: shown[0])
        assert new_day > day
        assert new["status"] == FeedStatus.FINISHED
        before, after = kickoff(old) - timedelta(hours=25), kickoff(old) - timedelta(hours=23)
        assert find(world, day, match_id, before)["status"] == FeedStatus.SCHEDULED
        assert find(world, day, match_id, after)["status"] == FeedStatus.POSTPONED
        assert find(world, new_day, match_id, after)["status"] == FeedStatus.SCHEDULED
        assert match_id not in {m["id"] for _, _, m in rows(world, new_day, before)}


def test_some_scores_are_corrected_after_twenty_hours(
    world: LeagueSimulator, history: list[Shown]
) -> None:
    corrected = 0
    for day, _, match in history:
        if match["status"] != FeedStatus.FINISHED:
            continue
        whistle = kickoff(match) + timedelta(hours=2)
        changed = match["scoreChangedAt"]
        if changed is None or datetime.fromisoformat(changed) < whistle:
            continue
        corrected += 1
        early = find(world, day, match["id"], whistle + timedelta(hours=19))
        late = find(world, day, match["id"], whistle + timedelta(hours=21))
        assert early["status"] == late["status"] == FeedStatus.FINISHED
        assert score(early) != score(late) == score(match)
    assert 0.002 < corrected / len(history) < 0.01


def test_a_few_matches_are_cancelled_abandoned_or_awarded(history: list[Shown]) -> None:
    statuses = Counter(match["status"] for _, _, match in history)
    for status in (FeedStatus.CANCELLED, FeedStatus.ABANDONED, FeedStatus.AWARDED):
        assert 1 <= statuses[status] < 0.01 * len(history)
    awarded = {score(m) for _, _, m in history if m["status"] == FeedStatus.AWARDED}
    assert awarded <= {(3, 0), (0, 3)}
