"""An out that is a folder with a parquet file for each month, of which only what changed is made again.

``_index.json`` says of each file what it is, and what it was made of. It is the last that is written, and
does not name what is about to change: whatever a killed run has left is made again.
"""

import json
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soccer_assets.dvc.stages.io import parquet_bytes
from soccer_assets.files import aside, write_atomically

INDEX = "_index.json"
CODE = Path("code.json")


@dataclass(frozen=True)
class MonthFile:
    """One month's file. ``made_of`` identifies what went into it, code and parameters included."""

    made_of: str
    sha256: str
    bytes: int
    rows: int


class MonthFolder:
    """The folder. Months are ``YYYY-MM``; an empty table is no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = _read_index(path / INDEX)
        indexed = (path / INDEX).stat().st_mtime_ns if self.files else 0
        self._trusted_until = indexed if indexed > _machine_started_ns() else 0

    def is_made_of(self, month: str, made_of: str) -> bool:
        """Whether there is nothing to do for a month."""
        known = self.files.get(month)
        return known is not None and known.made_of == made_of and self._is_whole(month, known)

    @property
    def rows(self) -> int:
        """Of all months."""
        return sum(file.rows for file in self.files.values())

    def months(self) -> list[str]:
        """Those that have rows, in order."""
        return sorted(month for month, file in self.files.items() if file.rows)

    def digest(self, month: str) -> str:
        """Identifies a month's content; empty of one without rows."""
        file = self.files.get(month)
        return file.sha256 if file and file.rows else ""

    def read(self, month: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Of a month that has rows."""
        return pq.read_table(self._file(month), columns=columns)

    def forget(self, months: Iterable[str]) -> None:
        """Before any of them is written."""
        for month in months:
            self.files.pop(month, None)
        self._write_index()

    def write(self, month: str, table: pa.Table, made_of: str) -> None:
        """Equal tables give equal bytes; a file that has them already is left alone."""
        body = parquet_bytes(table) if table.num_rows else b""
        digest = sha256(body).hexdigest()
        file = self._file(month)
        if not body:
            file.unlink(missing_ok=True)
        elif not (file.exists() and file.read_bytes() == body):
            self.path.mkdir(parents=True, exist_ok=True)
            with aside(file) as whole:
                whole.write(body)
        self.files[month] = MonthFile(made_of, digest, len(body), table.num_rows)

    def finish(self, months: Iterable[str]) -> None:
        """Keep these months only, and say what there is."""
        self.files = {month: self.files[month] for month in sorted(months)}
        kept = {self._file(month) for month, file in self.files.items() if file.rows}
        for stray in {*self.path.glob("*")} - kept - {self.path / INDEX}:
            # All that lies here is part of the out.
            if stray.is_dir() and not stray.is_symlink():
                shutil.rmtree(stray)
            else:
                stray.unlink()
        self._write_index()
        print(f"{self.path}: {self.rows:,} rows in {len(kept)} months", flush=True)

    def _is_whole(self, month: str, known: MonthFile) -> bool:
        """A file that was touched after the index was written is looked into; and any that was
        written before the machine started, for a power cut may have spoiled it."""
        if not known.rows:
            return True
        file = self._file(month)
        try:
            found = file.stat()
        except FileNotFoundError:
            return False
        if found.st_size != known.bytes:
            return False
        touched = found.st_mtime_ns > self._trusted_until
        return not touched or sha256(file.read_bytes()).hexdigest() == known.sha256

    def _file(self, month: str) -> Path:
        return self.path / f"{month}.parquet"

    def _write_index(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {month: asdict(file) for month, file in sorted(self.files.items())}, indent=1
        )
        write_atomically(self.path / INDEX, text + "\n")


def as_table(frame: pd.DataFrame) -> pa.Table:
    """The frame's columns, without its index."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def made_of(*parts: str) -> str:
    """One name for all that something is made of."""
    return sha256("\n".join(parts).encode()).hexdigest()


def code_of(stage: str) -> str:
    """Names the code of a stage, as the workspace tells DVC."""
    return str(json.loads(CODE.read_bytes())[stage])


def month_after(month: str, count: int) -> str:
    """So many months later."""
    return str(pd.Period(month, freq="M") + count)


def months_between(first: str, last: str) -> list[str]:
    """Every month from the first to the last, both included."""
    return [str(month) for month in pd.period_range(first, last, freq="M")]


def _machine_started_ns() -> int:
    """Or later, by as long as it was asleep."""
    return time.time_ns() - time.monotonic_ns()


def _read_index(file: Path) -> dict[str, MonthFile]:
    try:
        index = json.loads(file.read_bytes())
        return {month: MonthFile(**known) for month, known in index.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or not whole
        return {}
