"""Features of every match, month by month, and what they are made of.

What is known at the beginning of a month is kept for some months. A change of a month's results makes
that month and those after it anew, from the latest such beginning; the months before it keep their
bytes, which are those that a rebuild of everything would give.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from soccer_assets.dvc.outs import FEATURE_STATES, FEATURES, FEATURES_META, FINISHED, FIXTURES
from soccer_assets.dvc.stages.months import (
    MonthFolder,
    as_table,
    code_of,
    made_of,
    month_after,
    months_between,
)
from soccer_assets.features.build import (
    MATCH_COLUMNS,
    build_features,
    build_on,
    feature_names,
    ratings_of,
    result_columns,
)
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.rating import Memory
from soccer_assets.features.walk import BEGINNING
from soccer_assets.files import write_atomically

#: The beginnings of so many of the latest months are kept, and of those before, of each January.
LATEST_BEGINNINGS = 13


def main() -> None:
    params = FeatureParams.model_validate(
        yaml.safe_load(Path("params.yaml").read_text())["features"]
    )
    code = code_of("features")
    finished, fixtures = MonthFolder(FINISHED), MonthFolder(FIXTURES)
    features = MonthFolder(FEATURES)
    history = History(finished, fixtures, made_of(code, params.model_dump_json()))
    refresh(history, features, MonthFolder(FEATURE_STATES), params)
    kickoffs = _matches(finished, history.played[-1:], ["kickoff"])["kickoff"]
    made = next(iter(features.months()), None)
    empty = _matches(finished, [], [*MATCH_COLUMNS, *result_columns(params)])
    meta = {
        "features": feature_names(
            features.read(made).schema.empty_table().to_pandas()
            if made
            else build_features(empty, empty, params)
        ),
        "features_as_of": kickoffs.max().isoformat() if len(kickoffs) else None,
        "finished": finished.rows,
        "fixtures": fixtures.rows,
        "params": params.model_dump(),
    }
    write_atomically(FEATURES_META, json.dumps(meta, indent=2) + "\n")


class History:
    """All months of matches, and the names of what their features are made of.

    Args:
        recipe: names the code and the parameters that they are made by.
    """

    def __init__(self, finished: MonthFolder, fixtures: MonthFolder, recipe: str) -> None:
        self.finished, self.fixtures = finished, fixtures
        named = sorted({*finished.months(), *fixtures.months()})
        self.months = months_between(named[0], named[-1]) if named else []
        self.played = finished.months()
        self.known: dict[str, str] = {}
        """Month -> all that is known at its beginning."""
        self.asked: dict[str, str] = {}
        """Month -> all that its features are made of."""
        known = recipe
        for month in self.months:
            self.known[month] = known
            self.asked[month] = made_of(known, finished.digest(month), fixtures.digest(month))
            known = made_of(known, month, finished.digest(month))

    @property
    def beginnings(self) -> list[str]:
        """Months at whose beginning what is known is kept."""
        of_results = months_between(self.played[0], self.played[-1])[1:] if self.played else []
        latest = of_results[-LATEST_BEGINNINGS:]
        return [month for month in of_results if month in latest or month.endswith("-01")]


def refresh(
    history: History, features: MonthFolder, states: MonthFolder, params: FeatureParams
) -> None:
    """Bring ``features``, and ``states`` of what is known at beginnings, to what the matches are."""
    beginnings = history.beginnings
    of_features = [m for m in history.months if not features.is_made_of(m, history.asked[m])]
    of_states = [m for m in beginnings if not states.is_made_of(m, history.known[m])]
    if of_features or of_states:
        first, last = min(of_features + of_states), max(of_features + of_states)
        starts = [m for m in beginnings if m <= first and m not in of_states]
        start = max(starts, default=None)
        print(f"{first} to {last}: from {start or 'the first match on'}", flush=True)
        span = [m for m in history.months if (start or m) <= m <= last]
        remember = [m for m in beginnings if m in span and m != start]
        features.forget(span)
        states.forget(remember)
        memory = Memory.from_table(states.read(start), ratings_of(params)) if start else None
        built = build_on(
            _matches(
                history.finished, _with_before(span), [*MATCH_COLUMNS, *result_columns(params)]
            ),
            _matches(history.fixtures, span, MATCH_COLUMNS),
            params,
            memory=memory,
            since=_seconds(start) if start else BEGINNING,
            remember=[_seconds(month) for month in remember],
        )
        kickoffs = built.features["kickoff"].to_numpy("datetime64[M]")
        table = as_table(built.features)
        for month in span:
            first_row, end = np.searchsorted(
                kickoffs, [np.datetime64(month), np.datetime64(month) + 1]
            )
            features.write(month, table.slice(first_row, end - first_row), history.asked[month])
        for month in remember:
            known = built.memories[_seconds(month)].to_table()
            states.write(month, known, history.known[month])
    features.finish(history.months)
    states.finish(beginnings)


def _with_before(span: list[str]) -> list[str]:
    """With the month before: its last results are not known at the beginning."""
    return months_between(month_after(span[0], -1), span[-1])


def _matches(folder: MonthFolder, months: Sequence[str], columns: list[str]) -> pd.DataFrame:
    there = [folder.read(month, columns) for month in months if folder.digest(month)]
    if not there:
        kinds = {"kickoff": pa.timestamp("us", "UTC")}
        there = [pa.schema([(name, kinds.get(name, pa.int64())) for name in columns]).empty_table()]
    return pa.concat_tables(there).to_pandas()


def _seconds(month: str) -> int:
    """The beginning of a month, since 1970."""
    return int(np.datetime64(month, "s").astype(np.int64))


if __name__ == "__main__":
    main()
