"""The benchmarks run, all of them, and tell what they found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import broker
from benchmarks.__main__ import RUN, Benchmark
from benchmarks.report import times
from soccer_assets.settings import project_folder

#: By the real daemon, whose ticks take their time,
LOOP = [Benchmark.SCORING_LOOP]
#: and by step workers, which need a broker.
ON_CELERY = [Benchmark.SCORING_LOOP_CELERY, Benchmark.BACKFILL_CELERY]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # what is measured has its processes


def measured(folder: Path, benchmarks: list[Benchmark]) -> dict[str, list[dict[str, Any]]]:
    """The lines of each, of small sizes."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--output", str(folder), *benchmarks],
        cwd=project_folder(),
        check=True,
    )
    report = json.loads((folder / "results.json").read_bytes())
    found: dict[str, list[dict[str, Any]]] = {}
    for line in report["comparisons"]:
        found.setdefault(line["benchmark"], []).append(line)
    assert set(found) == set(benchmarks)
    page = (folder / "results.md").read_text()
    assert report["machine"]["cpu"] in page
    for line in report["comparisons"]:
        assert times(line["ratio"]) in page
        assert min(line["ours"]["seconds"], line["theirs"]["seconds"]) > 0
        assert min(line["ours"]["peak_mb"], line["theirs"]["peak_mb"]) > 50
    return found


def test_all_benchmarks_run_on_small_sizes(tmp_path: Path) -> None:
    others = [name for name in Benchmark if name not in LOOP + ON_CELERY]
    assert set(RUN) == set(Benchmark)
    measured(tmp_path, others)


def test_the_way_of_a_result_is_longer_than_the_work_on_it(tmp_path: Path) -> None:
    ((line,),) = measured(tmp_path, LOOP).values()
    assert 0 < line["theirs"]["seconds"] < line["ours"]["seconds"]
    assert "orchestration" in line["notes"][0]


@pytest.mark.services
def test_loop_and_backfill_run_on_step_workers(tmp_path: Path) -> None:
    if not broker.is_installed():
        pytest.skip(f"there is no RabbitMQ (apt-get install {broker.PACKAGE})")
    found = measured(tmp_path, ON_CELERY)
    (loop,), (backfill,) = (found[name] for name in ON_CELERY)
    assert 0 < loop["theirs"]["seconds"] < loop["ours"]["seconds"]
    assert "two are" in backfill["notes"][0]
