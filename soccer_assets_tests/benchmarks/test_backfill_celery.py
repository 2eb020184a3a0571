"""What is said of workers that share a backfill."""

import pytest

from benchmarks import backfill_celery, broker, scoring_loop
from benchmarks.backfill_celery import Spread


def test_orchestration_is_the_workers_time_in_no_step() -> None:
    """Of all of them: two that are at work in turn are idle half of the time."""
    in_turn = Spread(2, 100.0, [30.0, 20.0, 30.0], 1_000, 90.0, 200.0)
    assert in_turn.orchestration == pytest.approx(0.6)
    assert Spread(1, 100.0, [30.0, 20.0, 30.0], 1_000, 90.0, 200.0).orchestration == pytest.approx(
        0.2
    )


def test_what_needs_a_broker_is_left_out_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broker, "_PROGRAMS", broker.Path("/nowhere"))
    assert backfill_celery.run(None) == scoring_loop.run_on_celery(None) == []  # type: ignore[arg-type]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" is left out: there is no RabbitMQ")[0] for line in told] == [
        "backfill-celery",
        "scoring-loop-celery",
    ]
