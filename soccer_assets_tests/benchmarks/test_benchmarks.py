"""The benchmarks run, all of them, and tell what they found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import Benchmark
from soccer_assets.settings import project_folder


@pytest.mark.slow  # every measured thing is a process of its own
def test_all_benchmarks_run_on_small_sizes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--output", str(tmp_path)],
        cwd=project_folder(),
        check=True,
        timeout=600,
    )
    report = json.loads((tmp_path / "results.json").read_bytes())
    assert {line["benchmark"] for line in report["comparisons"]} == set(Benchmark)
    page = (tmp_path / "results.md").read_text()
    assert report["machine"]["cpu"] in page
    for line in report["comparisons"]:
        assert f"{line['ratio']:.1f}x" in page
        assert min(line["ours"]["seconds"], line["theirs"]["seconds"]) > 0
        assert min(line["ours"]["peak_mb"], line["theirs"]["peak_mb"]) > 50
