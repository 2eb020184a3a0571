"""What the benchmarks share: sizes, the server, the parsed corpus, a full database, the feed, a place to run."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.corpus import Corpus, make_corpus
from benchmarks.database import create_database, drop_database, tidy
from benchmarks.feed import Feed, serving
from benchmarks.loading import load_corpus
from benchmarks.loop_place import Place
from benchmarks.measure import measure
from benchmarks.source import Source


@dataclass(frozen=True)
class Sizes:
    """How much is measured. ``*_sample``: rows of a baseline that is scaled up to all of them."""

    rows: int = 1_000_000
    to_sql_sample: int = 100_000
    copy_sample: int = 200_000
    probe: int = 1_000
    plain_days: int = 200
    run_days: int = 5
    range_days: int = 200
    parse_rows: int = 30_000
    plain_features_sample: int = 10_000
    repeats: int = 2
    export_repeats: int = 5
    load_repeats: int = 3
    served: int = 100_000
    load_seconds: float = 10
    planned_days: int = 10_000
    planned_sample: int = 1_000
    lived_days: int = 365
    loop_rows: int = 1_000_000
    loop_laps: int = 3
    loop_rest: float = 45
    spread_days: int = 4 * 365
    spread_months: int = 12


FULL = Sizes()
QUICK = Sizes(
    rows=6_000,
    to_sql_sample=500,
    copy_sample=1_000,
    probe=100,
    plain_days=4,
    run_days=1,
    range_days=4,
    parse_rows=1_000,
    plain_features_sample=1_000,
    repeats=1,
    export_repeats=1,
    load_repeats=1,
    served=1_000,
    load_seconds=1,
    planned_days=30,
    planned_sample=10,
    lived_days=3,
    # As few as a champion can be trained on.
    loop_rows=40_000,
    loop_laps=1,
    loop_rest=10,
    spread_days=60,
    spread_months=1,
)


class Workbench:
    """One run's. Made when first needed, gone at the end."""

    def __init__(
        self, folder: Path, server_url: str, source: Source, sizes: Sizes, stack: ExitStack
    ) -> None:
        self.folder = folder
        self.server_url = server_url
        self.source = source
        self.sizes = sizes
        self._stack = stack

    @cached_property
    def corpus(self) -> Corpus:
        return make_corpus(self.source, self.folder / "corpus", os.cpu_count() or 1)

    @cached_property
    def feed(self) -> Feed:
        return self._stack.enter_context(serving(self.source))

    @cached_property
    def full_database(self) -> str:
        """URL of a database with the whole corpus in it, loaded by the platform."""
        url = create_database(self.server_url)
        measure(load_corpus, url, self.corpus)
        tidy(url)
        return url

    @cached_property
    def place(self) -> Place:
        """Where the scoring loop runs."""
        rows = min(self.sizes.loop_rows, max(self.source.rows, QUICK.loop_rows))
        database = create_database(self.server_url)
        return Place(self.folder / "place", database, replace(self.source, rows=rows))

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        url = create_database(self.server_url)
        yield url
        drop_database(url, self.server_url)
