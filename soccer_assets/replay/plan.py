"""What a replay is of, and what is kept of each of its steps."""

import json
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

from soccer_assets.files import write_atomically

PLAN_FILE, DAYS_FILE = "replay.json", "days.jsonl"


class ReplayError(Exception):
    """A replay cannot go on; says why."""


class Storm(ReplayError):
    """More runs were asked for in one step than any step needs; says by whom."""


class OtherReplay(ReplayError):
    """The home holds another replay."""


class TooLate(ReplayError):
    """A prediction counts that was not made before its match began."""


@dataclass(frozen=True)
class Plan:
    """What is replayed."""

    file: str
    since: date
    """First day of history."""
    first: date
    last: date
    step: timedelta
    leagues: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()

    def text(self) -> str:
        return json.dumps(asdict(self), default=str, indent=2)


@dataclass
class Day:
    """What a step did."""

    tick: str
    runs: int = 0
    failed: int = 0
    rounds: int = 0
    cpu_seconds: float = 0.0
    """Of this process and the children that have ended."""
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU seconds by what they were spent on."""
    faults: list[str] = field(default_factory=list)
    served_version: int | None = None
    ready: bool = False
    stale: bool = False
    """Whether the worker marks its answers as too old."""
    age_hours: float | None = None
    """Of the predictions that the worker serves."""
    wrong: int = 0
    """Coming matches that the worker answers for otherwise than what was predicted last of them."""
    open_alerts: list[str] = field(default_factory=list)
    """``kind: key`` of each trouble that is open at the end of the step."""

    @property
    def is_silently_wrong(self) -> bool:
        """Whether the worker is wrong and neither it nor any alert says so."""
        return bool(self.wrong) and not self.stale and not self.open_alerts


def claim(home: Path, plan: Plan) -> None:
    """Raises OtherReplay: the home is another one's."""
    file = home / PLAN_FILE
    if not file.exists():
        write_atomically(file, plan.text())
    elif file.read_text() != plan.text():
        raise OtherReplay(f"{home} holds another replay: {file} says which; take another --home")


def read_days(home: Path) -> list[Day]:
    """What was gone through to its end so far."""
    file = home / DAYS_FILE
    if not file.exists():
        return []
    return [Day(**json.loads(line)) for line in file.read_text().splitlines()]


def note(home: Path, day: Day) -> None:
    """A step has come to its end."""
    with (home / DAYS_FILE).open("a") as file:
        file.write(json.dumps(asdict(day)) + "\n")
