"""What killed processes leave in a workspace stops nobody, and is not taken for data."""

import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import psutil
import pytest

from soccer_assets.dvc import cache, occupancy
from soccer_assets.dvc import workspace as module
from soccer_assets.dvc.cache import LISTING
from soccer_assets.dvc.command import WORKSPACE_VARIABLE, DvcError
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets_tests.dvc.conftest import Reproduced, head
from soccer_assets_tests.dvc.test_workspace import (
    OUTS,
    all_sums,
    contents,
    git,
    ran,
    remote_files,
)

pytestmark = pytest.mark.system

Damage = Callable[[Path], None]


def write(name: str, content: str | bytes) -> Damage:
    def damage(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def rwlock_of(pid: int) -> Damage:
    """As if process ``pid`` were making every out."""

    def damage(root: Path) -> None:
        held = {str(root / out): {"pid": pid, "cmd": "dvc repro"} for out in OUTS}
        write(".dvc/tmp/rwlock", json.dumps({"write": held, "read": {}}))(root)

    return damage


def cut(name: str) -> Damage:
    """The first half of a file, whatever its rights."""

    def damage(root: Path) -> None:
        path = root / name
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def spoil(name: str) -> Damage:
    """Another byte in the middle of a file, which is as long as it was."""

    def damage(root: Path) -> None:
        body = bytearray((root / name).read_bytes())
        body[len(body) // 2] ^= 1
        (root / name).write_bytes(body)

    return damage


def cut_cached(file: str, *, and_lose_it: bool = False) -> Damage:
    """The first half of a file of an out in the cache, with the rights that make DVC trust it."""

    def damage(root: Path) -> None:
        digest = md5((root / file).read_bytes()).hexdigest()
        cached = f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
        cut(cached)(root)
        (root / cached).chmod(0o444)
        if and_lose_it:
            (root / file).unlink()

    return damage


def empty(name: str) -> Damage:
    def damage(root: Path) -> None:
        if (root / name).is_dir():
            shutil.rmtree(root / name)
        (root / name).mkdir(parents=True)

    return damage


def remove(name: str) -> Damage:
    return lambda root: (root / name).unlink()


def lose_folder(name: str) -> Damage:
    return lambda root: shutil.rmtree(root / name)


def _two_unfinished(root: Path) -> None:
    write("data/features/.0a1b.tmp", "PAR1")(root)
    write("data/.features_meta.json.0a1b.tmp", "{")(root)


def damage_every_object(root: Path) -> None:
    for file in (root / ".git/objects").glob("??/*"):
        file.chmod(0o644)
        file.write_bytes(b"")


def _detach(root: Path) -> None:
    git(root, "checkout", "--quiet", "--detach")


def _file_for_git(root: Path) -> None:
    shutil.rmtree(root / ".git")
    write(".git", "")(root)


#: Damage -> how the warning names it; None: it is mended without a word.
LEFTOVERS: dict[str, tuple[Damage, str | None]] = {
    "index.lock": (write(".git/index.lock", ""), ".git/index.lock was left over"),
    "HEAD.lock": (write(".git/HEAD.lock", "ref"), ".git/HEAD.lock was left over"),
    "a branch's lock": (write(".git/refs/heads/main.lock", ""), "main.lock was left over"),
    "config.lock": (write(".git/config.lock", ""), ".git/config.lock was left over"),
    "packed-refs.lock": (write(".git/packed-refs.lock", ""), "packed-refs.lock was left over"),
    "an empty HEAD": (write(".git/HEAD", ""), None),
    "no HEAD": (remove(".git/HEAD"), None),
    "a detached HEAD": (_detach, None),
    "an empty index": (write(".git/index", ""), None),
    "a torn index": (cut(".git/index"), None),
    "an empty branch": (write(".git/refs/heads/main", ""), "the repository was damaged"),
    "a torn configuration of git": (write(".git/config", "[core\nx"), ".git/config was unreadable"),
    "an empty .git": (empty(".git"), ".git was empty"),
    "a file in place of .git": (_file_for_git, "begun anew"),
    "torn objects of git": (damage_every_object, "begun anew"),
    "a torn rwlock": (write(".dvc/tmp/rwlock", '{"write": {"/a'), "rwlock was left over"),
    "an empty rwlock": (write(".dvc/tmp/rwlock", ""), "rwlock was left over"),
    "a rwlock of a live stranger": (rwlock_of(1), "rwlock was left over"),
    "dvc's lock": (write(".dvc/tmp/lock", f" {os.getpid()}\n"), None),
    "the lock of a rwlock": (write(".dvc/tmp/rwlock.lock", "77\n"), None),
    "an empty dvc.lock": (write("dvc.lock", ""), "dvc.lock was unreadable, back from the save"),
    "a torn dvc.lock": (cut("dvc.lock"), "dvc.lock was unreadable, back from the save"),
    "garbage for a dvc.lock": (write("dvc.lock", b"\xff\x00{"), "dvc.lock was unreadable, back"),
    "half of a configuration of DVC": (cut(".dvc/config"), None),
    "an empty configuration of DVC": (write(".dvc/config", ""), None),
    "half of the parameters": (cut("params.yaml"), None),
    "half of the code's versions": (cut("code.json"), None),
    "half of the pipeline": (cut("dvc.yaml"), None),
    "half of the lake's manifest": (cut("lake.json"), None),
    "half an out": (cut("data/features_meta.json"), None),
    "an empty out": (empty("data/fixtures"), None),
    "a lost out": (lose_folder("data/dataset"), None),
    "half a month": (cut("data/features/2023-09.parquet"), None),
    "a lost month": (remove("data/dataset/2023-09.parquet"), None),
    "a spoiled month": (spoil("data/finished/2023-10.parquet"), None),
    "a spoiled state": (spoil("data/feature_states/2023-10.parquet"), None),
    "a month that nobody knows": (write("data/features/2031-01.parquet", "PAR1"), None),
    "half of an index": (cut("data/dataset/_index.json"), None),
    "a lost index": (remove("data/finished/_index.json"), None),
    "unfinished outs": (_two_unfinished, None),
    "an unfinished file": (write(".params.yaml.0a1b.tmp", "feat"), None),
    "a torn object of the cache": (
        cut_cached("data/features/2023-10.parquet"),
        "data/features/2023-10.parquet was torn in the cache",
    ),
    "a torn object and no file": (
        cut_cached("data/finished/2023-09.parquet", and_lose_it=True),
        "data/finished/2023-09.parquet was torn in the cache",
    ),
    "a .dvc that was never made whole": (empty(".dvc"), None),
    "a torn memory of hashes": (write(".dvc/tmp/site/repo/x/state/cache.db", "SQLite"), None),
}


def run_all(workspace: DvcWorkspace, reproduced: Reproduced) -> list[str]:
    """What a run does; returns what DVC printed."""
    with workspace.alone():
        workspace.prepare(reproduced.manifest.to_bytes())
        lines = list(workspace.reproduce([]))
        workspace.push()
        workspace.save_point("again")
    return lines


def assert_as_ever(workspace: DvcWorkspace, reproduced: Reproduced) -> None:
    """Everything is what an undisturbed run makes, and saved."""
    assert workspace.outs() == reproduced.workspace.outs()
    assert contents(workspace.root) == contents(reproduced.workspace.root)
    assert remote_files(workspace.root.with_name("remote")) == all_sums(reproduced.workspace)
    lock = (workspace.root / "dvc.lock").read_bytes()
    assert lock == (reproduced.workspace.root / "dvc.lock").read_bytes()
    saved = git(workspace.root, "show", "main:dvc.lock")
    assert saved.encode() == lock.strip()
    assert git(workspace.root, "branch", "--show-current") == "main"
    assert not [*workspace.root.glob(".*.tmp"), *workspace.root.rglob("data/**/.*")]


def test_all_that_killed_processes_leave_at_once_stops_nothing(
    workspace: DvcWorkspace, reproduced: Reproduced, caplog: pytest.LogCaptureFixture
) -> None:
    together = [
        *("index.lock", "HEAD.lock", "a branch's lock", "a torn index", "a detached HEAD"),
        *("a rwlock of a live stranger", "dvc's lock", "the lock of a rwlock"),
        *("a torn dvc.lock", "half of a configuration of DVC", "half of the parameters"),
        *("half an out", "an empty out", "unfinished outs", "an unfinished file"),
        *("half a month", "a lost month", "a spoiled month", "a spoiled state"),
        *("a month that nobody knows", "half of an index"),
        *("a torn object of the cache", "a torn memory of hashes"),
    ]
    for name in reversed(together):  # a file is cut before what refers to it
        LEFTOVERS[name][0](workspace.root)
    run_all(workspace, reproduced)
    assert_as_ever(workspace, reproduced)
    assert workspace.revision == reproduced.workspace.revision
    assert git(workspace.root, "rev-parse", "HEAD~1") == reproduced.commit
    for name in together:
        told = LEFTOVERS[name][1]
        assert told is None or told in caplog.text
    caplog.clear()
    assert ran(run_all(workspace, reproduced)) == []
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_a_killed_process_leaves_stops_nothing(
    workspace: DvcWorkspace,
    reproduced: Reproduced,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    damage, told = LEFTOVERS[name]
    damage(workspace.root)
    run_all(workspace, reproduced)
    assert_as_ever(workspace, reproduced)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert (told or "") in " ".join(warnings)
    assert bool(warnings) == bool(told)


def test_what_is_known_of_files_outlives_a_good_end_and_no_other(
    workspace: DvcWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = workspace.root / ".dvc/tmp/site"
    with workspace.alone():
        known.mkdir(parents=True, exist_ok=True)
    with workspace.alone():
        assert known.exists()
    with pytest.raises(KeyError), workspace.alone():
        raise KeyError  # as if it were killed
    with workspace.alone():
        assert not known.exists()
        known.mkdir(parents=True)
    monkeypatch.setattr(module, "boot", lambda: "another")
    with workspace.alone():
        assert not known.exists()


def test_the_cache_is_read_again_only_where_it_may_have_changed(
    workspace: DvcWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def md5_of(file: Path) -> str:
        if file.suffix != LISTING:  # which are read for what they list
            read.append(file)
        return md5(file.read_bytes()).hexdigest()

    files = {digest for digest in all_sums(workspace) if not digest.endswith(LISTING)}
    monkeypatch.setattr(cache, "_md5", md5_of)
    for _ in range(2):
        with workspace.alone():
            pass
    assert sorted(file.parent.name + file.name for file in read) == sorted(files)
    [touched] = {
        file for file in read if file.stat().st_size == max(f.stat().st_size for f in read)
    }
    touched.touch()
    with workspace.alone():
        pass
    assert read[len(files) :] == [touched]
    monkeypatch.setattr(cache, "boot", lambda: "another")
    with workspace.alone():
        pass
    assert len(read) == 2 * len(files) + 1


def test_a_lock_that_was_saved_unreadable_is_removed(workspace: DvcWorkspace) -> None:
    with workspace.alone():
        write("dvc.lock", "schema: '1.0'")(workspace.root)
        workspace.save_point("unreadable")
    with workspace.alone():
        assert workspace.outs() == {}


def test_a_repository_that_cannot_be_read_is_kept_beside_a_new_one(
    workspace: DvcWorkspace, reproduced: Reproduced
) -> None:
    damage_every_object(workspace.root)
    with workspace.alone():
        workspace.prepare()
        workspace.save_point("anew")
    assert git(workspace.root, "rev-list", "--count", "HEAD") == "1"
    assert (workspace.root / ".git.broken-1/objects").is_dir()
    assert workspace.outs() == reproduced.workspace.outs()


def test_a_branch_that_lost_its_end_goes_on_from_the_newest_whole_commit(
    workspace: DvcWorkspace, reproduced: Reproduced
) -> None:
    with workspace.alone():
        workspace.prepare()
        workspace.save_point("lost")
        lost = head(workspace)
        (workspace.root / f".git/objects/{lost[:2]}/{lost[2:]}").unlink()
    with workspace.alone():
        workspace.prepare()
        workspace.save_point("kept")
    assert git(workspace.root, "rev-parse", "main~1") == reproduced.commit


def test_a_folder_inside_another_repository_never_uses_that_one(tmp_path: Path) -> None:
    """As ``.soccer`` in a checkout: git looks for a repository in every folder above."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mine.txt").write_text("")
    root = tmp_path / "soccer" / "dvc"
    (root / ".git").mkdir(parents=True)
    params = tmp_path / "params.yaml"
    params.write_text("")
    workspace = DvcWorkspace(root, str(tmp_path / "remote"), params)
    with workspace.alone():
        workspace.prepare()
        workspace.save_point("first")
    assert git(root, "ls-files", "params.yaml") == "params.yaml"
    assert git(tmp_path, "status", "--porcelain", "mine.txt") == "?? mine.txt"
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path, "rev-parse", "--verify", "--quiet", "HEAD")


# Who else is there


def test_a_workspace_is_not_shared(
    workspace: DvcWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occupancy, "PATIENCE_SECONDS", 0.0)
    other = DvcWorkspace(workspace.root, "elsewhere", workspace.root / "params.yaml")
    with (
        workspace.alone(),
        pytest.raises(DvcError, match="another run is at work"),
        other.alone(),
    ):
        pass
    with other.alone():
        pass


def test_dvc_that_somebody_runs_by_hand_is_not_disturbed(
    workspace: DvcWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occupancy, "PATIENCE_SECONDS", 0.0)
    held = write(".dvc/tmp/rwlock", "{}")
    held(workspace.root)
    waits = "import sys; print(flush=True); sys.stdin.read()"
    by_hand = subprocess.Popen(
        [sys.executable, "-c", waits, "dvc"],
        cwd=workspace.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert by_hand.stdout is not None
    by_hand.stdout.readline()
    with pytest.raises(DvcError, match=rf"dvc \(PID {by_hand.pid}\), started by hand"):
        workspace.alone().__enter__()
    by_hand.communicate()
    with (workspace.root / ".dvc/tmp/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DvcError, match="another dvc is at work"):
            workspace.alone().__enter__()
    assert (workspace.root / ".dvc/tmp/rwlock").exists()
    with workspace.alone():
        pass


def test_a_stage_that_outlived_its_run_and_its_dvc_is_ended(
    workspace: DvcWorkspace, tmp_path: Path
) -> None:
    waits = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    mark = {WORKSPACE_VARIABLE: str(workspace.root)}
    others = {WORKSPACE_VARIABLE: str(tmp_path / "another")}
    stage, of_another = (
        subprocess.Popen(waits, env={**os.environ, **given}, stdout=subprocess.PIPE)
        for given in (mark, others)
    )
    for process in (stage, of_another):
        assert process.stdout is not None
        process.stdout.readline()
    with workspace.alone():
        assert not psutil.pid_exists(stage.pid)
        assert of_another.poll() is None
    of_another.kill()
    for process in (stage, of_another):
        process.communicate()
