"""MLflow's own database: whole or made anew, and true to where it lies."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from soccer_assets.modelling.mlflow_sqlite import artifact_root, prepare_sqlite, sqlite_path
from soccer_assets_tests.modelling.mlflow_store import EXPERIMENT, Store

pytestmark = pytest.mark.system

#: MLflow's own way to its tables, in the place itself.
OPEN = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments()"
#: This project's way.
PREPARE = (
    "import sys; from pathlib import Path;"
    "from soccer_assets.modelling.mlflow_sqlite import prepare_sqlite;"
    f"prepare_sqlite(Path(sys.argv[1]), {EXPERIMENT!r})"
)


def tables(database: Path) -> int:
    if not database.exists():
        return 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
        return connection.execute(query).fetchone()[0]
    return 0


def kill_when(code: str, argument: str, reached: Callable[[], bool]) -> None:
    """Run code in a process that is killed as soon as something is so."""
    process = subprocess.Popen([sys.executable, "-c", code, argument], start_new_session=True)
    deadline = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, "it has ended first"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def experiments(store: Store) -> set[str]:
    import mlflow

    store.registry().champion()
    return {found.name for found in mlflow.MlflowClient(store.uri).search_experiments()}


def test_a_store_that_was_half_made_when_its_maker_was_killed_is_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    database = sqlite_path(store.uri)
    assert database is not None
    database.parent.mkdir()
    kill_when(OPEN, store.uri, lambda: tables(database) > 20)
    assert tables(database) < 60
    assert experiments(store) == {"Default", EXPERIMENT}
    assert [path.name for path in database.parent.iterdir()] == [database.name]
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("made", [1, 10, 25, 40, 60])
def test_whoever_is_killed_while_making_a_store_leaves_none(made: int, tmp_path: Path) -> None:
    store = Store(tmp_path)
    database = sqlite_path(store.uri)
    assert database is not None
    aside = database.with_name(f".{database.name}.tmp")
    kill_when(PREPARE, str(database), lambda: tables(aside) >= made)
    assert not database.exists()
    assert experiments(store) == {"Default", EXPERIMENT}
    assert [path.name for path in database.parent.iterdir()] == [database.name]
    store.close()


def test_a_store_is_made_once_and_kept(new_store: Callable[[Path], Store], tmp_path: Path) -> None:
    store = new_store(tmp_path / "home")
    database = sqlite_path(store.uri)
    assert database is not None
    prepare_sqlite(database, EXPERIMENT)
    before = database.stat()
    prepare_sqlite(database, EXPERIMENT)
    after = database.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_is_no_database_is_not_thrown_away(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"somebody's notes, " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        prepare_sqlite(database, EXPERIMENT)
    assert database.read_bytes().startswith(b"somebody's notes")


# Places


def insert_places(database: Path, root: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO runs (run_uuid, experiment_id, artifact_uri, lifecycle_stage, status)"
            " VALUES ('r', 1, ?, 'active', 'FINISHED')",
            [f"{root}/r/artifacts"],
        )
        connection.execute(
            "INSERT INTO registered_models (name, workspace) VALUES ('m', 'default')"
        )
        for version, place in enumerate([f"{root}/models/x", f"{root}-other/x", "s3://b/x"], 1):
            connection.execute(
                "INSERT INTO model_versions (name, version, source, storage_location, workspace)"
                " VALUES ('m', ?, 'models:/x', ?, 'default')",
                [version, place],
            )


def places(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [
            place
            for query in (
                "SELECT artifact_location FROM experiments WHERE experiment_id = 1",
                "SELECT artifact_uri FROM runs",
                "SELECT storage_location FROM model_versions ORDER BY version",
            )
            for (place,) in connection.execute(query)
        ]


@pytest.mark.parametrize("new_name", ["moved", "My Projects", "50% #1 'é'", "a"])
def test_places_follow_the_folder_and_nothing_else_does(
    new_name: str, new_store: Callable[[Path], Store], tmp_path: Path
) -> None:
    old, new = tmp_path / "a_b", tmp_path / new_name
    store = new_store(old)
    database = sqlite_path(store.uri)
    assert database is not None
    prepare_sqlite(database, EXPERIMENT)
    root = artifact_root(store.uri)
    assert root is not None
    insert_places(database, root)

    old.rename(new)
    there = new / "mlflow" / "mlflow.db"
    prepare_sqlite(there, EXPERIMENT)
    here = (new / "mlflow" / "artifacts").as_uri()
    assert places(there) == [
        here,
        f"{here}/r/artifacts",
        f"{here}/models/x",
        f"{root}-other/x",
        "s3://b/x",
    ]
    prepare_sqlite(there, EXPERIMENT)
    assert places(there)[0] == here


def test_a_copy_has_places_of_its_own(new_store: Callable[[Path], Store], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (new_store(tmp_path / name).root / "mlflow" / "artifacts").mkdir()
    shutil.copytree(tmp_path / "one", tmp_path / "two", dirs_exist_ok=True)
    for name in ("one", "two"):
        database = tmp_path / name / "mlflow" / "mlflow.db"
        prepare_sqlite(database, EXPERIMENT)
        assert places(database) == [(database.parent / "artifacts").as_uri()]


def test_artifacts_that_somebody_keeps_elsewhere_stay_there(
    new_store: Callable[[Path], Store], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "artifacts"
    elsewhere.mkdir(parents=True)
    for place in (elsewhere.as_uri(), "s3://bucket/artifacts", str(tmp_path / "mlruns" / "1")):
        database = new_store(tmp_path / str(len(place))).root / "mlflow" / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE name = ?", [place, EXPERIMENT]
            )
        prepare_sqlite(database, EXPERIMENT)
        assert places(database) == [place]
