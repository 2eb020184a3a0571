"""Finished matches of the whole source, up to the end of a busy month: what features are made of."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.corpus import Corpus
from benchmarks.source import Source
from benchmarks.world import NoRealMatches, finished_matches
from soccer_assets.dvc.stages.details import ODDS_COLUMNS, STATISTICS_COLUMNS, with_details
from soccer_assets.dvc.stages.finished import scored
from soccer_assets.warehouse.rows import ODDS_SCHEMA, STATISTICS_SCHEMA

#: Of so many of the latest months, the busiest is the one that days are added to.
RECENT_MONTHS = 12
NEW_DAYS = 2


@dataclass(frozen=True)
class Finished:
    """``file``: the matches, in order of kick-off. ``what``: which they are."""

    file: Path
    rows: int
    what: str
    until: date
    """The end of the busiest of the latest months."""
    new_days: tuple[date, ...]
    """The busiest days of that month, which are to come last."""


def make_finished(source: Source, corpus: Corpus, file: Path) -> Finished:
    """With statistics and odds, where the files of the real matches are there."""
    if source.file is None:
        matches, what = _of_corpus(corpus), "simulated"
    else:
        try:
            matches = finished_matches(source.file.parent, source.as_of).tail(source.rows)
            what = "real, with statistics"
        except NoRealMatches as reason:
            matches, what = _of_corpus(corpus), f"without statistics: {reason}"
    matches = matches.reset_index(drop=True)
    matches["kickoff"] = matches["kickoff"].dt.as_unit("us")
    matches.to_parquet(file)
    kickoffs = matches["kickoff"].dt.tz_localize(None)
    months = kickoffs.dt.to_period("M")
    busiest = months.value_counts().sort_index().iloc[-RECENT_MONTHS:].idxmax()
    days = kickoffs[months == busiest].dt.date.value_counts().index[:NEW_DAYS]
    return Finished(file, len(matches), what, busiest.end_time.date(), tuple(days))


def _of_corpus(corpus: Corpus) -> pd.DataFrame:
    table = pa.concat_tables(day.match for days in corpus.years() for day in days)
    no_statistics = STATISTICS_SCHEMA.empty_table().select(STATISTICS_COLUMNS)
    no_odds = ODDS_SCHEMA.empty_table().select(ODDS_COLUMNS)
    matches = with_details(scored(table).to_pandas(), no_statistics, no_odds)
    return matches.sort_values(["kickoff", "match_id"], ignore_index=True)
