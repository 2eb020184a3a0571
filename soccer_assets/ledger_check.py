"""What makes the ledger of predictions hard to rewrite: the hash of a row, the manifest of a day, and
the check of both.

The standard library is all it takes, and nothing else of the project is imported: an exported ledger
carries a copy of this file, and whoever was given one checks it with
``python verify.py`` (here: ``python -m soccer_assets.ledger_check FOLDER``). ``docs/ledger.md``
describes the recipe.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

#: Of a row, in the order in which its text has them.
FIELDS = (
    *("match_id", "model_version", "run_id", "data_revision", "made_at", "kickoff"),
    *("p_home", "p_draw", "p_away", "features_as_of"),
    *("elo_home", "elo_draw", "elo_away", "prior_home", "prior_draw", "prior_away"),
)
#: Of manifests: raise it when the recipe changes.
FORMAT = 1
#: Bad rows and days are named by their first.
_SHOWN = 12

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class LedgerBroken(Exception):
    """The ledger is not what it was; names the first day, and row, that shows it."""


def time_text(moment: datetime) -> str:
    """``2024-03-09T15:00:00.000000Z``: UTC, always with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def row_text(values: Sequence[Any]) -> str:
    """The canonical text of a row: JSON in ASCII without spaces, keys in the order of ``FIELDS``.

    Numbers are as Python writes them (of a float the shortest digits that give it back), what is not
    known is ``null``.

    Args:
        values: in the order of ``FIELDS``; times as ``time_text``.
    """
    return _encode(dict(zip(FIELDS, values, strict=True)))


def text_hash(text: str) -> str:
    """SHA-256 of the text's bytes, hexadecimal."""
    return sha256(text.encode()).hexdigest()


def manifest_of(day: date, previous: str | None, hashes: Iterable[str]) -> bytes:
    """The manifest of a day: equal rows make equal bytes, in whatever order they come.

    Args:
        previous: SHA-256 of the manifest of the day before; None for the first.
        hashes: of the rows made that day.
    """
    document = {
        "day": day.isoformat(),
        "format": FORMAT,
        "hashes": sorted(hashes),
        "previous": previous,
    }
    return (json.dumps(document, indent=0, sort_keys=True) + "\n").encode()


def check_row(day: date, text: str) -> None:
    """Whether a row says that it was made that day, and before the kick-off.

    Raises:
        LedgerBroken: it does not.
    """
    try:
        row = json.loads(text)
        made, kickoff = (datetime.fromisoformat(row[name]) for name in ("made_at", "kickoff"))
        canonical = row_text([row[name] for name in FIELDS])
        is_late = made >= kickoff  # TypeError where one of them has lost its zone
    except (ValueError, LookupError, TypeError):
        raise LedgerBroken(f"{day}: a row is not legible: {text[:80]!r}") from None
    if canonical != text:
        raise LedgerBroken(f"{day}: the row of match {row['match_id']} is not written as rows are")
    if made.date() != day:
        raise LedgerBroken(f"{day}: the row of match {row['match_id']} was made on {made.date()}")
    if is_late:
        raise LedgerBroken(
            f"{day}: the row of match {row['match_id']} was made at {row['made_at']}, not before"
            f" its kick-off at {row['kickoff']}"
        )


def check_day(day: date, previous: str | None, manifest: bytes, texts: Iterable[str]) -> str:
    """Whether the manifest of a day is that of these rows after that day before.

    Returns:
        SHA-256 of the manifest, which the next day's has to name.

    Raises:
        LedgerBroken: it is not.
    """
    rows = {}
    found: Counter[str] = Counter()
    for text in texts:
        check_row(day, text)
        key = text_hash(text)
        rows[key] = text
        found[key] += 1
    if manifest != manifest_of(day, previous, found.elements()):
        raise LedgerBroken(f"{day}: {_difference(day, previous, manifest, found, rows)}")
    return sha256(manifest).hexdigest()


