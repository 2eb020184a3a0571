"""A version of the code that a module runs: the hash of every project module it imports."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "soccer_assets"


def code_version(module: str) -> str:
    """A digest (16 hex digits) over the sources of ``module`` and all it imports of this project,
    directly or not. An edit anywhere in them changes it; nothing else does."""
    digest = sha256()
    for name in sorted(import_closure(module)):
        digest.update(name.encode())
        digest.update(_source(name))
    return digest.hexdigest()[:16]


def import_closure(module: str) -> set[str]:
    """Names of the project's modules that importing ``module`` can run, itself included."""
    found: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(_imports(name))
            queue.extend(_parents(name))
    return found


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


@lru_cache(maxsize=1024)
def _path(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _source(name: str) -> bytes:
    path = _path(name)
    return path.read_bytes() if path else b""


def _imports(name: str) -> Iterator[str]:
    """Project modules named by import statements anywhere in the source, lazy ones too."""
    for node in ast.walk(ast.parse(_source(name))):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # ``from package import name`` may name a module or something inside one.
            candidates = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for candidate in candidates:
            if candidate.split(".")[0] == PACKAGE and _path(candidate):
                yield candidate
