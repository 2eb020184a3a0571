"""The code version of a module changes with every module it can run, and with nothing else."""

import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from soccer_assets.dvc import code_version as module
from soccer_assets.dvc.code_version import code_version, import_closure
from soccer_assets.dvc.pipeline import read_stages

SOURCES = {
    "__init__": "",
    "stage": "import os\nimport pandas as pd\nfrom {pkg}.domain.rules import apply\n",
    "domain/__init__": "",
    "domain/rules": "import {pkg}.domain.tables\nfrom {pkg}.helpers import *\n",
    "domain/tables": "ROWS = 1\n",
    "domain/unused": "SPARE = 1\n",
    "helpers": "def late():\n    from {pkg}.lazy import thing\n    return thing\n",
    "lazy": "from {pkg}.stage import apply\nthing = 1\n",
    "unrelated": "from {pkg} import stage\n",
}

Edit = Callable[[str, str], None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of its own name, because Python remembers what it has imported."""
    name = f"toy_{uuid4().hex[:8]}"
    for file, source in SOURCES.items():
        path = tmp_path / name / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.format(pkg=name))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "PACKAGE", name)
    return name


@pytest.fixture
def edit(tmp_path: Path, package: str) -> Edit:
    def append(file: str, text: str) -> None:
        with (tmp_path / package / f"{file}.py").open("a") as stream:
            stream.write(text.format(pkg=package))

    return append


def test_the_closure_follows_every_way_of_importing(package: str) -> None:
    names = ["", ".stage", ".domain", ".domain.rules", ".domain.tables", ".helpers", ".lazy"]
    assert import_closure(f"{package}.stage") == {package + name for name in names}


@pytest.mark.parametrize(
    "file",
    ["stage", "domain/rules", "domain/tables", "helpers", "lazy", "__init__", "domain/__init__"],
)
def test_an_edit_of_a_module_it_imports_changes_the_version(
    package: str, edit: Edit, file: str
) -> None:
    before = code_version(f"{package}.stage")
    edit(file, "# edited\n")
    assert code_version(f"{package}.stage") != before


@pytest.mark.parametrize("file", ["unrelated", "domain/unused"])
def test_an_edit_of_another_module_does_not(package: str, edit: Edit, file: str) -> None:
    before = code_version(f"{package}.stage")
    edit(file, "# edited\n")
    assert code_version(f"{package}.stage") == before


def test_a_new_import_brings_its_module_in(package: str, edit: Edit) -> None:
    edit("domain/tables", "from {pkg}.domain.unused import SPARE\n")
    before = code_version(f"{package}.stage")
    edit("domain/unused", "# edited\n")
    assert code_version(f"{package}.stage") != before


def test_versions_are_stable_and_differ_between_modules(package: str) -> None:
    version = code_version(f"{package}.stage")
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert code_version(f"{package}.stage") == version
    assert code_version(f"{package}.unrelated") != version


def test_the_stages_of_the_pipeline_depend_on_what_they_run() -> None:
    closures = {
        stage.name: import_closure(f"soccer_assets.dvc.stages.{stage.name}")
        for stage in read_stages()
    }
    assert "soccer_assets.features.ratings" in closures["features"]
    assert "soccer_assets.features.windows" in closures["features"]
    for name in ("finished", "fixtures"):
        assert "soccer_assets.lake.tables" in closures[name]
        assert "soccer_assets.lake.export" not in closures[name]
        assert not {m for m in closures[name] if m.startswith("soccer_assets.features")}
    for found in closures.values():
        assert not {
            m for m in found if m.startswith(("soccer_assets.modelling", "soccer_assets.assets"))
        }


def test_a_relative_import_is_followed_too(package: str, edit: Edit) -> None:
    edit("domain/tables", "from .unused import SPARE\nfrom .. import unrelated\n")
    found = import_closure(f"{package}.stage")
    assert {f"{package}.domain.unused", f"{package}.unrelated"} <= found


def test_nothing_is_imported_to_find_a_version(package: str, edit: Edit) -> None:
    edit("domain/rules", "raise RuntimeError('imported')\n")
    assert code_version(f"{package}.stage")
    assert not [name for name in sys.modules if name.startswith(package)]