def _difference(
    day: date,
    previous: str | None,
    manifest: bytes,
    found: Counter[str],
    rows: Mapping[str, str],
) -> str:
    try:
        document = json.loads(manifest)
        promised = Counter[str](document["hashes"])
        said, before = document["day"], document["previous"]
    except (ValueError, LookupError, TypeError):
        return "its manifest is not legible"
    if said != day.isoformat():
        return f"its manifest is of another day, {said}"
    if before != previous:
        return f"its manifest follows {_short(before)}, but the day before has {_short(previous)}"
    if added := sorted((found - promised).elements()):
        match = json.loads(rows[added[0]])["match_id"]
        return f"the row of match {match} is not what was recorded (hash {added[0][:_SHOWN]})"
    if absent := sorted((promised - found).elements()):
        return f"{len(absent)} rows are gone, the first has the hash {absent[0][:_SHOWN]}"
    return "its manifest is not written as manifests are"


def _short(digest: object) -> str:
    return str(digest)[:_SHOWN] if digest else "none"


def consecutive(days: Iterable[date]) -> list[date]:
    """The days in order.

    Raises:
        LedgerBroken: one between them is not there.
    """
    ordered = sorted(days)
    for before, day in pairwise(ordered):
        if day != before + timedelta(days=1):
            raise LedgerBroken(f"{before + timedelta(days=1)}: there is no manifest of that day")
    return ordered


class Holds(NamedTuple):
    """A ledger that is what it was."""

    days: int
    """Closed ones that were looked at: those that have a manifest."""
    rows: int
    """Of the days that were looked at; of open ones, too."""
    head: str | None
    """SHA-256 of the last manifest, which stands for all that was checked."""

    def __str__(self) -> str:
        return (
            f"{self.rows} predictions and {self.days} closed days hold; the last manifest is"
            f" {self.head or 'still to come'}"
        )


def check_folder(folder: Path) -> Holds:
    """An exported ledger: ``DAY.json``, the manifest, and ``DAY.jsonl``, the rows, one a line. Days at
    the end may be open, without a manifest.

    Raises:
        LedgerBroken: naming the first day that is not what it was.
    """
    manifests = {_day(path): path for path in folder.glob("*.json")}
    lines = {_day(path): path for path in folder.glob("*.jsonl")}
    if not manifests and not lines:
        raise LedgerBroken(f"there is no ledger in {folder}")
    days = consecutive(manifests)
    count = 0
    # An export that begins later than the ledger names what came before its first day.
    previous = _named_previous(manifests[days[0]]) if days else None
    for day in days:
        texts = _texts(day, lines.pop(day, None))
        count += len(texts)
        previous = check_day(day, previous, manifests[day].read_bytes(), texts)
    for day, path in sorted(lines.items()):
        if days and day < days[-1]:
            raise LedgerBroken(f"{day}: there are rows, but no manifest")
        texts = _texts(day, path)
        for text in texts:
            check_row(day, text)
        count += len(texts)
    return Holds(len(days), count, previous)


def _day(path: Path) -> date:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        raise LedgerBroken(f"{path.name} is of no day") from None


def _named_previous(path: Path) -> str | None:
    try:
        previous = json.loads(path.read_bytes())["previous"]
    except (ValueError, LookupError, TypeError):
        raise LedgerBroken(f"{path.stem}: its manifest is not legible") from None
    return previous if previous is None else str(previous)


def _texts(day: date, path: Path | None) -> list[str]:
    if path is None:
        return []
    body = path.read_bytes()
    if body and not body.endswith(b"\n"):
        raise LedgerBroken(f"{day}: its last row is cut off")
    try:
        return body.decode("ascii").split("\n")[:-1]
    except UnicodeDecodeError:
        raise LedgerBroken(f"{day}: its rows are not legible") from None


def main(arguments: Sequence[str]) -> int:
    """Check a folder, by default the one this file is in; returns the exit code."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    try:
        print(check_folder(folder))
    except LedgerBroken as broken:
        print(f"broken: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
