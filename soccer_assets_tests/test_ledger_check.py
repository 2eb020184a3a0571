"""The check of an exported ledger, with nothing but the standard library."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets import ledger_check
from soccer_assets.ledger_check import (
    FIELDS,
    LedgerBroken,
    check_folder,
    main,
    manifest_of,
    row_text,
    text_hash,
)

FIRST = date(2024, 3, 9)


def a_row(match_id: int, day: date = FIRST, **changes: Any) -> str:
    known: dict[str, Any] = {
        "match_id": match_id,
        "model_version": 3,
        "run_id": "run-3",
        "data_revision": "f00d",
        "made_at": f"{day}T09:30:00.000000Z",
        "kickoff": f"{day + timedelta(days=1)}T15:00:00.000000Z",
        "p_home": 0.5,
        "p_draw": 0.3,
        "p_away": 0.2,
        "features_as_of": f"{day}T00:00:00.000000Z",
        **dict.fromkeys(FIELDS[10:], None),
    }
    return row_text([{**known, **changes}[name] for name in FIELDS])


def write(folder: Path, days: dict[date, list[str]], previous: str | None = None) -> str | None:
    """An exported ledger; returns the hash of its last manifest."""
    folder.mkdir(exist_ok=True)
    for day, texts in days.items():
        manifest = manifest_of(day, previous, map(text_hash, texts))
        (folder / f"{day}.json").write_bytes(manifest)
        (folder / f"{day}.jsonl").write_text("".join(f"{text}\n" for text in texts))
        previous = sha256(manifest).hexdigest()
    return previous


def three_days() -> dict[date, list[str]]:
    days = [FIRST + timedelta(days=n) for n in range(3)]
    return {days[0]: [a_row(1), a_row(2)], days[1]: [], days[2]: [a_row(1, days[2])]}


def test_the_recipe_is_the_documented_one() -> None:
    text = a_row(1, elo_home=1e-05, elo_draw=0.1, elo_away=1 / 3)
    assert text == (
        '{"match_id":1,"model_version":3,"run_id":"run-3","data_revision":"f00d",'
        '"made_at":"2024-03-09T09:30:00.000000Z","kickoff":"2024-03-10T15:00:00.000000Z",'
        '"p_home":0.5,"p_draw":0.3,"p_away":0.2,"features_as_of":"2024-03-09T00:00:00.000000Z",'
        '"elo_home":1e-05,"elo_draw":0.1,"elo_away":0.3333333333333333,'
        '"prior_home":null,"prior_draw":null,"prior_away":null}'
    )
    assert text_hash(text) == sha256(text.encode("ascii")).hexdigest()
    assert manifest_of(FIRST, None, ["b" * 64, "a" * 64]) == (
        b'{\n"day": "2024-03-09",\n"format": 1,\n"hashes": [\n"'
        + b"a" * 64
        + b'",\n"'
        + b"b" * 64
        + b'"\n],\n"previous": null\n}\n'
    )


def test_a_ledger_that_is_what_it_was_holds(tmp_path: Path) -> None:
    head = write(tmp_path / "ledger", three_days())
    holds = check_folder(tmp_path / "ledger")
    assert (holds.days, holds.rows, holds.head) == (3, 3, head)


def test_an_export_may_begin_later_and_end_with_an_open_day(tmp_path: Path) -> None:
    days = three_days()
    write(tmp_path, days)
    for end in ("json", "jsonl"):
        (tmp_path / f"{FIRST}.{end}").unlink()
    still_open = FIRST + timedelta(days=4)
    (tmp_path / f"{still_open}.jsonl").write_text(a_row(5, still_open) + "\n")
    holds = check_folder(tmp_path)
    assert (holds.days, holds.rows) == (2, 2)


@settings(max_examples=200)
@given(data=st.data())
def test_any_byte_that_is_changed_is_found(data: st.DataObject, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    write(folder, three_days())
    file = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.stat().st_size)))
    body = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(body)
    with pytest.raises(LedgerBroken, match=r"^20\d\d-\d\d-\d\d: "):
        check_folder(folder)


@settings(max_examples=50)
@given(data=st.data())
def test_bytes_that_are_put_in_or_taken_out_are_found(
    data: st.DataObject, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    write(folder, three_days())
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    body = file.read_bytes()
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, len(body)))
    changed = body[:start] + data.draw(st.binary(max_size=4)) + body[stop:]
    if changed == body:
        return
    file.write_bytes(changed)
    with pytest.raises(LedgerBroken):
        check_folder(folder)


def rewritten(folder: Path) -> None:
    """The row of a match, with manifests of that day and no other made anew."""
    days = three_days()
    days[FIRST][0] = a_row(1, p_home=0.6, p_draw=0.2)
    write(folder, {FIRST: days[FIRST]})


def without_a_manifest(folder: Path) -> None:
    (folder / f"{FIRST + timedelta(days=1)}.json").unlink()


def without_its_rows(folder: Path) -> None:
    (folder / f"{FIRST}.jsonl").unlink()


def with_one_row_more(folder: Path) -> None:
    with (folder / f"{FIRST}.jsonl").open("a") as file:
        file.write(a_row(77) + "\n")


def swapped(folder: Path) -> None:
    first, third = (folder / f"{FIRST + timedelta(days=n)}.json" for n in (0, 2))
    body = first.read_bytes()
    first.write_bytes(third.read_bytes())
    third.write_bytes(body)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (rewritten, "2024-03-10: its manifest follows"),
        (without_a_manifest, "2024-03-10: there is no manifest of that day"),
        (without_its_rows, "2024-03-09: 2 rows are gone"),
        (with_one_row_more, "2024-03-09: the row of match 77 is not what was recorded"),
        (swapped, "2024-03-09: its manifest is of another day, 2024-03-11"),
    ],
)
def test_the_first_bad_day_is_named(
    tmp_path: Path, spoil: Callable[[Path], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, three_days())
    spoil(tmp_path)
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"broken: {told}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"made_at": "2024-03-10T15:00:00.000000Z", "kickoff": "2024-03-10T15:00:00.000000Z"},
            "was",
        ),
        ({"kickoff": "2024-03-09T09:30:00.000000Z"}, "not before its kick-off"),
    ],
)
def test_a_row_that_is_no_prediction_breaks_a_ledger_though_its_hashes_are_right(
    tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    write(tmp_path, {FIRST: [a_row(1, **changes)]})
    with pytest.raises(
        LedgerBroken, match=f"row of match 1 was made .*{told}|row of match 1 {told}"
    ):
        check_folder(tmp_path)


def test_where_there_is_no_ledger_nothing_holds(tmp_path: Path) -> None:
    with pytest.raises(LedgerBroken, match="there is no ledger"):
        check_folder(tmp_path)


def test_a_copy_of_the_file_alone_checks_the_folder_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, three_days())
    copy = tmp_path / "verify.py"
    copy.write_bytes(Path(ledger_check.__file__).read_bytes())
    # Isolated, and without site-packages: there is only the standard library.
    command = [sys.executable, "-I", "-S", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 predictions and 3 closed days hold")
    document = json.loads((tmp_path / f"{FIRST}.json").read_bytes())
    document["hashes"].pop()
    (tmp_path / f"{FIRST}.json").write_text(json.dumps(document))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("broken: 2024-03-09: ")
