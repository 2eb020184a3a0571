"""Homes, the commands that fill them, and a hand that kills those commands from outside."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import IO, Any, Literal

import mlflow
import pandas as pd
import psutil
import sqlalchemy as sa
import yaml

from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.relations import RELATIONS
from soccer_assets.lake.tables import read_table
from soccer_assets.modelling.mlflow_sqlite import prepare_sqlite
from soccer_assets.modelling.registry import CANDIDATE, CHAMPION, MODEL_NAME, PREVIOUS, SMOKE
from soccer_assets.resources.mlflow import EXPERIMENT
from soccer_assets.settings import DEFAULT_PARAMS, project_folder
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.durability.scenario import BOOKKEEPING, Contents, contents, said
from soccer_assets_tests.end_to_end.shell import BIN, PATIENCE_SECONDS, Shell, open_shell

Command = tuple[str, ...]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FILL = ("soccer", "backfill", "--since", "2026-09-01", "--until", "2026-12-04")
FEATURES = ("dagster", "asset", "materialize", "--select", "group:features")
SERVE = (
    *("dagster", "asset", "materialize", "--select"),
    "group:model or group:registry or group:serving",
)

#: Who dies: the command alone, or all that works on its home, PostgreSQL too, as in a power cut.
Victim = Literal["command", "everything"]
VICTIMS: tuple[Victim, ...] = ("command", "everything")
#: Column that is named after the moment of the fetch.
PAYLOAD = "payload_key"
ALIASES = (SMOKE, CANDIDATE, CHAMPION, PREVIOUS)


@dataclass(frozen=True)
class Moment:
    """When to strike: some time after the command has started, has printed a line, or has (or no
    longer has) a child."""

    within: float
    """Seconds, at most, that it takes to strike then."""
    line: str | None = None
    """A regular expression."""
    child: str | None = None
    """A regular expression of the child's command line."""
    ended: bool = False
    """The child has ended."""


@dataclass(frozen=True)
class State:
    """All that a user finds in a home, but for times and numbers that every run deals anew."""

    warehouse: Contents
    lake: dict[str, pd.DataFrame]
    outs: dict[str, str]
    """Path of each DVC out -> its hash."""
    models: dict[str, dict[str, float]]
    """Alias -> the metrics of its model's training."""
    predictions: list[tuple[Any, ...]]

    def differences(self, other: "State") -> list[str]:
        """What of it is not the same, by name."""
        found = [
            f"table {name}"
            for name in self.warehouse
            if self.warehouse[name] != other.warehouse.get(name)
        ]
        found += [
            f"lake {name}" for name in self.lake if not self.lake[name].equals(other.lake[name])
        ]
        for part in ("outs", "models", "predictions"):
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine != theirs:
                found.append(f"{part}: {mine!r:.500} / {theirs!r:.500}")
        return found


@dataclass(frozen=True)
class Step:
    """A home before a command, and what there is after it, undisturbed."""

    before: Shell
    after: State


