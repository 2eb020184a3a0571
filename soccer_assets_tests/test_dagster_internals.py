"""What is used of Dagster that it does not publish is there, unpublished, and named in one place for
the graph and one for what stands in for the daemon."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from soccer_assets import dagster_daemons, dagster_internals

PLACES = [Path(module.__file__) for module in (dagster_internals, dagster_daemons)]


def private_names(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import of Dagster's that has a private part."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            found = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        else:
            continue
        for module, name in found:
            top, *parts = [*module.split("."), name]
            is_private = top == "dagster_shared" or any(part.startswith("_") for part in parts)
            if top.startswith("dagster") and is_private:
                yield module, name


def test_no_other_module_names_what_is_private() -> None:
    others = [file for file in PLACES[0].parent.rglob("*.py") if file not in PLACES]
    assert [(file.name, *names) for file in others for names in private_names(file)] == []


@pytest.mark.parametrize(("module", "name"), [n for p in PLACES for n in private_names(p)])
def test_it_exists_and_has_no_public_twin(module: str, name: str) -> None:
    """Fails after an upgrade of Dagster that took it away, or published it."""
    found = getattr(importlib.import_module(module), name, None)
    assert found is not None or importlib.util.find_spec(f"{module}.{name}")
    assert not hasattr(dg, name)
