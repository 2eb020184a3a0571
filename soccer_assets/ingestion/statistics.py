"""Shots and corners in a row of the site."""

import re
from collections.abc import Callable, Mapping

from soccer_assets.feed.fields import STATISTICS
from soccer_assets.text import one_line

#: What no true count is beyond.
_MAX_COUNT = 99
_COUNT = re.compile(r"\s*(\d{1,4})(?:\.0*)?\s*", re.ASCII)


def match_statistics(
    cells: Mapping[str, str], tell: Callable[[str], None] = lambda _: None
) -> dict[str, int]:
    """What a row says, by the names of ``match_statistics``.

    Args:
        cells: column -> text.
        tell: told what is left out: a cell that is no count, and of a team that has more shots on
            target than shots, both.
    """
    found: dict[str, int] = {}
    for name, column in STATISTICS.items():
        text = cells.get(column, "")
        match = _COUNT.fullmatch(text)
        if match and int(match[1]) <= _MAX_COUNT:
            found[name] = int(match[1])
        elif text.strip():
            tell(one_line(f"{column} {text!r:.40} is not a count (0 to {_MAX_COUNT})"))
    for side in ("home", "away"):
        shots, on_target = f"{side}_shots", f"{side}_shots_on_target"
        if shots in found and on_target in found and found[on_target] > found[shots]:
            tell(
                f"{STATISTICS[on_target]} {found.pop(on_target)} is more than "
                f"{STATISTICS[shots]} {found.pop(shots)}"
            )
    return found