@dataclass(frozen=True)
class Doomed:
    """A command in a home, and the hand over it."""

    shell: Shell
    command: tuple[str, ...]
    printed: list[str] = field(default_factory=list)

    def strike(self, moment: Moment, victim: Victim, random: Random) -> None:
        """Start the command and kill it at the moment, if it has not ended before."""
        process = self.reach(moment, random)
        if victim == "everything":
            for other in processes_of(self.shell.home):
                with suppress(psutil.NoSuchProcess):
                    other.kill()
        process.kill()
        process.wait(PATIENCE_SECONDS)

    def reach(self, moment: Moment, random: Random) -> subprocess.Popen[str]:
        """Start the command, and wait for the moment or its end."""
        name, *arguments = self.command
        process = subprocess.Popen(
            [BIN / name, *arguments],
            cwd=project_folder(),
            env=self.shell.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()
        self._await(process, moment)
        time.sleep(random.uniform(0, moment.within))
        return process

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.printed.append(line)

    def _await(self, process: subprocess.Popen[str], moment: Moment) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen = False
        while process.poll() is None:
            assert time.monotonic() < deadline, f"{moment} never came: {''.join(self.printed)}"
            if moment.line is not None:
                if re.search(moment.line, "".join(self.printed)):
                    return
            elif moment.child is not None:
                there = _has_child(process.pid, moment.child)
                if (there and not moment.ended) or (seen and not there):
                    return
                seen = seen or there
            else:
                return
            time.sleep(0.002)


def _has_child(pid: int, pattern: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if re.search(pattern, " ".join(child.cmdline())):
                    return True
    return False


def processes_of(home: Path) -> list[psutil.Process]:
    """All that work on a home: those that were told of it, and its PostgreSQL."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            told = process.environ().get("SOCCER_HOME") == str(home)
            if process.pid != os.getpid() and (told or str(home) in " ".join(process.cmdline())):
                found.append(process)
    return found


@contextmanager
def copied(original: Shell, home: Path) -> Iterator[Shell]:
    """A shell on a copy of a home that nobody works on, of which nothing is left behind."""
    subprocess.run(["cp", "-a", original.home, home], check=True)
    shell = Shell(home, original.variables)
    try:
        yield shell
    finally:
        for process in processes_of(home):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


def state_of(shell: Shell) -> State:
    """What there is, whoever made it."""
    with shell.warehouse() as engine:
        warehouse = said(contents(engine))
        for row in (row for rows in warehouse.values() for row in rows):
            row.pop(PAYLOAD, None)
        predictions = _predictions(engine)
    return State(
        warehouse,
        _lake(shell.home),
        {out.path: out.md5 for out in _workspace(shell.home).outs().values()},
        _models(shell.home),
        predictions,
    )


def small_loop(folder: Path) -> dict[str, str]:
    """Variables of a shell in which the clock stands still, with a small model and gates that few
    matches can pass; the parameters are put into ``folder``."""
    small = {
        "training": {"folds": 1, "candidates": {"logistic": {"C": 0.001}}},
        "gates": {"ece_limit": 0.5},
    }
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(small))
    return {"SOCCER_AS_OF": NOW.isoformat(), "SOCCER_PARAMS": str(params)}


@contextmanager
def undisturbed(params_folder: Path) -> Iterator[dict[Command, Step]]:
    """One history, command by command."""
    made = {}
    with ExitStack() as stack:
        shell = stack.enter_context(open_shell(small_loop(params_folder)))
        for command in (FILL, FEATURES, SERVE):
            if command == SERVE:
                # To make it takes seconds, each time; who is killed then is looked at elsewhere.
                prepare_sqlite(shell.home / "mlflow" / "mlflow.db", EXPERIMENT)
            before, home = shell, shell.home.with_name(f"{shell.home.name}x")
            shell = stack.enter_context(copied(before, home))
            shell.run(*command)
            made[command] = Step(before, state_of(shell))
            assert leftovers(shell) == []
        yield made


def _predictions(engine: sa.Engine) -> list[tuple[Any, ...]]:
    query = "SELECT match_id, p_home, p_draw, p_away, features_as_of FROM soccer.prediction"
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.text(query)))


def _lake(home: Path) -> dict[str, pd.DataFrame]:
    store = LocalStore(home / "lake")
    manifest = read_manifest(store)
    found = {}
    for table in RELATIONS:
        rows = read_table(store, manifest, table.name).to_pandas()
        columns = [name for name in rows.columns if name not in BOOKKEEPING | {PAYLOAD}]
        found[table.name] = rows[columns].sort_values("match_id", ignore_index=True)
    return found


def _workspace(home: Path) -> DvcWorkspace:
    return DvcWorkspace(home / "dvc", str(home / "dvc-remote"), DEFAULT_PARAMS)


def mlflow_client(home: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")


def _models(home: Path) -> dict[str, dict[str, float]]:
    if not (home / "mlflow" / "mlflow.db").exists():
        return {}
    client = mlflow_client(home)
    found = {}
    for alias in ALIASES:
        with suppress(mlflow.MlflowException):
            version = client.get_model_version_by_alias(MODEL_NAME, alias)
            found[alias] = dict(client.get_run(version.run_id).data.metrics)
    return found


def leftovers(shell: Shell) -> list[str]:
    """What a killed command left that is no result: open runs, held slots, locks, half files."""
    found = []
    with shell.warehouse() as engine, engine.connect() as connection:
        for query in (
            "SELECT 'run ' || status FROM runs"
            " WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')",
            "SELECT 'slot of ' || concurrency_key FROM concurrency_slots"
            " WHERE run_id IS NOT NULL AND NOT deleted",
            "SELECT 'waits for ' || concurrency_key FROM pending_steps",
        ):
            found += connection.scalars(sa.text(query)).all()
    if (shell.home / "mlflow" / "mlflow.db").exists():
        client = mlflow_client(shell.home)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, "attributes.status = 'RUNNING'")
        found += [f"MLflow run {run.info.run_name}" for run in runs]
    found += [
        str(path.relative_to(shell.home))
        for folder in ("lake", "dvc/.git", "dvc/data", "dvc-remote", "mlflow")
        for path in (shell.home / folder).rglob("*")
        if re.search(r"(\.lock|\.tmp|\.part)$|^\.tmp", path.name)
    ]
    found += [f"process {' '.join(process.cmdline())}" for process in processes_of(shell.home)]
    return found
