"""Replays of an invented world, each made once for all tests that look at it."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from soccer_assets_tests.replay.invented import DAY, FIRST, Replayed, copied, replay

#: Of the replay of sixty days.
LAST, STEP = date(2025, 4, 2), timedelta(days=10)


@pytest.fixture(scope="session")
def season(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replay(tmp_path_factory.mktemp("season"), FIRST, LAST, step=STEP)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with history, a champion, and a day of replay, for others to go on from."""
    home = tmp_path_factory.mktemp("base")
    replay(home, FIRST, FIRST)
    return home


@pytest.fixture(scope="session")
def troubled(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Days on each of which something goes wrong that has nothing to do with what matches are like."""
    home = copied(base, tmp_path_factory.mktemp("troubled") / "home")
    faults = [f"{name}@{first}+{(until - first).days}" for name, (first, until) in TROUBLES.items()]
    return replay(home, FIRST + DAY, TROUBLES["schema-change"][1] + DAY, *faults)


#: Fault -> its first day, and the first one without it.
TROUBLES = {
    name: (date(2025, 2, first), date(2025, 2, until))
    for name, first, until in (
        ("bad-challenger", 2, 3),
        ("slack-down", 2, 3),
        ("killed-run", 3, 4),
        ("worker-wont-reload", 4, 5),
        ("feed-down", 5, 7),
        ("schema-change", 7, 8),
    )
}
