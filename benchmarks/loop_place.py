"""Where the scoring loop is measured: a history whose busiest days are now, a champion, predictions.

The matches' dates are put forward by whole weeks, so that a busy Sunday of theirs is today or a day of
the week before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.machines import Machine
from benchmarks.source import Source
from soccer_assets.clock import utc_now
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.simulator.server import FeedServer
from soccer_assets.sources.replay import ReplayBackend

#: When most leagues play, real and simulated ones.
BUSY_SUNDAY = date(2025, 4, 6)
#: All of history, on a busy machine.
FILL_SECONDS = 7200
#: As many results of one match, one after the other.
_RESULTS = 15


class Place:
    """A folder with the matches, and all that is made of them but the database's rows. The feed's time
    stands still when the folder was made.

    Args:
        folder: made, and filled, once; it is gone on from if it is there.
        database: its URL.
    """

    def __init__(self, folder: Path, database: str, source: Source) -> None:
        self.folder = folder
        self.database = database
        folder.mkdir(parents=True, exist_ok=True)
        stamp = folder / "made"
        if not stamp.exists():
            stamp.write_text(utc_now().isoformat())
        self.now = datetime.fromisoformat(stamp.read_text())
        self.file = folder / "matches.parquet"
        if not self.file.exists():
            weeks = (self.now.date() - BUSY_SUNDAY).days // 7
            pq.write_table(put_forward(matches_of(source), weeks), self.file)
        first = pc.min(pq.read_table(self.file, columns=["date"])["date"].cast("date32")).as_py()
        self._days = (self.now.date() - first).days
        self._params = folder / "params.yaml"
        params = yaml.safe_load(DEFAULT_PARAMS.read_text())
        params["ingestion"]["first_day"] = str(first)
        # A model that is soon trained: what is measured is without a training.
        params["training"] |= {
            "folds": 1,
            "candidates": {"plain": {"learner": "logistic", "C": 0.001}},
        }
        params["gates"] |= {"ece_limit": 0.2}
        self._params.write_text(yaml.safe_dump(params))

    @property
    def matches(self) -> int:
        return int(pq.ParquetFile(self.file).metadata.num_rows)

    @contextmanager
    def feed(self) -> Iterator[FeedServer]:
        with FeedServer(ReplayBackend(self.file), clock=lambda: self.now) as server:
            yield server

    def machine(self, name: str, feed: FeedServer, **settings: str) -> Machine:
        """One that shares the services of this place: its database, lake and registry."""
        shared = {
            "SOCCER_PARAMS": str(self._params),
            "POSTGRES_URL": self.database,
            "LAKE_URI": str(self.folder / "lake"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "LIVESCORES_URL": feed.url,
            "LIVESCORES_NAME": "benchmark",
            "SERVING_TOKEN": "benchmark",
        }
        return Machine(self.folder / name, {**shared, **settings})

    def fill(self, feed: FeedServer) -> None:
        """History, a champion and its predictions, by the command that a person would use."""
        filled = self.folder / "filled"
        if filled.exists():
            return
        machine = self.machine("home", feed)
        machine.run("soccer", "demo", "--days", str(max(90, self._days)), seconds=FILL_SECONDS)
        filled.touch()

    def correct(self, feed: FeedServer, day: date) -> None:
        """One match of the day that has a result has another one, each time."""
        count = self.folder / "corrected"
        number = (int(count.read_text()) if count.exists() else 0) % _RESULTS + 1
        payload = deepcopy(feed.backend.payload(day, self.now))
        for match in (m for t in payload["tournaments"] for m in t["matches"]):
            if match["status"] == FeedStatus.FINISHED and match["homeScore"] is not None:
                match["homeScore"] += number
                feed.override(day, payload)
                count.write_text(str(number))
                return
        raise RuntimeError(f"no result on {day}")


def matches_of(source: Source) -> pa.Table:
    """The source's matches as a file of results has them."""
    if source.file:
        table = pq.read_table(source.file)
        days = table["date"].cast("date32")
        return table.filter(pc.greater_equal(days, pa.scalar(source.days[0])))
    return pa.Table.from_pylist(list(_invented(source)))


def put_forward(table: pa.Table, weeks: int) -> pa.Table:
    """The same matches so many weeks later."""
    days = table["date"].cast("date32").cast("int32")
    later = pc.add(days, pa.scalar(weeks * 7, pa.int32())).cast("date32")
    return table.set_column(table.schema.get_field_index("date"), "date", later)


def _invented(source: Source) -> Iterator[dict[str, Any]]:
    """Those of simulated seasons that were played, a row each."""
    backend = source.backend()
    for day in source.days:
        for tournament in backend.payload(day, source.as_of)["tournaments"]:
            for match in tournament["matches"]:
                if match["status"] != FeedStatus.FINISHED:
                    continue
                kickoff = datetime.fromisoformat(match["startTimeUtc"])
                yield {
                    "match_id": match["id"],
                    "date": kickoff.date(),
                    "time": f"{kickoff:%H:%M}",
                    "region_id": tournament["regionId"],
                    "country": tournament["regionName"],
                    "tournament_id": tournament["tournamentId"],
                    "competition": tournament["tournamentName"],
                    "is_international": False,
                    "women": bool(tournament["sex"]),
                    "neutral": bool(match["isNeutral"]),
                    "home_team_id": match["homeTeamId"],
                    "away_team_id": match["awayTeamId"],
                    "home_team": match["homeTeamName"],
                    "away_team": match["awayTeamName"],
                    "home_score": match["homeScore"],
                    "away_score": match["awayScore"],
                    "ft_flag": "F",
                }
