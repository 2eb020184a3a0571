"""A corpus into the tables, as it is measured and as others begin with it."""

from benchmarks.corpus import Corpus
from benchmarks.database import connect
from benchmarks.measure import Stopwatch
from soccer_assets.warehouse.load import load_days


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
