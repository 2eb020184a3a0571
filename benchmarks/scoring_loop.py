"""From a changed result to reloaded workers, by the real daemon, hop by hop.

A place is filled with matches whose dates are put forward so that a busy weekend of theirs is now;
then, lap after lap, a result of yesterday is corrected in the feed, the hour's ingest is asked for as
its schedule does, and everything after it is left to the sensors.

``python -m benchmarks.scoring_loop --rows 150000`` tells every hop of every lap; what is filled is kept
where ``--home`` says so. In the report the baseline is the platform's own work in the same steps.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

from benchmarks import broker
from benchmarks.loop_daemon import daemon_at, laps
from benchmarks.loop_hops import DVC_STEP, Lap, fastest, told
from benchmarks.loop_place import Place
from benchmarks.machine import describe
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.source import find_source
from benchmarks.workbench import Workbench
from soccer_assets.warehouse.embedded import leave_embedded_postgres, start_embedded_postgres

#: What is asked of it: at most 40 % of the time is orchestration, and it is soon done.
GOAL = Goal(ratio=0.6, seconds=60)
HOW_COUNTED = (
    "own work: in the steps of the way from their start to their success; of"
    f" {DVC_STEP} the stages and the contracts on the features alone, as it logs them, not what DVC"
    " itself does, its push included. All else is orchestration: the daemon's ticks, starts of"
    " processes, steps beside the way that were waited for, events; peaks are of the largest process,"
    " the same one's for both"
)


def run(bench: Workbench) -> list[Comparison]:
    found = _measured(bench)
    return [
        comparison(
            "scoring-loop",
            f"a changed result to reloaded workers by the daemon, {bench.place.matches:,} matches",
            found,
            GOAL,
            [HOW_COUNTED],
        )
    ]


def run_on_celery(bench: Workbench) -> list[Comparison]:
    """None where there is no broker."""
    if broker.is_missed_by("scoring-loop-celery"):
        return []
    with broker.rabbitmq(bench.folder / "broker-of-loop") as url:
        found = _measured(bench, on_celery(url), step_workers=1)
    return [
        comparison(
            "scoring-loop-celery",
            f"the same with its steps on Celery, {bench.place.matches:,} matches",
            found,
            None,
            ["RabbitMQ and one step worker, with a home of its own, on the same cores as all else"],
        )
    ]


def on_celery(broker_url: str) -> dict[str, str]:
    """Settings of who gives steps to, or takes them from, this broker."""
    return {"SOCCER_EXECUTOR": "celery", "SOCCER_CELERY_BROKER": broker_url}


def comparison(
    benchmark: str, what: str, found: list[Lap], goal: Goal | None, notes: list[str]
) -> Comparison:
    """The fastest lap against the platform's own work in it."""
    best = fastest(found)
    all_laps = ", ".join(f"{lap.seconds:.1f} s ({lap.orchestration:.0%})" for lap in found)
    way = ", ".join(f"{hop.name} {hop.seconds:.1f} s" for hop in best.hops)
    return Comparison(
        benchmark,
        what,
        "the platform's own work in the same steps",
        Cost(best.seconds, best.cpu_seconds, best.peak_mb, len(found)),
        Cost(best.own, None, best.peak_mb, len(found)),
        goal,
        [
            f"the whole is {best.seconds / best.own:.2f} times the own work: {best.orchestration:.0%}"
            f" orchestration; {best.runs} runs, {best.cpu_seconds:.0f} CPU s; laps, with their"
            f" orchestration: {all_laps}; load before the fastest {best.load:.1f}",
            f"its hops: {way}",
            *notes,
        ],
    )


def _measured(
    bench: Workbench, engine_of_steps: Mapping[str, str] | None = None, step_workers: int = 0
) -> list[Lap]:
    with daemon_at(bench.place, engine_of_steps, step_workers) as daemon:
        return [lap for lap, _ in laps(daemon, bench.sizes.loop_laps, bench.sizes.loop_rest)]


def main(
    rows: Annotated[int, typer.Option(help="Matches, at most.")] = 1_000_000,
    home: Annotated[Path | None, typer.Option(help="Kept, and gone on from.")] = None,
    count: Annotated[int, typer.Option("--laps")] = 3,
    output: Annotated[Path | None, typer.Option(help="JSON.")] = None,
    celery: Annotated[
        bool, typer.Option("--celery", help="By a broker and one step worker.")
    ] = False,
    verbose: bool = False,
) -> None:
    """Measure the way of a corrected result."""
    folder = home or Path(mkdtemp(prefix="soccer-loop-"))
    server = folder / "postgres"
    place = Place(folder, start_embedded_postgres(server), find_source(rows))
    found: list[Lap] = []
    try:
        if celery:
            with broker.rabbitmq(Path(mkdtemp(prefix="soccer-broker-"))) as url:
                _tell_laps(place, count, verbose, found, on_celery(url))
        else:
            _tell_laps(place, count, verbose, found)
    finally:
        leave_embedded_postgres(server)
    if output:
        output.write_text(_document(place, found))


def _tell_laps(
    place: Place,
    count: int,
    verbose: bool,
    found: list[Lap],
    engine_of_steps: Mapping[str, str] | None = None,
) -> None:
    with daemon_at(place, engine_of_steps, step_workers=1 if engine_of_steps else 0) as daemon:
        for lap, events in laps(daemon, count, rest_seconds=45):
            found.append(lap)
            for event in events if verbose else ():
                said = (event.message or "")[:100].replace("\n", " ")
                print(
                    f"{event.at % 10000:9.2f} {event.run_id[:6]} {event.what} {event.step} {said}"
                )
            print(told(lap), flush=True)


def _document(place: Place, found: list[Lap]) -> str:
    best = fastest(found)
    told_of = {
        "machine": str(describe("embedded")),
        "matches": place.matches,
        "laps": [lap.seconds for lap in found],
        "seconds": best.seconds,
        "orchestration": best.orchestration,
        **asdict(best),
    }
    return json.dumps(told_of, indent=2) + "\n"


if __name__ == "__main__":
    typer.run(main)
