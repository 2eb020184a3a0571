"""A goal is met by what was measured, in every respect that it names."""

from pathlib import Path

import pytest

from benchmarks.__main__ import Benchmark, earlier
from benchmarks.machine import describe
from benchmarks.report import Comparison, Cost, Goal, as_json, markdown, times
from benchmarks.serving import parse_wrk

PLAIN = Cost(4.0, 4.0, 300.0, p99_ms=90.0)
WRK = """
Running 10s test @ http://127.0.0.1:8008
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.75ms    1.01ms  40.56ms   95.43%
  Latency Distribution
     50%    1.60ms
     99%    {p99}
  47210 requests in 10.00s, 27.11MB read
{errors}Requests/sec:   4720.36
"""


@pytest.mark.parametrize(
    ("goal", "ours", "met", "told"),
    [
        (None, Cost(1.0, 1.0, 100.0), None, "None"),
        (Goal(4), Cost(1.0, 1.0, 900.0), True, ">= 4x"),
        (Goal(4.5, 250), Cost(1.0, 1.0, 100.0), False, ">= 4.5x, peak <= 250 MB"),
        (Goal(4, 250), Cost(1.0, 1.0, 250.1), False, ">= 4x, peak <= 250 MB"),
        (Goal(p99_ms=50), Cost(9.0, 1.0, 1.0, p99_ms=50), True, "p99 <= 50 ms, none failed"),
        (Goal(p99_ms=50), Cost(1.0, 1.0, 1.0, p99_ms=50.1), False, "p99 <= 50 ms, none failed"),
        (Goal(p99_ms=50), Cost(1.0, 1.0, 1.0), False, "p99 <= 50 ms, none failed"),
        (Goal(4), Cost(1.0, 1.0, 1.0, failed=1), False, ">= 4x"),
        (Goal(0.6, seconds=60), Cost(6.0, None, 1.0), True, ">= 0.6x, <= 60 s"),
        (Goal(0.6, seconds=5), Cost(6.0, None, 1.0), False, ">= 0.6x, <= 5 s"),
        (Goal(0.7, seconds=60), Cost(6.0, None, 1.0), False, ">= 0.7x, <= 60 s"),
    ],
)
def test_a_goal_is_met_in_all_or_not(
    goal: Goal | None, ours: Cost, met: bool | None, told: str
) -> None:
    line = Comparison("serving", "a request", "plain", ours, PLAIN, goal)
    assert (line.met, str(line.goal)) == (met, told)


def test_what_is_not_measured_again_stays_in_the_report(tmp_path: Path) -> None:
    lines = [
        Comparison("upsert", "rows", "plain", PLAIN, PLAIN, Goal(4, 250), ["a note"], "2026-01-02"),
        Comparison("serving", "a request", "plain", PLAIN, PLAIN),
    ]
    machine = describe("18.4")
    (tmp_path / "results.json").write_bytes(as_json(lines, machine, "invented", 1.0))
    assert earlier(tmp_path, [Benchmark.SERVING]) == lines[:1]
    assert "2026-01-02" in markdown(lines, machine, "invented", 1.0)
    assert earlier(tmp_path / "elsewhere", [Benchmark.SERVING]) == []


def test_a_benchmark_that_is_no_more_goes_from_the_report(tmp_path: Path) -> None:
    lines = [
        Comparison("upsert", "rows", "plain", PLAIN, PLAIN),
        Comparison("of old", "rows", "plain", PLAIN, PLAIN),
    ]
    (tmp_path / "results.json").write_bytes(as_json(lines, describe("18.4"), "invented", 1.0))
    assert earlier(tmp_path, []) == lines[:1]


@pytest.mark.parametrize(("ratio", "shown"), [(0.604, "0.60x"), (1.94, "1.94x"), (11.16, "11.2x")])
def test_small_differences_are_told_of_what_differs_little(ratio: float, shown: str) -> None:
    assert times(ratio) == shown


@pytest.mark.parametrize(
    ("p99", "milliseconds"), [("812.00us", 0.812), ("4.20ms", 4.2), ("1.5s", 1500)]
)
def test_what_wrk_says_is_read(p99: str, milliseconds: float) -> None:
    load = parse_wrk(WRK.format(p99=p99, errors=""))
    assert (load.requests, load.seconds, load.failed) == (47210, 10.0, 0)
    assert load.p99_ms == pytest.approx(milliseconds)


def test_every_kind_of_failed_request_counts() -> None:
    errors = (
        "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 10\n"
    )
    assert parse_wrk(WRK.format(p99="1ms", errors=errors)).failed == 20


def test_what_is_no_report_of_wrk_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused")
