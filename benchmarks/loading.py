"""A corpus into the tables, as it is measured and as others begin with it; and the least that any
way to load it costs."""

import io

import pyarrow as pa
import pyarrow.csv

from benchmarks.corpus import Corpus
from benchmarks.database import connect
from benchmarks.measure import Stopwatch
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import SCHEMA


def load_corpus(
    stopwatch: Stopwatch, url: str, corpus: Corpus, *, changed: bool = False
) -> tuple[int, int]:
    """A transaction a year. Rows inserted into and updated in ``match``."""
    engine = connect(url)
    engine.connect().close()
    years = corpus.years(changed=changed)
    inserted = updated = 0
    with stopwatch:
        while True:
            with stopwatch.paused():
                days = next(years, None)
            if days is None:
                return inserted, updated
            done = load_days(engine, days).match
            inserted, updated = inserted + done.inserted, updated + done.updated


def copy_corpus(stopwatch: Stopwatch, url: str, corpus: Corpus) -> int:
    """``COPY ... FROM STDIN`` of the same rows into the same tables with their indexes and
    constraints, a transaction a year; that they were written as CSV before costs it nothing, and
    that they might be there already does not concern it. Rows of ``match``."""
    engine = connect(url)
    engine.connect().close()
    years = corpus.years()
    rows = 0
    with stopwatch:
        while True:
            with stopwatch.paused():
                days = next(years, None)
                copies = _copies(days) if days else []
            if not copies:
                return rows
            with engine.begin() as connection:
                cursor = connection.connection.cursor()
                for statement, text in copies:
                    cursor.copy_expert(statement, text)
                rows += cursor.rowcount


def _copies(days: list[ParsedDay]) -> list[tuple[str, io.BytesIO]]:
    """Statements and what each reads, ``match`` last."""
    return [
        (
            f"COPY {SCHEMA}.{name} ({', '.join(table.column_names)}) FROM STDIN (FORMAT csv)",
            _as_csv(table),
        )
        for name, table in (
            ("match_raw", pa.concat_tables([day.raw for day in days])),
            ("match", pa.concat_tables([day.match for day in days])),
        )
    ]


def _as_csv(table: pa.Table) -> io.BytesIO:
    buffer = io.BytesIO()
    # In one piece: Arrow 25 writes what is in memory in place of a first piece without rows.
    pa.csv.write_csv(table.combine_chunks(), buffer, pa.csv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer
