"""A workspace on another's machine: odd paths, a user's configuration of git and DVC, S3."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS, Settings
from soccer_assets.storage.store import LocalStore, S3Store
from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.dvc.conftest import Reproduced
from soccer_assets_tests.dvc.test_workspace import (
    all_sums,
    contents,
    git,
    pulled,
    ran,
    remote_files,
    sums,
)

pytestmark = pytest.mark.system

#: All that a shell, a URL, an INI file, YAML or a glob would read as something else.
ODD_NAME = """50% %20 #1, ?a=b; "it's" [x] $HOME ~ \\n & * (ü) !§ """

#: Names of folders, but for characters that no keyboard has.
NAMES = st.text(
    st.characters(exclude_characters="/{}", exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=40,
)

HOSTILE_GIT = """
[user]
    useConfigOnly = true
[commit]
    gpgSign = true
    template = /nowhere
[gpg]
    program = false
[core]
    hooksPath = {hooks}
    excludesFile = {everything}
    attributesFile = {attributes}
    autocrlf = true
    safecrlf = true
    fsmonitor = false
    worktree = /nowhere
[filter "broken"]
    clean = false
    required = true
[init]
    templateDir = {template}
    defaultBranch = theirs
[status]
    showUntrackedFiles = no
"""
HOSTILE_DVC = """
[core]
    remote = theirs
    autostage = true
    hardlink_lock = true
['remote "theirs"']
    url = /nowhere/remote
['remote "store"']
    jobs = 1
    endpointurl = http://127.0.0.1:1
[cache]
    dir = {folder}/their cache
    type = symlink
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user whose every setting is in the way; also in the environment."""
    home = tmp_path / "user"
    hooks, template = home / "hooks", home / "template"
    for folder in (hooks, template / "hooks", template / "info", home / ".config/dvc"):
        folder.mkdir(parents=True)
    for hook in (hooks / "pre-commit", hooks / "post-index-change", template / "hooks/pre-commit"):
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    (template / "info/exclude").write_text("*\n")
    everything, attributes = home / "everything", home / "attributes"
    everything.write_text("*\n")
    attributes.write_text("* filter=broken\n")
    configuration = HOSTILE_GIT.format(
        hooks=hooks, everything=everything, attributes=attributes, template=template
    )
    (home / ".gitconfig").write_text(configuration)
    (home / ".config/dvc/config").write_text(HOSTILE_DVC.format(folder=home))
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    variables = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_SYSTEM": home / ".gitconfig",
        # As in a hook of git's.
        "GIT_DIR": elsewhere / ".git",
        "GIT_WORK_TREE": elsewhere,
        "GIT_INDEX_FILE": elsewhere / "index",
        "GIT_OBJECT_DIRECTORY": elsewhere / "objects",
        "GIT_AUTHOR_NAME": "somebody",
        "GIT_EDITOR": "false",
        "DVC_GLOBAL_CONFIG_DIR": home / ".config/dvc",
        "DVC_SYSTEM_CONFIG_DIR": home / ".config/dvc",
        "DVC_SITE_CACHE_DIR": "/proc/nowhere",
        "DVC_ROOT": elsewhere,
        "DVC_STAGE": "theirs",
        "DVC_EXP_NAME": "theirs",
        "SHELL": "/bin/false",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return home


def test_neither_odd_paths_nor_the_users_configuration_reach_the_workspace(
    reproduced: Reproduced, tmp_path: Path, hostile: Path
) -> None:
    home, lake = tmp_path / ODD_NAME / "home", tmp_path / f"lake {ODD_NAME}"
    shutil.copytree(reproduced.lake, lake)
    given = Settings(soccer_home=home, lake_uri=f"file://{quote(str(lake))}")
    assert given.lake == str(lake)
    workspace = DvcWorkspace(
        given.home / "dvc", given.dvc_remote, DEFAULT_PARAMS, environment=given.environment()
    )
    for times in (1, 2):
        with workspace.alone():
            workspace.prepare(reproduced.manifest.to_bytes())
            lines = list(workspace.reproduce(["fixtures"]))
            workspace.push()
            workspace.save_point("first")
        assert ran(lines) == (["fixtures"] if times == 1 else [])
        if times == 1:
            _give_away(workspace.root)

    path = "data/fixtures"
    out = workspace.outs()[path]
    assert out == reproduced.workspace.outs()[path]
    assert remote_files(Path(given.dvc_remote)) == set(sums(workspace.root, path))
    assert not any(file.is_symlink() for file in workspace.path(path).iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([ODD_NAME, lake.name, hostile.name])
    assert sorted(p.name for p in hostile.iterdir() if "cache" in p.name) == []
    assert not list((hostile / "elsewhere").iterdir())
    # By hand, with no such user around.
    with pytest.MonkeyPatch.context() as tidy:
        for name in list(os.environ):
            if name.startswith(("GIT_", "DVC_")):
                tidy.delenv(name)
        tidy.setenv("HOME", str(tmp_path))
        tidy.delenv("XDG_CONFIG_HOME")
        tidy.setenv("LC_ALL", "C.UTF-8")
        tidy.setenv("PYTHONUTF8", "1")
        git(tmp_path, "config", "--global", "safe.directory", "*")
        assert git(workspace.root, "log", "--format=%an", "main") == "soccer_assets"
        kept = git(workspace.root, "show", "main:code.json")
        assert kept + "\n" == (workspace.root / "code.json").read_text()
        there = pulled(workspace, "main", tmp_path / "clone", path)
        assert there == contents(reproduced.workspace.root, path)


def _give_away(folder: Path) -> None:
    """As a mounted volume may be another user's. Only root can, and then may write to it still."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "12345:12345", folder], check=True)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None
)
@given(NAMES.filter(lambda name: "%(" not in name))
@example(ODD_NAME)
@example("a#b")
@example("'\"")
@example("'''\"\"\"")
@example(" /")
@example("ü")
def test_what_dvc_reads_is_the_remote_that_was_meant(tmp_path: Path, name: str) -> None:
    from dvc.config import Config

    meant = f"/{name}/remote"
    workspace = DvcWorkspace(Path("/workspace"), meant, DEFAULT_PARAMS)
    try:
        written = workspace._configuration()
    except DvcError as error:
        assert re.search("cannot say|braces", str(error))  # noqa: PT017
        return
    file = tmp_path / "config"
    file.write_text(written, encoding="utf-8")
    assert Config.load_file(file)["remote"]["store"]["url"] == meant


@pytest.mark.parametrize("name", ["%(home)s", "two\rlines"])
def test_a_remote_that_dvc_would_misread_is_refused_by_name(tmp_path: Path, name: str) -> None:
    workspace = DvcWorkspace(tmp_path / "workspace", str(tmp_path / name), DEFAULT_PARAMS)
    workspace.prepare()
    with pytest.raises(DvcError, match=r"exited 1:\nDVC reads .*, not .*: choose another path$"):
        list(workspace.reproduce(["fixtures"]))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(NAMES.filter(lambda name: "%(" not in name and name.strip(".")))
def test_what_is_pushed_lands_there_and_comes_back(
    reproduced: Reproduced, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("odd") / name
    shutil.copytree(reproduced.workspace.root, folder / "workspace")
    remote = folder / "remote"
    workspace = DvcWorkspace(folder / "workspace", str(remote), DEFAULT_PARAMS)
    with workspace.alone():
        workspace.prepare()
        workspace.push()
        workspace.save_point("there")
    assert remote_files(remote) == all_sums(workspace)
    assert [path.name for path in folder.parent.iterdir()] == [name]
    assert pulled(workspace, "main", folder.parent / "clone") == contents(workspace.root)


def test_lake_and_remote_below_an_odd_prefix_on_s3(
    reproduced: Reproduced,
    s3_service: S3Service,
    s3_store: S3Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = s3_store.uri.split("/")[2]
    given = Settings(
        soccer_home=tmp_path / "home",
        lake_uri=f"s3://{bucket}/50% #1, [x] ü/lake",
        s3_endpoint_url=s3_service.url,
        aws_region="eu-central-1",
    )
    lake = S3Store(s3_service.client, bucket, given.lake.removeprefix(f"s3://{bucket}/"))
    on_disk = LocalStore(reproduced.lake)
    for key in on_disk.list("tables/"):
        lake.put(key, on_disk.get(key))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    workspace = DvcWorkspace(
        tmp_path / "workspace",
        given.dvc_remote,
        DEFAULT_PARAMS,
        given.s3_endpoint_url,
        given.aws_region,
        given.environment(),
    )
    with workspace.alone():
        workspace.prepare(reproduced.manifest.to_bytes())
        list(workspace.reproduce(["fixtures"]))
        workspace.push()
        workspace.save_point("on S3")
    path = "data/fixtures"
    made = contents(reproduced.workspace.root, path)
    pushed = sorted(f"dvc/files/md5/{md5[:2]}/{md5[2:]}" for md5 in sums(workspace.root, path))
    assert lake.list("dvc/") == pushed
    assert {lake.get(key) for key in pushed} > set(made.values())
    assert pulled(workspace, "main", tmp_path / "clone", path) == made
    configuration = git(workspace.root, "show", "main:.dvc/config")
    assert "region = eu-central-1" in configuration
    assert "test" not in configuration


def test_relative_files_of_aws_are_the_same_for_dvc(
    workspace: DvcWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", "aws/config")
    assert workspace._environment()["AWS_CONFIG_FILE"] == str(tmp_path / "aws/config")
