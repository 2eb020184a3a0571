"""The matches of the lake, as stages read them: by the month of their kick-off."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from soccer_assets.dvc.stages.months import MonthFolder, made_of, month_after, months_between
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.lake.manifest import Manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.opening import open_lake
from soccer_assets.storage.store import ObjectStore

LAKE_POINTER = Path("lake.json")
PARAMS = Path("params.yaml")
MATCH = "match"
#: No month is shorter.
SHORTEST_MONTH = 28
#: Months of the lake that are read ahead: their way from S3 takes longer than their parsing.
AHEAD = 4


class LakeMonths:
    """Tables that ``lake.json`` names, whose files are by the month of the day that shows a match.

    Args:
        columns: table -> columns to read, of ``match`` and tables beside it.
    """

    def __init__(self, columns: dict[str, list[str]]) -> None:
        self._manifest = Manifest.from_bytes(LAKE_POINTER.read_bytes())
        self._lake = _lake()
        self._columns = columns
        self._days = _limits().kickoff_days
        self._apart = -(-(self._days + 1) // SHORTEST_MONTH)
        self._readers = ThreadPoolExecutor(AHEAD, "lake-month")
        self._read: dict[tuple[str, str], Future[pa.Table]] = {}

    def months(self) -> list[str]:
        """Those that a match may kick off in."""
        shown = sorted(self._manifest.tables.get(MATCH, {}))
        if not shown:
            return []
        return months_between(
            month_after(shown[0], -self._apart), month_after(shown[-1], self._apart)
        )

    def made_of(self, month: str) -> str:
        """Names the files that may have something of a month, and how it is chosen."""
        files = [
            self._manifest.tables.get(table, {}).get(shown)
            for table in self._columns
            for shown in self._around(month)
        ]
        return made_of(str(self._days), *(file.sha256 if file else "" for file in files))

    def matches(self, month: str) -> pa.Table:
        """Rows of ``match`` that kick off in a month, in order of kick-off and id.

        One whose kick-off lies as far from its day as no loaded payload has it any more (it is in
        the lake from before) is left out.
        """
        table = self.beside(MATCH, month)
        near = _near(table, self._days)
        far = table.filter(pc.invert(near)).select(["match_id", "feed_day"])
        for match_id, day in zip(*far, strict=True):
            if str(day).startswith(month):
                told = f"left out: match {match_id} of {day}: its kick-off is far from its day"
                print(told, flush=True)
        chosen = table.filter(pc.and_(near, _is_in(table["kickoff"], month)))
        return chosen.sort_by([("kickoff", "ascending"), ("match_id", "ascending")])

    def beside(self, table: str, month: str) -> pa.Table:
        """Rows of a table of all matches that may kick off in a month."""
        around = self._around(month)
        for key in [key for key in self._read if key[1] < around[0]]:
            del self._read[key]
        for shown in months_between(around[0], month_after(around[-1], AHEAD)):
            if (table, shown) not in self._read:
                self._read[table, shown] = self._readers.submit(self._of_lake, table, shown)
        return pa.concat_tables(self._read[table, shown].result() for shown in around)

    def _around(self, month: str) -> list[str]:
        return months_between(month_after(month, -self._apart), month_after(month, self._apart))

    def _of_lake(self, table: str, month: str) -> pa.Table:
        columns = self._columns[table] + ["feed_day"] * (table == MATCH)
        return read_table(self._lake, self._manifest, table, columns, [month])


def refresh(
    folder: MonthFolder,
    lake: LakeMonths,
    code: str,
    choose: Callable[[str], pa.Table],
) -> None:
    """Make the months of an out anew whose part of the lake has changed.

    Args:
        code: names the code that they are made by.
        choose: gives the rows of a month.
    """
    months = lake.months()
    wanted = {month: made_of(code, lake.made_of(month)) for month in months}
    due = [month for month in months if not folder.is_made_of(month, wanted[month])]
    folder.forget(due)
    for month in due:
        folder.write(month, choose(month), wanted[month])
    folder.finish(months)


def flags_as_numbers(table: pa.Table) -> pa.Table:
    """Booleans as float32, which has a place for those that are not known."""
    for number, field in enumerate(table.schema):
        if pa.types.is_boolean(field.type):
            flags = table[field.name].cast(pa.int8()).cast(pa.float32())
            table = table.set_column(number, field.name, flags)
    return table


def _lake() -> ObjectStore:
    """From the environment, where the workspace puts it: no stage depends on all settings."""
    return open_lake(
        os.environ["LAKE_URI"], os.environ.get("S3_ENDPOINT_URL"), os.environ.get("AWS_REGION")
    )


def _limits() -> FeedLimits:
    """Read here: the parameters as a whole would make every stage depend on the code of all."""
    return FeedLimits.model_validate(yaml.safe_load(PARAMS.read_text())["ingestion"]["limits"])


def _near(table: pa.Table, days: int) -> pa.ChunkedArray:
    """Whether each kick-off lies no more than so many days from the day that shows it."""
    day = 86_400_000_000
    kickoff = table["kickoff"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    after = pc.subtract(kickoff, table["feed_day"].cast(pa.timestamp("us")).cast(pa.int64()))
    return pc.and_(pc.greater_equal(after, -days * day), pc.less(after, (days + 1) * day))


def _is_in(kickoff: pa.ChunkedArray, month: str) -> pa.ChunkedArray:
    return pc.equal(pc.strftime(kickoff, "%Y-%m"), month)
