"""One way to document a function, a constant and a field, all over the project."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import soccer_assets

ROOT = Path(soccer_assets.__file__).parent.parent
SOURCES = sorted(
    path
    for package in ("soccer_assets", "soccer_assets_tests", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
)
#: Of another dialect than Google's: fields of Sphinx, and its roles.
FOREIGN = re.compile(r":(param|type|raises?|returns?|rtype|ivar)\b[\w .]*:|:[a-z]+:`(?!`)")

Rule = Callable[[ast.Module], Iterator[str]]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def in_another_dialect(tree: ast.Module) -> Iterator[str]:
    """Names of what has such a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, Documented) and FOREIGN.search(ast.get_docstring(node) or ""):
            yield getattr(node, "name", "the module")


def constants_with_a_string_below(tree: ast.Module) -> Iterator[str]:
    for above, node in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(above, ast.Assign | ast.AnnAssign) and _is_text(node):
            yield ast.unparse(above).partition("\n")[0]


def classes_that_list_their_fields(tree: ast.Module) -> Iterator[str]:
    """Those whose fields stand below the docstring, where what there is to say of them belongs."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ClassDef)
            and "Attributes:" in (ast.get_docstring(node) or "")
            and any(isinstance(field, ast.AnnAssign) for field in node.body)
        ):
            yield node.name


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(in_another_dialect, id="docstrings are in Google's dialect"),
        pytest.param(constants_with_a_string_below, id="constants have a comment #: above"),
        pytest.param(classes_that_list_their_fields, id="fields have a text below"),
    ],
)
def test_what_there_is_to_say_stands_where_it_is_looked_for(rule: Rule) -> None:
    found = {path: [*rule(tree)] for path, tree in trees()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("rule", "source", "found"),
    [
        (in_another_dialect, 'def f():\n    """Do.\n\n    :param x: it.\n    """', ["f"]),
        (in_another_dialect, '"""See :class:`~a.B`."""', ["the module"]),
        (in_another_dialect, '"""At 12:30: see ``a:b``, ``:memory:`` and 1:n."""', []),
        (constants_with_a_string_below, 'A = 1\n"""One."""', ["A = 1"]),
        (constants_with_a_string_below, "#: One.\nA = 1", []),
        (
            classes_that_list_their_fields,
            'class A:\n    """A.\n\n    Attributes:\n        b: it.\n    """\n    b: int',
            ["A"],
        ),
        (classes_that_list_their_fields, 'class A:\n    """A."""\n    b: int\n    """It."""', []),
    ],
)
def test_a_rule_sees_what_it_is_for(rule: Rule, source: str, found: list[str]) -> None:
    assert [*rule(ast.parse(source))] == found
