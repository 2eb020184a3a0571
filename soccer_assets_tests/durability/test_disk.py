"""A disk that is full, or cannot be written to: the run fails and names the path, readers see what
was there before, and when there is room again the next run goes on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from soccer_assets.storage.store import ObjectNotFound
from soccer_assets_tests.durability.kills import (
    FEATURES,
    FILL,
    SERVE,
    Command,
    Step,
    copied,
    leftovers,
    state_of,
    undisturbed,
)
from soccer_assets_tests.durability.scenario import published
from soccer_assets_tests.end_to_end.shell import Shell

pytestmark = pytest.mark.slow

ROOMY = "512m"


@dataclass(frozen=True)
class Disk:
    """A small disk of its own, mounted on a folder."""

    folder: Path

    def set(self, option: str) -> None:
        """Mount it anew with an option (``size=1m``, ``ro``, ``rw``)."""
        subprocess.run(["mount", "-o", f"remount,{option}", self.folder], check=True)

    def leave_free(self, kilobytes: int) -> None:
        """Fill it up to so much."""
        usage = subprocess.run(
            ["df", "--output=used", "-k", self.folder], check=True, capture_output=True, text=True
        )
        self.set(f"size={int(usage.stdout.split()[-1]) + kilobytes}k")


@contextmanager
def disk_on(folder: Path) -> Iterator[Disk]:
    """The folder's content is moved onto the disk; the test is skipped where none can be made."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOMY},mode=755", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no disk of our own can be mounted: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", folder], check=True)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def shown(lake: Path) -> dict[str, bytes] | None:
    """What readers of the lake see; every file that is published must be whole."""
    try:
        return published(lake)
    except ObjectNotFound:
        return None


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Command, Step]]:
    with undisturbed(tmp_path_factory.mktemp("params")) as made:
        yield made


@pytest.fixture
def home(home_folder: Path) -> Path:
    return home_folder / "home"


def ends_well(shell: Shell, command: Command, steps: dict[Command, Step]) -> None:
    shell.run(*command)
    assert state_of(shell).differences(steps[command].after) == []
    assert leftovers(shell) == []


@pytest.mark.parametrize("kilobytes", [4, 64, 400])
def test_a_lake_without_room_is_told_and_gone_on_with(
    steps: dict[Command, Step], home: Path, kilobytes: int
) -> None:
    with copied(steps[FILL].before, home) as shell, disk_on(home / "lake") as disk:
        disk.leave_free(kilobytes)
        before = shown(disk.folder)
        told = shell.fails(*FILL)
        assert str(disk.folder) in told
        assert "No space left on device" in told
        assert shown(disk.folder) == before
        disk.set(f"size={ROOMY}")
        ends_well(shell, FILL, steps)


def test_a_lake_that_cannot_be_written_to_is_told_and_gone_on_with(
    steps: dict[Command, Step], home: Path
) -> None:
    with copied(steps[FILL].before, home) as shell, disk_on(home / "lake") as disk:
        shell.run("soccer", "backfill", "--since", "2026-09-01", "--until", "2026-09-10")
        before = shown(disk.folder)
        disk.set("ro")
        told = shell.fails(*FILL)
        assert str(disk.folder) in told
        assert "Read-only file system" in told
        assert shown(disk.folder) == before
        disk.set("rw")
        ends_well(shell, FILL, steps)


@pytest.mark.parametrize(
    ("command", "kilobytes"),
    [
        *((FILL, size) for size in (64, 1024, 4096)),
        *((FEATURES, size) for size in (64, 1024)),  # more is enough
        *((SERVE, size) for size in (64, 1024)),
    ],
)
def test_a_home_without_room_is_told_and_gone_on_with(
    steps: dict[Command, Step], home: Path, command: Command, kilobytes: int
) -> None:
    with copied(steps[command].before, home) as shell, disk_on(home) as disk:
        disk.leave_free(kilobytes)
        before = shown(home / "lake")
        told = shell.fails(*command)
        assert "No space left on device" in told
        assert shown(home / "lake") == before
        disk.set(f"size={ROOMY}")
        ends_well(shell, command, steps)
