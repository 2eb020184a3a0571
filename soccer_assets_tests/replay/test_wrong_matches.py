"""Matches that are not what they were are noticed by the watch over what is served, trained upon, and
what was told of them is over in the end."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from soccer_assets_tests.replay.invented import DAY, FIRST, Replayed, copied, replay

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BEGINS = FIRST + 2 * DAY
#: Fault -> the days that it is there, and within how many it is noticed.
WRONG = {
    "home-away-swapped": (21, 14),
    "home-advantage-gone": (60, 45),
    "scores-corrupted": (42, 35),
}
#: Days after a fault, in which what was told of it comes to its end: by a champion that knows.
AFTER = 45
STEP = timedelta(days=3)


@pytest.fixture(scope="module", params=WRONG)
def wrong(
    request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Replayed, date, timedelta]:
    name = request.param
    days, within = WRONG[name]
    home = copied(base, tmp_path_factory.mktemp(name) / "home")
    last = BEGINS + timedelta(days=days + AFTER)
    begins = f"{name}@{BEGINS}+{days}"
    return replay(home, FIRST + DAY, last, begins, step=STEP), BEGINS, timedelta(days=within)


def test_what_is_wrong_with_the_matches_is_told_in_time(
    wrong: tuple[Replayed, date, timedelta],
) -> None:
    replayed, begins, within = wrong
    told = told_of(replayed, begins)

    assert len(told)
    assert told["first_seen"].min() < pd.Timestamp(begins, tz="UTC") + within


def test_what_was_told_while_it_lasted_is_over_in_the_end(
    wrong: tuple[Replayed, date, timedelta],
) -> None:
    replayed, begins, _ = wrong
    told = told_of(replayed, begins)
    while_it_lasted = told[told["first_seen"] < replayed.last - pd.Timedelta(days=AFTER)]

    assert while_it_lasted["recovered_at"].notna().all()
    assert replayed.days[-1].ready
    assert not replayed.days[-1].wrong


def told_of(replayed: Replayed, begins: date) -> pd.DataFrame:
    """What the watch over what is served has told since the fault began."""
    told = pd.concat(
        [
            replayed.of_kind("check_failed", "prediction_decay/decay"),
            replayed.of_kind("check_failed", "prediction_shift/shift"),
        ]
    )
    return told[told["first_seen"] >= pd.Timestamp(begins, tz="UTC")]


def test_a_training_is_asked_for_by_what_was_found(
    wrong: tuple[Replayed, date, timedelta],
) -> None:
    replayed, begins, _ = wrong
    events = replayed.tables["timeline"]
    trained = events[
        (events["kind"] == "training") & (events["at"] >= pd.Timestamp(begins, tz="UTC"))
    ]

    assert trained["why"].str.contains("decay|shift").any()
    assert not any(day.is_silently_wrong for day in replayed.days)
