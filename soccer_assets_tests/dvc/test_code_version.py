"""The code version of a module changes with every module it can run, and with nothing else."""

import ast
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from soccer_assets.dvc import code_version as module
from soccer_assets.dvc.code_version import code_version, import_closure
from soccer_assets.dvc.definition import PIPELINE_FILE, stage_code_version
from soccer_assets.dvc.pipeline import Pipeline

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
    edit(file, "EDITED = 1\n")
    assert code_version(f"{package}.stage") != before


@pytest.mark.parametrize("file", ["unrelated", "domain/unused"])
def test_an_edit_of_another_module_does_not(package: str, edit: Edit, file: str) -> None:
    before = code_version(f"{package}.stage")
    edit(file, "EDITED = 1\n")
    assert code_version(f"{package}.stage") == before


def test_a_new_import_brings_its_module_in(package: str, edit: Edit) -> None:
    edit("domain/tables", "from {pkg}.domain.unused import SPARE\n")
    before = code_version(f"{package}.stage")
    edit("domain/unused", "EDITED = 1\n")
    assert code_version(f"{package}.stage") != before


def test_versions_are_stable_and_differ_between_modules(package: str) -> None:
    version = code_version(f"{package}.stage")
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert code_version(f"{package}.stage") == version
    assert code_version(f"{package}.unrelated") != version


def test_comments_layout_and_docstrings_are_no_code(package: str, tmp_path: Path) -> None:
    file = tmp_path / package / "stage.py"

    def version(source: str) -> str:
        file.write_text(source)
        return code_version(f"{package}.stage")

    plain = version("def double(x):\n    return [2 * x, 'a']\n")
    same = '"""Said."""\n\n\ndef double(x):  # twice\n    """Said."""\n    return [\n        2*x, "a",\n    ]\n'
    assert version(same) == plain
    assert version("def double(x):\n    return [2 * x, 'b']\n") != plain
    field = version("class C:\n    x: int = 1\n")
    assert version('class C:\n    x: int = 1\n    """What it is."""\n') == field
    assert version("def double(y):\n    return [2 * y, 'a']\n") != plain
    assert version("def double(x, /):\n    return [2 * x, 'a']\n") != plain


def test_versions_are_the_same_in_every_version_of_python(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "stage.py").write_text(
        "@cache\ndef f(a: int, *b, c=1.5, **d) -> str:\n    return f'{a!r:>{c}} {b}'\n"
        "class C(dict):\n    x: int = -1\n    def g(self): pass\n"
    )
    tree = module._content(ast.parse((tmp_path / package / "stage.py").read_text()))
    assert sha256(repr(tree).encode()).hexdigest()[:16] == "78e6f9312fba2800"


LAKE = {
    "bounds",
    *("feed", "feed.fields", "feed.limits", "feed.states"),
    *("lake", "lake.manifest", "lake.relations", "lake.tables"),
    *("storage", "storage.opening", "storage.store"),
    *("warehouse", "warehouse.rows", "warehouse.schema"),
}
STAGES = {"dvc", "dvc.outs", "dvc.stages", "dvc.stages.io", "dvc.stages.months", "files"}


@pytest.mark.parametrize(
    ("stage", "needs"),
    [
        ("finished", STAGES | LAKE | {"dvc.stages.details", "dvc.stages.matches"}),
        ("fixtures", STAGES | LAKE | {"dvc.stages.matches"}),
        (
            "features",
            STAGES
            | {
                *("arrays", "bounds", "features"),
                *(
                    f"features.{module}"
                    for module in (
                        *("blocks", "build", "compiled", "elo", "league", "log", "market", "odds"),
                        *("params", "pi", "rating", "state_space", "table", "walk"),
                    )
                ),
            },
        ),
        ("dataset", STAGES),
    ],
)
def test_a_stage_depends_on_what_it_runs_and_no_more(stage: str, needs: set[str]) -> None:
    own = {"soccer_assets", f"soccer_assets.dvc.stages.{stage}"}
    closure = import_closure(f"soccer_assets.dvc.stages.{stage}")
    assert closure == own | {f"soccer_assets.{name}" for name in needs}


def test_a_new_setting_or_parameter_reruns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, edited = module._source, []

    def with_an_edit(name: str) -> bytes:
        if name in ("soccer_assets.settings", "soccer_assets.params"):
            edited.append(name)
            return read(name) + b"\n\nNEW_SETTING = 1\n"
        return read(name)

    def versions() -> list[str]:
        return [stage_code_version(stage.name) for stage in Pipeline.read(PIPELINE_FILE).stages]

    before = versions()
    monkeypatch.setattr(module, "_source", with_an_edit)
    assert versions() == before
    assert code_version("soccer_assets.definitions")
    assert edited  # of what the edit concerns, it is seen


def test_every_stage_is_looked_at() -> None:
    assert {stage.name for stage in Pipeline.read(PIPELINE_FILE).stages} == {
        "finished",
        "fixtures",
        "features",
        "dataset",
    }


def test_a_relative_import_is_followed_too(package: str, edit: Edit) -> None:
    edit("domain/tables", "from .unused import SPARE\nfrom .. import unrelated\n")
    found = import_closure(f"{package}.stage")
    assert {f"{package}.domain.unused", f"{package}.unrelated"} <= found


def test_nothing_is_imported_to_find_a_version(package: str, edit: Edit) -> None:
    edit("domain/rules", "raise RuntimeError('imported')\n")
    assert code_version(f"{package}.stage")
    assert not [name for name in sys.modules if name.startswith(package)]
