"""A version of the code that a module runs: the hash of every project module it imports.

What is hashed is the syntax tree, without the texts that explain it: comments, layout and words change
nothing. It is written out here, and not by ``ast.dump``, whose text differs between versions of Python.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

PACKAGE = "soccer_assets"


def code_version(module: str) -> str:
    """A digest (16 hex digits) over the code of ``module`` and all it imports of this project,
    directly or not. An edit of the code anywhere in them changes it; nothing else does."""
    digest = sha256()
    for name in sorted(import_closure(module)):
        digest.update(name.encode())
        digest.update(_told(_source(name)))
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
    """The module's file; None for what is no module. Found without importing anything: only the
    top package goes through ``find_spec``, which would run the parents of any other name."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    module = Path(spec.origin).parent.parent.joinpath(*name.split("."))
    files = (module / "__init__.py", module.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _content(node: Any) -> Any:
    """A syntax tree as nested tuples: kinds of nodes, and what is in them."""
    if isinstance(node, list):
        return tuple(_content(one) for one in node if not _explains(one))
    if not isinstance(node, ast.AST):
        return node
    fields = {
        name: value
        for name, value in ast.iter_fields(node)
        # Newer versions of Python have more fields, empty where the code needs none of them.
        if value not in (None, []) and name not in ("ctx", "kind", "type_comment", "type_ignores")
    }
    if isinstance(node, ast.JoinedStr):  # Python 3.12 has empty texts between the others
        fields["values"] = [
            part for part in node.values if not (isinstance(part, ast.Constant) and not part.value)
        ]
    content = tuple((name, _content(value)) for name, value in sorted(fields.items()))
    return type(node).__name__, content


def _explains(node: Any) -> bool:
    """Whether this is a text that stands by itself, which does nothing."""
    text = node.value if isinstance(node, ast.Expr) else None
    return isinstance(text, ast.Constant) and isinstance(text.value, str)


def _source(name: str) -> bytes:
    path = _path(name)
    return path.read_bytes() if path else b""


# To parse takes a second or two over all modules, and a sensor asks every half minute. What is kept is
# kept by the source itself, read anew each time, so an edit is always seen.
@lru_cache(maxsize=2048)
def _told(source: bytes) -> bytes:
    return sha256(repr(_content(ast.parse(source))).encode()).digest()


def _imports(name: str) -> tuple[str, ...]:
    """Project modules named by import statements anywhere in the source, lazy ones too."""
    return _imports_of(name, _source(name))


@lru_cache(maxsize=2048)
def _imports_of(name: str, source: bytes) -> tuple[str, ...]:
    return tuple(_named(name, source))


def _named(name: str, source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), _package(name))
            # ``from package import name`` may name a module or something inside one.
            candidates = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for candidate in candidates:
            if candidate.split(".")[0] == PACKAGE and _path(candidate):
                yield candidate


def _package(name: str) -> str:
    """What relative imports of the module start from."""
    path = _path(name)
    is_package = path is not None and path.name == "__init__.py"
    return name if is_package else name.rpartition(".")[0]
