"""Statistics and odds of matches, as columns beside what is known of them."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Columns of ``match_statistics``.
STATISTICS = [
    "home_shots",
    "away_shots",
    "home_shots_on_target",
    "away_shots_on_target",
    "home_corners",
    "away_corners",
]
ODDS = ["odds_home", "odds_draw", "odds_away"]
#: What is read of the tables.
STATISTICS_COLUMNS = ["match_id", *STATISTICS]
ODDS_COLUMNS = ["match_id", "bookmaker", "phase", *ODDS]

#: The market's mean, then those whose odds are the sharpest and the most complete.
_FIRST = ("Avg", "PS", "B365")
#: The market's best prices: of no one bookmaker, and with hardly a margin.
_LAST = ("Max",)


def with_details(matches: pd.DataFrame, statistics: pa.Table, odds: pa.Table) -> pd.DataFrame:
    """The matches with ``STATISTICS`` and ``ODDS``, float32, NaN where they are not known.

    Args:
        matches: with ``match_id``.
        statistics: ``STATISTICS_COLUMNS``, of any matches.
        odds: ``ODDS_COLUMNS``, of any matches; see ``best_odds`` for which of them count.
    """
    ids = pa.array(matches["match_id"])
    statistics, odds = (
        table.filter(pc.is_in(table["match_id"], ids)) for table in (statistics, odds)
    )
    counted = statistics.to_pandas().set_index("match_id")[STATISTICS]
    priced = best_odds(odds).set_index("match_id")[ODDS]
    for details in (counted, priced):
        matches = matches.join(details.astype("float32"), on="match_id")
    return matches


def best_odds(odds: pa.Table) -> pd.DataFrame:
    """One row a match: closing odds before earlier ones, the market's mean before a single bookmaker
    (Pinnacle, Bet365, then by name), and the market's best only where there is nothing else of that
    phase.

    Args:
        odds: ``ODDS_COLUMNS``.
    """
    frame = odds.to_pandas(categories=["bookmaker", "phase"])
    names = sorted(frame["bookmaker"].cat.categories, key=_preference)
    place = frame["bookmaker"].cat.set_categories(names).cat.codes.astype("int64")
    frame["place"] = place + (frame["phase"] != "closing") * len(names)
    return frame.sort_values(["match_id", "place"]).drop_duplicates("match_id")


def _preference(bookmaker: str) -> tuple[int, str]:
    if bookmaker in _FIRST:
        return _FIRST.index(bookmaker), bookmaker
    return len(_FIRST) + (bookmaker in _LAST), bookmaker
