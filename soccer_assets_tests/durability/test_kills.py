"""Whatever is killed, the ordinary next command goes on by itself and ends where it would have.

Commands are killed from outside (SIGKILL), alone or with all that works on their home, at a moment
that a seed chooses within each stretch of a match's way. Nobody tidies up in between.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import yaml

from soccer_assets_tests.durability.kills import (
    VICTIMS,
    Doomed,
    Moment,
    State,
    Victim,
    copied,
    leftovers,
    state_of,
)
from soccer_assets_tests.end_to_end.shell import Shell, open_shell

Command = tuple[str, ...]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FILL = ("soccer", "backfill", "--since", "2026-09-01", "--until", "2026-12-04")
FEATURES = ("dagster", "asset", "materialize", "--select", "group:features")
SERVE = (
    *("dagster", "asset", "materialize", "--select"),
    "group:model or group:registry or group:serving",
)
SEED = 20


@dataclass(frozen=True)
class Step:
    """A home before a command, and what there is after it, undisturbed."""

    before: Shell
    after: State


#: Stretch -> the command that goes through it, and when it is under way.
STRETCHES: dict[str, tuple[Command, Moment]] = {
    "first start": (FILL, Moment(within=6)),
    "backfill": (FILL, Moment(line="days are loaded and settled", within=2)),
    "export": (FILL, Moment(line="ingest_days: ", within=1)),
    "DVC stage": (FEATURES, Moment(line="Running stage", within=7)),
    "push": (FEATURES, Moment(child=r"dvc push", within=1.5)),
    "save point": (FEATURES, Moment(child=r"dvc push", ended=True, within=0.2)),
    "training": (SERVE, Moment(line="Starting a new mlflow run", within=3)),
    "alias smoke": (SERVE, Moment(line="registered_model - STEP_START", within=0.4)),
    "alias candidate": (SERVE, Moment(line="candidate_model - STEP_START", within=0.4)),
    "alias champion": (SERVE, Moment(line="champion_model - STEP_START", within=0.4)),
    "predictions": (SERVE, Moment(line="predictions - STEP_START", within=0.5)),
    "reload": (SERVE, Moment(line="serving_workers - STEP_START", within=2)),
}
#: Those of the default run, with who dies.
SOME: list[tuple[str, Victim]] = [
    ("first start", "everything"),
    ("backfill", "command"),
    ("export", "everything"),
    ("DVC stage", "command"),
    ("save point", "everything"),
    ("training", "command"),
    ("alias champion", "command"),
    ("reload", "everything"),
]
#: Of each stretch, in the slow run.
TIMES = 5


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Command, Step]]:
    """One history, with a small model and gates that few matches can pass."""
    params = tmp_path_factory.mktemp("params") / "params.yaml"
    small = {
        "training": {"folds": 1, "candidates": {"logistic": {"C": 0.001}}},
        "gates": {"ece_limit": 0.5},
    }
    params.write_text(yaml.safe_dump(small))
    variables = {"SOCCER_AS_OF": NOW.isoformat(), "SOCCER_PARAMS": str(params)}
    made = {}
    with ExitStack() as stack:
        shell = stack.enter_context(open_shell(variables))
        for command in (FILL, FEATURES, SERVE):
            before = shell
            shell = stack.enter_context(
                copied(before, before.home.with_name(f"{before.home.name}x"))
            )
            shell.run(*command)
            made[command] = Step(before, state_of(shell))
            assert leftovers(shell) == []
        yield made


def kill_and_go_on(
    steps: dict[Command, Step], stretch: str, victim: Victim, seed: object, home: Path
) -> None:
    command, moment = STRETCHES[stretch]
    with copied(steps[command].before, home) as shell:
        doomed = Doomed(shell, command)
        doomed.strike(moment, victim, Random(f"{SEED} {stretch} {victim} {seed}"))
        shell.run(*command)
        assert state_of(shell).differences(steps[command].after) == []
        assert leftovers(shell) == []


@pytest.fixture
def home() -> Iterator[Path]:
    """Where a home may be put; not in pytest's folder, which other users cannot enter."""
    with TemporaryDirectory(prefix="soccer-home-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


@pytest.mark.parametrize(("stretch", "victim"), SOME)
def test_a_killed_command_ends_as_if_undisturbed_when_it_is_run_again(
    steps: dict[Command, Step], stretch: str, victim: Victim, home: Path
) -> None:
    kill_and_go_on(steps, stretch, victim, "once", home)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(TIMES))
@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_command_that_is_killed_at_any_moment_ends_as_if_undisturbed_when_it_is_run_again(
    steps: dict[Command, Step], stretch: str, number: int, home: Path
) -> None:
    kill_and_go_on(steps, stretch, VICTIMS[number % len(VICTIMS)], number, home)
