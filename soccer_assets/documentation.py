"""Tables of the documentation, made from the code: ``python -m soccer_assets.documentation``.

Writes them between the marks of the pages; with ``--check`` it only says whether the pages are
current.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from soccer_assets.alerting.kinds import KINDS
from soccer_assets.automation.freshness import FRESHNESS
from soccer_assets.automation.updates import FOLLOWS
from soccer_assets.doctor.lines import LINES
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.registry import declared
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.states import match_state
from soccer_assets.lake.manifest import MonthFile
from soccer_assets.settings import project_folder
from soccer_assets.warehouse.schema import metadata

_MARKED = "<!-- {0}:begin -->\n{1}\n<!-- {0}:end -->"
#: What ``period`` and ``elapsed`` may tell of a match, with an example of each.
_SIGNS = {
    "nothing": (0, None),
    "running": (1, "12'"),
    "over": (7, "FT"),
    "postponed": (0, "Post"),
    "cancelled": (0, "Canc"),
    "abandoned": (2, "Abd"),
    "awarded": (7, "Awd"),
}


def asset_table(definitions: dg.Definitions) -> str:
    """One row an asset: group, name, partitions, what it is, what makes it fresh, its checks."""
    graph = definitions.resolve_asset_graph()
    # In the order that data flows through them.
    groups = list(dict.fromkeys(graph.get(dg.AssetKey(name)).group_name for name in FRESHNESS))
    keys = sorted(
        graph.materializable_asset_keys,
        key=lambda key: (
            groups.index(graph.get(key).group_name),
            graph.toposorted_asset_keys.index(key),
        ),
    )
    rows = []
    for key in keys:
        node = graph.get(key)
        partitions = type(node.partitions_def).__name__.removesuffix("PartitionsDefinition")
        condition = node.automation_condition
        checks = sorted(
            f"**{check.name}**" if graph.get(check).blocking else check.name
            for check in graph.get_check_keys_for_assets({key})
        )
        rows.append(
            [
                node.group_name,
                f"`{key.to_user_string()}`",
                partitions.lower() if node.partitions_def else "",
                " ".join((node.description or "").split()),
                (condition.get_label() or "") if condition else FOLLOWS,
                ", ".join(checks),
            ]
        )
    heads = ["group", "asset", "partitions", "what it is", "made again when"]
    return _table([*heads, "checks (blocking in bold)"], rows)


def warehouse_tables() -> str:
    """Every table of the warehouse with its columns; shadows, which repeat others, in a word."""
    parts = []
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        parts.append(f"### `{table.name}`\n\n{table.comment}\n")
        if not table.name.endswith("_shadow"):
            parts.append(_table(["column", "type", "", "what it is"], map(_column, table.columns)))
            parts.append("")
    return "\n".join(parts).rstrip()


def _column(column: sa.Column) -> list[str]:
    role = "key" if column.primary_key else "" if column.nullable else "not null"
    return [f"`{column.name}`", str(column.type).lower(), role, column.comment or ""]


def feature_table() -> str:
    """Every feature of the default parameters."""
    rows = [
        [
            f"`{feature.name}`",
            feature.group,
            f"{feature.low:g} to {feature.high:g}",
            feature.meaning,
            feature.null,
            feature.source,
        ]
        for feature in declared(FeatureParams())
    ]
    return _table(["feature", "group", "possible values", "what it is", "null", "made of"], rows)


def manifest_table() -> str:
    """What the lake's manifest says of a month of a table."""
    return _table(
        ["field", "type"], ([f"`{f.name}`", _type_name(f.type)] for f in fields(MonthFile))
    )


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation))


def state_table() -> str:
    """The state by the status code and by what ``period`` and ``elapsed`` tell."""
    rows = []
    for status in FeedStatus:
        cells = [
            match_state(status, period, elapsed, has_score=True).value
            for period, elapsed in _SIGNS.values()
        ]
        rows.append([f"{status.value} {status.name.lower()}", *cells])
    return _table(["status", *_SIGNS], rows)


def alert_table() -> str:
    """Every kind of alert."""
    rows = [
        [f"`{kind}`", about.severity, about.owner, about.means, about.ends, about.do]
        for kind, about in KINDS.items()
    ]
    return _table(
        ["kind", "severity", "owner", "what it means", "what ends it", "what to do"], rows
    )


def runbook() -> dict[str, str]:
    """Name of a mark -> what is told there: of every kind of alert and of every line of ``soccer
    doctor``, what it means and what to do."""
    of_kinds = {
        f"alert {kind}": "\n\n".join(
            [
                f"*{about.severity.capitalize()}, of the {about.owner}.* {about.means}",
                f"**Ends.** {about.ends}",
                f"**Do.** {about.do}",
            ]
        )
        for kind, about in KINDS.items()
    }
    of_lines = {
        f"line {name}": f"**Says.** {about.means}\n\n**Do.** {about.do}"
        for name, about in LINES.items()
    }
    return {**of_kinds, **of_lines}


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines
    )


def pages(root: Path) -> dict[Path, str]:
    """Every page that holds generated parts, with the text it should have.

    Raises:
        ValueError: a page lacks its marks.
    """
    from soccer_assets.definitions import defs

    parts = {
        root / "README.md": {"assets": asset_table(defs)},
        root / "docs" / "data-dictionary.md": {
            "warehouse": warehouse_tables(),
            "manifest": manifest_table(),
            "features": feature_table(),
        },
        root / "docs" / "match-states.md": {"states": state_table()},
        root / "docs" / "alerts.md": {"alerts": alert_table()},
        root / "docs" / "operations.md": runbook(),
    }
    texts = {}
    for path, generated in parts.items():
        text = path.read_text()
        for name, content in generated.items():
            text = _replace(text, name, content)
        texts[path] = text
    return texts


def _replace(text: str, name: str, content: str) -> str:
    pattern = _MARKED.format(name, "(.*?)").replace("\n(.*?)\n", "\n(?:.*?)\n?")
    replaced, count = re.subn(
        pattern, lambda _: _MARKED.format(name, content), text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"the marks of {name!r} must be there once, found {count}")
    return replaced


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; returns the exit code."""
    check = "--check" in arguments
    stale = [
        (path, text) for path, text in pages(project_folder()).items() if path.read_text() != text
    ]
    for path, text in stale:
        print(f"{path.name} is {'out of date: run make docs' if check else 'written'}")
        if not check:
            path.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
