"""Small files: the old content or the new, and one content among many that write it at once."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soccer_assets.files import create_once, naming, write_atomically
from soccer_assets.settings import Settings

#: Writes the file named first, and is killed where the second argument says.
KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from soccer_assets import files
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
path, where = Path(sys.argv[1]), sys.argv[2]
if where == "created": os.fdopen = die
if where == "written": os.fsync = die
if where == "renaming": Path.replace = die
if where == "renamed": files.sync_folder = die
files.create_once(path, "new", 0o600)
"""


def test_content_and_rights_are_replaced_together(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, "öld")
    assert path.read_bytes() == "öld".encode()
    write_atomically(path, b"\x00new", mode=0o600)
    assert path.read_bytes() == b"\x00new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "state"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("before", [None, ""])
@pytest.mark.parametrize("where", ["created", "written", "renaming", "renamed"])
def test_a_writer_that_is_killed_leaves_nothing_half_made(
    where: str, before: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "state"
    if before is not None:
        path.write_text(before)
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path), where], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = path.read_text() if path.exists() else None
    assert left == ("new" if where == "renamed" else before)
    assert create_once(path, "next") == path.read_text() == (left or "next")


def test_all_who_create_a_file_at_once_get_the_text_of_one(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for _ in range(20):
        path.write_text("")  # as a killed process may have left it
        with ThreadPoolExecutor(8) as pool:
            got = set(pool.map(lambda n: create_once(path, f"text {n}"), range(8)))
        assert got == {path.read_text()}


@pytest.mark.parametrize("left", [None, "", "by-hand\n"])
def test_the_reload_token_is_one_for_all_processes(left: str | None, tmp_path: Path) -> None:
    """Absent, left empty by a process that was killed, or written by a person."""
    path = tmp_path / "serving-token"
    if left is not None:
        path.write_text(left)
    tokens = {Settings(_env_file=None, soccer_home=tmp_path).reload_token for _ in range(3)}
    assert len(tokens) == 1
    assert path.read_text().strip() in tokens
    assert tokens == {"by-hand"} if left else len(tokens.pop()) >= 32
    assert left or path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_tells_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/state'"),
        naming(tmp_path / "state"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"content")


#: Begins a file and is killed in the middle, or waits there.
UNFINISHED = """
import os, sys
from pathlib import Path
from soccer_assets.files import aside
with aside(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_goes_with_the_next_write_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    dead, living = (
        subprocess.Popen(
            [sys.executable, "-c", UNFINISHED, tmp_path / name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("dead", "living")
    )
    for writer in (dead, living):
        assert writer.stdout is not None
        writer.stdout.readline()
    dead.kill()
    dead.communicate()
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    write_atomically(tmp_path / "state", "new")
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    living.communicate()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["living", "state"]
    assert (tmp_path / "living").read_bytes() == b"half"


def test_writers_and_those_who_clear_up_do_not_meet(tmp_path: Path) -> None:
    """A file that was created and is not locked yet looks abandoned."""

    def write(number: int) -> None:
        for _ in range(30):
            write_atomically(tmp_path / f"{number % 3}", f"{number}" * 100)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(12)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
    for path in tmp_path.iterdir():
        assert path.read_text() in {f"{number}" * 100 for number in range(12)}
