"""Features month by month: what a change leaves is what a rebuild of everything would give, to the bit,
and months before it are not touched."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.dvc.stages import months
from soccer_assets.dvc.stages.features import History, refresh
from soccer_assets.dvc.stages.months import MonthFolder, as_table, months_between
from soccer_assets.features.log import STATISTICS
from soccer_assets.features.params import FeatureParams
from soccer_assets_tests.dvc.test_leftovers import Damage, cut, remove, spoil, write
from soccer_assets_tests.features.matches import START, Row, frames

PARAMS = FeatureParams()
MONTHS = months_between("2020-03", "2022-08")
#: No match is played in it.
BREAK = "2021-07"
TEAMS = 6
INPUTS = ("finished", "fixtures")
OUTS = ("features", "feature_states")

Edit = Callable[[list[Row]], list[Row]]


def seconds(month: str, day: int, hour: int = 15) -> int:
    moment = pd.Timestamp(f"{month}-{day:02}T{hour:02}:00Z")
    return int((moment - START).total_seconds())


def month_of(row: Row) -> str:
    return f"{START + pd.Timedelta(seconds=row.seconds):%Y-%m}"


def played() -> list[Row]:
    """Five matches a month, the last so late that its result is known in the next month only; those
    of the last month are still to be played, but for the first."""
    rng = np.random.default_rng(20)
    rows = []
    for number, month in enumerate(MONTHS):
        for k, (day, hour) in enumerate([(3, 15), (3, 15), (9, 18), (20, 12), (28, 23)]):
            home = int(rng.integers(TEAMS))
            told = [tuple(rng.integers(0, 9, 2).astype(float).tolist()) for _ in STATISTICS]
            row = Row(
                match_id=10 * number + k,
                seconds=seconds(month, day, hour) + (month != "2021-02" and k == 4) * 2 * 86_400,
                tournament_id=1 + k % 2,
                home=home,
                away=(home + 1 + int(rng.integers(TEAMS - 1))) % TEAMS,
                score=(int(rng.integers(5)), int(rng.integers(4))),
                season=int(month[:4]),
                statistics=tuple(told) if k % 3 == 0 else None,
            )
            to_come = month == MONTHS[-1] and k > 0
            rows.append(row.without_result() if to_come else row)
    return [row for row in rows if month_of(row) != BREAK]


def make(root: Path, rows: list[Row], params: FeatureParams = PARAMS) -> None:
    """The two outs before, of these matches, and then those of the features."""
    folders = [MonthFolder(root / name) for name in INPUTS]
    by_month: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.seconds, row.match_id)):
        by_month.setdefault(month_of(row), []).append(row)
    for month, of_month in by_month.items():
        if not all(folder.is_made_of(month, repr(of_month)) for folder in folders):
            for folder, frame in zip(folders, frames(of_month), strict=True):
                folder.write(month, as_table(frame), repr(of_month))
    for folder in folders:
        folder.finish(by_month)
    bring_up_to_date(root, params)


def bring_up_to_date(root: Path, params: FeatureParams = PARAMS) -> None:
    """As the stage does."""
    finished, fixtures, features, states = (MonthFolder(root / name) for name in (*INPUTS, *OUTS))
    history = History(finished, fixtures, params.model_dump_json())
    refresh(history, features, states, params)


def made(root: Path) -> dict[str, bytes]:
    files = (file for name in OUTS for file in (root / name).rglob("*") if file.is_file())
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def touched(root: Path) -> dict[str, int]:
    """When each month was written."""
    files = (file for name in OUTS for file in (root / name).glob("*.parquet"))
    return {str(file.relative_to(root)): file.stat().st_mtime_ns for file in files}


def rebuilt(root: Path, folder: Path, params: FeatureParams = PARAMS) -> dict[str, bytes]:
    """What is made in a new folder of the same matches."""
    for name in INPUTS:
        shutil.copytree(root / name, folder / name)
    bring_up_to_date(folder, params)
    return made(folder)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("before")
    make(root, played())
    return root


@pytest.fixture
def root(before: Path, tmp_path: Path) -> Path:
    return shutil.copytree(before, tmp_path / "root")


def edited(number: int, **change: object) -> Edit:
    return lambda rows: [
        replace(row, **change) if row.match_id == number else row  # type: ignore[arg-type]
        for row in rows
    ]


def added(row: Row) -> Edit:
    return lambda rows: [*rows, row]


def without(*months: str) -> Edit:
    return lambda rows: [row for row in rows if month_of(row) not in months]


#: What happened -> how it is done, and the first month that it concerns.
CHANGES: dict[str, tuple[Edit, str]] = {
    "a score is corrected": (edited(122, score=(9, 9)), "2021-03"),
    "a result of a month's last hours is corrected": (edited(124, score=(9, 9)), "2021-03"),
    "shots become known": (edited(211, statistics=((9.0, 1.0),) * len(STATISTICS)), "2021-12"),
    "a result comes late": (edited(291, score=(3, 0)), "2022-08"),
    "all that was to come has been played": (
        lambda rows: [row if row.score else replace(row, score=(1, 1)) for row in rows],
        "2022-08",
    ),
    "a match is postponed": (edited(293, seconds=seconds("2022-11", 5)), "2022-08"),
    "a match moves to another month": (edited(113, seconds=seconds("2021-05", 5)), "2021-02"),
    "a match turns out not to have been played": (edited(262, score=None), "2022-05"),
    "a team appears": (added(Row(900, seconds("2020-12", 6), 1, 0, 99, (1, 2))), "2020-12"),
    "a competition appears": (added(Row(901, seconds("2022-06", 6), 7, 98, 99, (1, 2))), "2022-06"),
    "a match is played in a break": (added(Row(902, seconds(BREAK, 6), 1, 0, 1, (1, 2))), BREAK),
    "a month vanishes": (without("2021-11"), "2021-11"),
    "the first month vanishes": (without("2020-03"), "2020-03"),
    "the last months vanish": (without(*MONTHS[-3:]), "2022-06"),
    "older matches come": (added(Row(903, seconds("2019-11", 6), 1, 0, 1, (1, 2))), "2019-11"),
    "a new month comes": (added(Row(904, seconds("2022-09", 6), 1, 0, 1, (1, 2))), "2022-09"),
}


def some(names: Iterable[str], *quick: str) -> list[ParameterSet]:
    """All of them, the others only where there is time."""
    return [pytest.param(n, marks=() if n in quick else pytest.mark.slow) for n in names]


@pytest.mark.parametrize(
    "what",
    some(
        CHANGES,
        *("a score is corrected", "a result comes late", "a match is postponed"),
        *("all that was to come has been played", "a match moves to another month"),
        *("a team appears", "a month vanishes", "the last months vanish", "older matches come"),
    ),
)
def test_after_a_change_all_is_as_a_rebuild_makes_it_and_what_was_before_is_left_alone(
    root: Path, tmp_path: Path, what: str
) -> None:
    change, first = CHANGES[what]
    rows, written = change(played()), touched(root)
    make(root, rows)
    found = made(root)
    assert found == rebuilt(root, tmp_path / "rebuilt")
    now = touched(root)
    kept = {
        name
        for name in now.keys() & written.keys()
        if Path(name).stem < first or (Path(name).stem == first and "states" in name)
    }
    assert {name: now[name] for name in kept} == {name: written[name] for name in kept}
    assert {name for name in now if Path(name).stem < first and "states" not in name} <= kept


def test_nothing_new_writes_no_month(root: Path) -> None:
    found, written = made(root), touched(root)
    make(root, played())
    assert (made(root), touched(root)) == (found, written)
    assert len(written) == len(MONTHS) - 1 + 13 + 1  # all but the break; 13 latest and a January


def test_other_parameters_make_all_months_anew(root: Path, tmp_path: Path) -> None:
    params = FeatureParams(result_delay_minutes=14 * 24 * 60)
    found = made(root)
    make(root, played(), params)
    assert made(root) == rebuilt(root, tmp_path / "rebuilt", params)
    assert made(root).keys() == found.keys()


def test_no_match_is_no_month(root: Path, tmp_path: Path) -> None:
    make(root, [])
    assert (
        made(root)
        == rebuilt(root, tmp_path / "rebuilt")
        == dict.fromkeys(["features/_index.json", "feature_states/_index.json"], b"{}\n")
    )


# Runs that are killed, files that are damaged


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize(
    "after", [1, 21, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 3, 9, 34, 35))]
)
def test_a_run_that_was_killed_half_way_is_made_right_by_the_next(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """``after`` so many files were written, indexes among them; also where what it was about to
    make is asked for no more."""
    rows = CHANGES["a score is corrected"][0](played())
    found = made(root)
    other = shutil.copytree(root, tmp_path / "other")
    for folder in (root, other):
        with monkeypatch.context() as patch:
            kill(patch, after)
            with pytest.raises(Killed):
                make(folder, rows)
    make(root, rows)
    assert made(root) == rebuilt(root, tmp_path / "rebuilt")
    make(other, played())
    assert made(other) == found


def kill(patch: pytest.MonkeyPatch, after: int) -> None:
    """The process that makes features, in place of its next write."""
    count = 0
    for name in ("write", "_write_index"):
        does = getattr(MonthFolder, name)

        def counted(folder: MonthFolder, *given: object, does: Callable[..., None] = does) -> None:
            nonlocal count
            if folder.path.name in OUTS:
                if count == after:
                    raise Killed
                count += 1
            does(folder, *given)

        patch.setattr(MonthFolder, name, counted)


DAMAGES: dict[str, Damage] = {
    "half a month": cut("features/2021-03.parquet"),
    "a lost month": remove("features/2021-03.parquet"),
    "a spoiled month": spoil("features/2021-03.parquet"),
    "half a state": cut("feature_states/2022-01.parquet"),
    "a lost state": remove("feature_states/2022-08.parquet"),
    "a spoiled state": spoil("feature_states/2022-08.parquet"),
    "a month that nobody knows": write("features/2031-01.parquet", "PAR1"),
    "another file": write("feature_states/notes.txt", "mine"),
    "another folder": write("features/old/2021-03.parquet", "PAR1"),
    "half of an index": cut("features/_index.json"),
    "an empty index": write("feature_states/_index.json", ""),
    "an index of another kind": write("features/_index.json", '{"2021-03": "whole"}'),
    "a list for an index": write("features/_index.json", "[]"),
    "a lost index": remove("feature_states/_index.json"),
}


@pytest.mark.parametrize(
    "name",
    some(
        DAMAGES,
        *("half a month", "a spoiled month", "a spoiled state", "a lost state"),
        *("a month that nobody knows", "another folder", "half of an index"),
        "an index of another kind",
    ),
)
def test_what_is_damaged_is_not_the_new_truth(root: Path, name: str) -> None:
    found = made(root)
    DAMAGES[name](root)
    assert made(root) != found
    make(root, played())
    assert made(root) == found


def test_what_a_power_cut_has_spoiled_is_not_the_new_truth(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a trace in its size or age."""
    found, file = made(root), root / "features/2021-03.parquet"
    age = file.stat().st_mtime_ns
    spoil("features/2021-03.parquet")(root)
    os.utime(file, ns=(age, age))
    monkeypatch.setattr(months, "_machine_started_ns", time.time_ns)
    make(root, played())
    assert made(root) == found


# Whatever happens


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    number = draw(st.integers(0, 10 * len(MONTHS)))
    score = draw(st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)))
    moment = seconds(
        draw(st.sampled_from([*MONTHS, "2019-12", "2022-10"])), draw(st.integers(1, 28))
    )
    new = Row(1000 + number, moment, draw(st.integers(1, 3)), draw(st.integers(0, 9)), 10, score)
    return draw(
        st.sampled_from(
            [
                edited(number, score=score),
                edited(number, seconds=moment),
                added(new),
                lambda rows: [row for row in rows if row.match_id != number],
            ]
        )
    )


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(days=st.lists(st.lists(edits(), min_size=1, max_size=3), min_size=1, max_size=3))
def test_whatever_changes_from_day_to_day_all_is_as_a_rebuild_makes_it(
    before: Path, days: list[list[Edit]]
) -> None:
    with TemporaryDirectory() as folder:
        root, rows = shutil.copytree(before, Path(folder, "root")), played()
        for day in days:
            for edit in day:
                rows = edit(rows)
            rows = list({row.match_id: row for row in rows}.values())
            make(root, rows)
        assert made(root) == rebuilt(root, Path(folder, "rebuilt"))
