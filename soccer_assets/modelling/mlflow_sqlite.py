"""MLflow's own SQLite database: made whole or not at all, and true to where it lies.

MLflow writes the absolute place of every artifact into its database. Here they lie beside it, so
that a home that was moved or copied is told by the place that the database holds.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from soccer_assets.files import alone_in, sync_folder

_SCHEME = "sqlite:///"
#: Table -> columns that hold the places of artifacts.
_PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


def sqlite_path(tracking_uri: str) -> Path | None:
    """The file of an SQLite store; None when MLflow is something else."""
    if not tracking_uri.startswith(_SCHEME):
        return None
    return Path(tracking_uri.removeprefix(_SCHEME).partition("?")[0]).absolute()


def artifact_root(tracking_uri: str) -> str | None:
    """Where the artifacts of an SQLite store lie; None for MLflow's own choice elsewhere."""
    database = sqlite_path(tracking_uri)
    return _artifacts(database).as_uri() if database else None


def prepare_sqlite(database: Path, experiment: str) -> None:
    """Have the store exist whole, with the experiment, and its artifacts where it thinks."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(database.parent):
        if not _is_made(database):
            _make(database, experiment)
        _follow(database, experiment)


def _is_made(database: Path) -> bool:
    """MLflow makes its tables in many steps and the first experiment in the last. A database
    without one holds nothing: its maker was killed."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        try:
            return connection.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise


def _make(database: Path, experiment: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = database.with_name(f".{database.name}.tmp")
    _remove(aside)
    root = _artifacts(database).as_uri()
    store = SqlAlchemyStore(f"{_SCHEME}{aside}", root)
    store.create_experiment(experiment, root)
    store.engine.dispose()
    # A journal left by whoever was killed would be played back into the new database.
    _remove(database)
    aside.replace(database)
    sync_folder(database.parent)


def _remove(database: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _follow(database: Path, experiment: str) -> None:
    """Rewrite the places of artifacts if the folder was moved since they were written."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        row = connection.execute(query, [experiment]).fetchone()
        if row is None or not _was_here(row[0], _artifacts(database)):
            return
        old, new = row[0], _artifacts(database).as_uri()
        with connection:  # one transaction
            for table, columns in _PLACES.items():
                for column in columns:
                    connection.execute(
                        f"UPDATE {table} SET {column} = :new || substr({column}, :length)"
                        f" WHERE {column} = :old OR substr({column}, 1, :length) = :old || '/'",
                        {"new": new, "old": old, "length": len(old) + 1},
                    )


def _was_here(place: str, here: Path) -> bool:
    """Whether artifacts at ``place`` are those that lie in the folder ``here`` by now."""
    parts = urlsplit(place)
    if parts.scheme not in ("file", "") or place == here.as_uri():
        return False
    there = Path(url2pathname(parts.path) if parts.scheme else place)
    return there.name == here.name and (here.exists() or not there.exists())


def _artifacts(database: Path) -> Path:
    return database.parent / "artifacts"
