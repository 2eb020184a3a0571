"""Comparisons as a table for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson
from tabulate import tabulate

from benchmarks.machine import Machine
from benchmarks.measure import Measurement


@dataclass(frozen=True)
class Cost:
    """What one way of doing it costs; the times are the best of ``repeats``.

    ``p99_ms`` and ``failed`` are of what answers requests: what 99 of 100 waited for at most, and how
    many had no answer, or a wrong one. ``cpu_seconds`` None: they are not known apart.
    """

    seconds: float
    cpu_seconds: float | None
    peak_mb: float
    repeats: int = 1
    p99_ms: float | None = None
    failed: int = 0

    @classmethod
    def of(cls, measured: Measurement, factor: float = 1.0) -> "Cost":
        """Times ``factor``: of a sample, scaled to the whole. Memory is as measured."""
        return cls(
            measured.seconds * factor,
            measured.best.cpu_seconds * factor,
            measured.peak_mb,
            len(measured.laps),
        )


@dataclass(frozen=True)
class Goal:
    """At least this ratio, within this time and this memory (10^6 bytes), and with requests answered in
    this time; None: not asked for. No request may fail."""

    ratio: float | None = None
    peak_mb: float | None = None
    p99_ms: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        asked = [
            f">= {self.ratio:.3g}x" if self.ratio is not None else None,
            f"<= {self.seconds:g} s" if self.seconds is not None else None,
            f"peak <= {self.peak_mb:.0f} MB" if self.peak_mb is not None else None,
            f"p99 <= {self.p99_ms:g} ms, none failed" if self.p99_ms is not None else None,
        ]
        return ", ".join(filter(None, asked))

    def met(self, ratio: float, cost: Cost) -> bool:
        """What was not measured does not meet what was asked for."""
        return (
            (self.ratio is None or ratio >= self.ratio)
            and (self.seconds is None or cost.seconds <= self.seconds)
            and (self.peak_mb is None or cost.peak_mb <= self.peak_mb)
            and (self.p99_ms is None or (cost.p99_ms is not None and cost.p99_ms <= self.p99_ms))
            and cost.failed == 0
        )


@dataclass(frozen=True)
class Comparison:
    """One line of the report. ``goal`` None: told for what it is, nothing was promised."""

    benchmark: str
    what: str
    baseline: str
    ours: Cost
    theirs: Cost
    goal: Goal | None = None
    notes: list[str] = field(default_factory=list)
    measured: str = ""
    """The day on which both were."""

    @property
    def ratio(self) -> float:
        return self.theirs.seconds / self.ours.seconds

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.met(self.ratio, self.ours)


def markdown(
    comparisons: Sequence[Comparison], machine: Machine, source: str, elapsed: float
) -> str:
    """The report; every footnote belongs to the line of its number."""
    rows = [
        (
            number,
            line.what,
            line.baseline,
            _seconds(line.theirs.seconds),
            _seconds(line.ours.seconds),
            times(line.ratio),
            str(line.goal or "none"),
            {True: "yes", False: "NO", None: "-"}[line.met],
            f"{line.theirs.peak_mb:,.0f}",
            f"{line.ours.peak_mb:,.0f}",
            line.measured,
        )
        for number, line in enumerate(comparisons, 1)
    ]
    headers = (
        "", "what", "baseline", "baseline takes", "ours takes", "ratio", "goal", "met",
        "baseline peak MB", "ours peak MB", "measured",
    )  # fmt: skip
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    notes = "\n".join(
        f"- {number}: {note}" for number, line in enumerate(comparisons, 1) for note in line.notes
    )
    return f"""# Benchmarks

{machine}

Data: {source}.

{table}

{notes}

Every measured thing runs in a process of its own, in turn with its baseline; times are the best of
the repeats (one where none are told). Peaks are of that process alone, libraries and input
included; PostgreSQL's own are the same server's for both. What goes through Dagster's daemon or step
workers runs in theirs. The last run took {elapsed / 60:.1f} min.
`make bench` makes this page; `python -m benchmarks NAME --keep` renews what it names.
"""


def as_json(
    comparisons: Sequence[Comparison], machine: Machine, source: str, elapsed: float
) -> bytes:
    lines: list[dict[str, Any]] = [
        {**asdict(line), "ratio": line.ratio, "met": line.met} for line in comparisons
    ]
    document = {
        "machine": asdict(machine),
        "data": source,
        "elapsed_seconds": elapsed,
        "comparisons": lines,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def from_json(document: bytes) -> list[Comparison]:
    """The comparisons that ``as_json`` kept."""
    return [_comparison(line) for line in orjson.loads(document)["comparisons"]]


def _comparison(line: dict[str, Any]) -> Comparison:
    known = {one.name for one in fields(Comparison)}
    kept = {name: value for name, value in line.items() if name in known}
    goal = None if kept["goal"] is None else Goal(**kept["goal"])
    return Comparison(
        **kept | {"ours": Cost(**kept["ours"]), "theirs": Cost(**kept["theirs"]), "goal": goal}
    )


def times(ratio: float) -> str:
    """Of what differs little, small differences are told."""
    return f"{ratio:.1f}x" if ratio >= 3 else f"{ratio:.2f}x"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:.1f} ms"
