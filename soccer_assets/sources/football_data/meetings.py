"""Which rows are one match, and which meeting of its teams a match is.

A match may be in a season's file and in the file of coming matches at once, may be listed on the
old day and on the new one after it was moved, and two teams may meet at one ground up to four times
in a season, sometimes within four days.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta

from soccer_assets.sources.football_data.parsing import CsvRow

#: A coming match is the one whose result is known, when that was played so much earlier or later.
EARLIER, LATER = timedelta(days=2), timedelta(days=14)
#: Two listings of a match to come are one, when so close together.
MOVED = timedelta(days=14)

Pair = tuple[int, int]


def number_meetings(
    rows: Iterable[CsvRow], pair: Callable[[CsvRow], Pair]
) -> list[tuple[CsvRow, int]]:
    """Each match of a season once, with its meeting number (from 1) of home and away team.

    Results are numbered by date, and matches to come after them: a match keeps its number when it
    is moved and when it is played, and results keep theirs when more are added.

    Args:
        rows: of one league and season, those of more recent files last.
        pair: the ids of the home and the away team of a row.
    """
    listings: dict[Pair, list[CsvRow]] = defaultdict(list)
    for row in rows:
        listings[pair(row)].append(row)
    return [
        (row, meeting)
        for listed in listings.values()
        for meeting, row in enumerate(_meetings(listed), 1)
    ]


def _meetings(listed: list[CsvRow]) -> list[CsvRow]:
    results = {row.date: row for row in listed if row.finished}  # of one day's, the last line
    to_come: list[CsvRow] = []
    for row in listed:
        if row.finished or any(-EARLIER <= played - row.date <= LATER for played in results):
            continue
        to_come = [other for other in to_come if abs(other.date - row.date) > MOVED] + [row]
    return [results[day] for day in sorted(results)] + sorted(to_come, key=lambda row: row.date)
