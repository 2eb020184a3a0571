"""Who plays whom and when: a double round robin laid over the season's calendar."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from soccer_assets.feed.fields import Sex
from soccer_assets.simulator.leagues.season_calendar import (
    LAST_ROUND,
    MIDWEEK,
    WEEKEND,
    WOMEN_WEEKEND,
    SeasonCalendar,
)


@dataclass
class Fixtures:
    """Matches to be played, as parallel arrays; ``day`` is a local ordinal, ``time`` seconds."""

    home: np.ndarray
    away: np.ndarray
    day: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class RoundSlot:
    """When a round is played: from ``day``, a Saturday or the Tuesday of a midweek."""

    day: date
    is_midweek: bool


def league_fixtures(
    division: list[int],
    calendar: SeasonCalendar,
    sex: Sex,
    cup_tuesdays: list[date],
    rng: np.random.Generator,
) -> Fixtures:
    """A season's matches of ``division``, clear of the cup's midweeks."""
    rounds = rng.permutation(np.array(division))[round_robin(len(division))]
    slots = _round_slots(len(rounds), calendar, sex, cup_tuesdays, rng)
    busy_tuesdays = {*cup_tuesdays, *(slot.day for slot in slots if slot.is_midweek)}
    parts = []
    for number, slot in enumerate(slots):
        if slot.is_midweek:
            pattern = MIDWEEK
        elif number >= len(slots) - 2:
            pattern = LAST_ROUND
        else:
            pattern = WOMEN_WEEKEND if sex is Sex.WOMEN else WEEKEND
        days, times = calendar.kickoffs(pattern, slot.day, rounds.shape[1], rng)
        if slot.day + timedelta(days=3) in busy_tuesdays:  # no Monday before a midweek
            days = np.where(days > slot.day.toordinal() + 1, days - 1, days)
        parts.append((days, times))
    return Fixtures(
        rounds[..., 0].ravel(),
        rounds[..., 1].ravel(),
        np.concatenate([days for days, _ in parts]),
        np.concatenate([times for _, times in parts]),
    )


def round_robin(n: int) -> np.ndarray:
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


def _round_slots(
    rounds: int,
    calendar: SeasonCalendar,
    sex: Sex,
    cup_tuesdays: list[date],
    rng: np.random.Generator,
) -> list[RoundSlot]:
    """Slots of the rounds: evenly chosen weekends, and some midweeks without a cup round."""
    weekends = calendar.weekends
    tuesdays = [saturday + timedelta(days=3) for saturday in weekends[1:-3]]
    tuesdays = [tuesday for tuesday in tuesdays if tuesday not in cup_tuesdays]
    wanted = 2 if sex is Sex.WOMEN else 5
    midweeks = max(wanted, rounds - len(weekends))
    offset = rng.random()
    at = ((np.arange(midweeks) + offset) * len(tuesdays) / midweeks).astype(int)
    spread = np.linspace(0, len(weekends) - 1, rounds - midweeks).round().astype(int)
    slots = [RoundSlot(weekends[i], False) for i in spread]
    slots += [RoundSlot(tuesdays[i], True) for i in at]
    return sorted(slots, key=lambda slot: slot.day)
