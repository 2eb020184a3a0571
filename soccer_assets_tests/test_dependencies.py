"""What is imported is declared, and what is declared is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from soccer_assets.settings import project_folder

PROJECT = tomllib.loads((project_folder() / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PROVIDERS = metadata.packages_distributions()
#: Extras that the image has as well.
ENGINES = ("celery", "k8s")
#: Declared, but imported by none of ours: why.
NOT_IMPORTED = {
    "dagster-webserver": "dagster dev starts it",
    "dvc-s3": "DVC loads it for a remote on S3",
    "tabulate": "pandas makes Markdown with it",
    "httptools": "uvicorn parses HTTP with it",
    "uvloop": "uvicorn runs on it",
    "hydra-core": "DVC loads it; of a version that agrees with Dagster's ANTLR",
    "omegaconf": "DVC loads it; of a version that agrees with Dagster's ANTLR",
    "antlr4-python3-runtime": "Dagster loads it; of a version that agrees with DVC's hydra",
}


def imports(*folders: str) -> set[frozenset[str]]:
    """Each import of another's package, as the distributions that provide it."""
    ours = {"soccer_assets", "soccer_assets_tests", "benchmarks"} | sys.stdlib_module_names
    files = [file for folder in folders for file in (project_folder() / folder).rglob("*.py")]
    names = {name for file in files for name in _imports(file)} - ours
    return {frozenset(map(_normal, PROVIDERS.get(name, [name]))) for name in names}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requirements}


def optional() -> set[str]:
    """What the package imports if it is told to."""
    return set().union(*(declared(EXTRAS[extra]) for extra in ("browser", *ENGINES)))


def undeclared(imported: set[frozenset[str]], requirements: set[str]) -> list[list[str]]:
    return sorted(sorted(providers) for providers in imported if not providers & requirements)


def test_what_is_imported_is_declared() -> None:
    package = declared(PROJECT["dependencies"]) | optional()
    assert undeclared(imports("soccer_assets"), package) == []
    tools = package | declared(EXTRAS["dev"])
    assert undeclared(imports("soccer_assets_tests", "benchmarks"), tools) == []


def test_what_is_declared_is_imported_or_has_a_reason() -> None:
    imported = set().union(*imports("soccer_assets"))
    assert declared(PROJECT["dependencies"]) - imported == set(NOT_IMPORTED)
    assert optional() - imported == {"redis"}  # which kombu loads for redis://


@pytest.mark.parametrize(
    ("extra", "files"),
    [
        ("browser", {"sources/browser_session.py"}),
        (
            "celery",
            {
                *(f"engines/celery_{name}.py" for name in ("answer", "executor", "worker")),
                *(f"serving/reloading/{name}.py" for name in ("broadcast", "listening", "mailbox")),
            },
        ),
        ("k8s", {"engines/k8s_executor.py", "serving/reloading/deployments.py"}),
    ],
)
def test_only_who_is_told_to_needs_what_an_extra_brings(extra: str, files: set[str]) -> None:
    alone = declared(EXTRAS[extra]) - declared(PROJECT["dependencies"])
    package = project_folder() / "soccer_assets"
    users = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        for name in _imports(file)
        if alone & {_normal(provider) for provider in PROVIDERS.get(name, ())}
    }
    assert users == files


def test_what_is_declared_is_locked() -> None:
    locked = declared((project_folder() / "requirements.lock").read_text().splitlines())
    every = [PROJECT["dependencies"], *EXTRAS.values()]
    assert set().union(*map(declared, every)) <= locked


def test_the_image_has_what_runs_in_the_versions_of_the_lock() -> None:
    lock, runtime = (
        (project_folder() / name).read_text().splitlines()
        for name in ("requirements.lock", "requirements.runtime.lock")
    )
    assert set(runtime) <= set(lock)
    assert declared(PROJECT["dependencies"]) <= declared(runtime)
    assert set().union(*(declared(EXTRAS[extra]) for extra in ENGINES)) <= declared(runtime)
    tools = (declared(EXTRAS["dev"]) | declared(EXTRAS["browser"])) - declared(
        PROJECT["dependencies"]
    )
    # Werkzeug and cryptography are MLflow's as well, dagster-graphql is the webserver's; setuptools is
    # for whoever wants it.
    others = {"werkzeug", "cryptography", "dagster-graphql"}
    assert tools & declared(runtime) <= others | {"setuptools", "markdown-it-py"}
