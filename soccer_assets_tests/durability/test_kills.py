"""Whatever is killed, the ordinary next command goes on by itself and ends where it would have.

Commands are killed from outside (SIGKILL), alone or with all that works on their home, at a moment
that a seed chooses within each stretch of a match's way. Nobody tidies up in between.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from soccer_assets_tests.durability.kills import (
    FEATURES,
    FILL,
    SERVE,
    VICTIMS,
    Command,
    Doomed,
    Moment,
    Step,
    Victim,
    copied,
    leftovers,
    state_of,
    undisturbed,
)

SEED = 20


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
#: Those of the suite of the whole system, with who dies.
SOME: list[tuple[str, Victim]] = [
    ("first start", "everything"),
    ("backfill", "command"),
    ("export", "everything"),
    ("DVC stage", "command"),
    ("save point", "everything"),
    ("training", "command"),
    ("alias champion", "command"),
    ("push", "everything"),
]
#: Of each stretch, in the slow run.
TIMES = 5


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Command, Step]]:
    with undisturbed(tmp_path_factory.mktemp("params")) as made:
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
def home(home_folder: Path) -> Path:
    return home_folder / "home"


@pytest.mark.system
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
