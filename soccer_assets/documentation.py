"""Tables of the documentation, made from the code: ``python -m soccer_assets.documentation``.

Writes the table of assets into ``README.md``; with ``--check`` it only says whether the files are
current.
"""

import re
import sys
from pathlib import Path

import dagster as dg

from soccer_assets.automation.freshness import FRESHNESS
from soccer_assets.settings import project_folder

_MARKED = "<!-- {0}:begin -->\n{1}\n<!-- {0}:end -->"


def asset_table(definitions: dg.Definitions) -> str:
    """One row an asset: group, name, partitions, what it is, what makes it fresh, its checks."""
    graph = definitions.resolve_asset_graph()
    groups = list(FRESHNESS)  # in the order that data flows through them
    rows = [
        "| group | asset | partitions | what it is | made again when | checks (blocking in bold) |",
        "|---|---|---|---|---|---|",
    ]
    keys = sorted(
        graph.materializable_asset_keys,
        key=lambda key: (
            groups.index(graph.get(key).group_name),
            graph.toposorted_asset_keys.index(key),
        ),
    )
    for key in keys:
        node = graph.get(key)
        partitions = node.partitions_def
        kind = type(partitions).__name__.removesuffix("PartitionsDefinition").lower()
        condition = node.automation_condition
        checks = sorted(
            f"**{check.name}**" if graph.get(check).blocking else check.name
            for check in graph.get_check_keys_for_assets({key})
        )
        cells = [
            node.group_name,
            f"`{key.to_user_string()}`",
            kind if partitions else "",
            " ".join((node.description or "").split()),
            (condition.get_label() or "") if condition else "",
            ", ".join(checks),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def pages(root: Path) -> dict[Path, str]:
    """Every file that holds generated parts, with the text it should have."""
    from soccer_assets.definitions import defs

    readme = root / "README.md"
    return {
        readme: _replace(readme.read_text(), "assets", asset_table(defs)),
    }


def _replace(text: str, name: str, content: str) -> str:
    pattern = _MARKED.format(name, "(.*?)").replace("\n(.*?)\n", "\n(?:.*?)\n?")
    replaced, count = re.subn(
        pattern, lambda _: _MARKED.format(name, content), text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"the marks of {name!r} must be there once, found {count}")
    return replaced


def main(arguments: list[str]) -> int:
    stale = [
        (path, text) for path, text in pages(project_folder()).items() if path.read_text() != text
    ]
    for path, text in stale:
        print(
            f"{path.name} is {'out of date: run make docs' if '--check' in arguments else 'written'}"
        )
        if "--check" not in arguments:
            path.write_text(text)
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
