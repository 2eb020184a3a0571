"""Matches that are not what they were are noticed by the watch over what is served, and trained upon."""

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
STEP = timedelta(days=3)


@pytest.fixture(scope="module", params=WRONG)
def wrong(
    request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Replayed, date, timedelta]:
    name = request.param
    days, within = WRONG[name]
    home = copied(base, tmp_path_factory.mktemp(name) / "home")
    last = BEGINS + timedelta(days=days)
    begins = f"{name}@{BEGINS}+{days}"
    return replay(home, FIRST + DAY, last, begins, step=STEP), BEGINS, timedelta(days=within)


def test_what_is_wrong_with_the_matches_is_told_in_time(
    wrong: tuple[Replayed, date, timedelta],
) -> None:
    replayed, begins, within = wrong
    first = pd.Timestamp(begins, tz="UTC")
    told = pd.concat(
        [
            replayed.of_kind("check_failed", "prediction_decay/decay"),
            replayed.of_kind("check_failed", "prediction_shift/shift"),
        ]
    )
    told = told[told["first_seen"] >= first]

    assert len(told)
    assert told["first_seen"].min() < first + within


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
