"""Text from outside (names of teams, words of a fault) where it leaves: what it says is shown, and
nothing in it is obeyed. One function an edge."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if (
    TYPE_CHECKING
):  # half of what it takes to import what a command needs to say that nothing answers
    import pandas as pd

#: What a terminal or a page may obey: controls, separators of lines, and marks that turn the
#: direction of what follows. Tab and newline are not among them, nor are the joiners that several
#: scripts need.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_REPLACEMENT = "\ufffd"
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKDOWN = re.compile(r"[!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{}~-]")
#: What GitHub's Markdown makes a link of without any mark: escaped or not, so it is broken up.
_LINK = re.compile(r"(https?:|www|@)(?=[/.\w])", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def terminal(text: str) -> str:
    """For a terminal or a log: no escape sequence, nothing that moves the cursor or hides text.

    Rich's own marks are another matter: print with ``markup=False``, or wrap in ``rich.text.Text``.
    """
    return _CONTROLS.sub(_REPLACEMENT, text)


def one_line(text: str) -> str:
    """The same as one line: a cell of a table, an item of a list."""
    return " ".join(terminal(text).split())


def shortened(text: str, longest: int) -> str:
    """At most so many characters; an ellipsis says that something is left out."""
    return text if len(text) <= longest else f"{text[: max(longest - 1, 0)].rstrip()}…"


def slack(text: str) -> str:
    """For Slack: no mention, no channel, no link under another name."""
    return terminal(text).translate(_SLACK)


def markdown(text: str) -> str:
    """For Markdown, inside a line or a cell of a table: no link, image, code, emphasis or HTML."""
    unlinked = _LINK.sub(rf"\1{_WORD_JOINER}", one_line(text))
    return _MARKDOWN.sub(r"\\\g<0>", unlinked).replace("|", "&#124;")


def markdown_list(texts: Iterable[str]) -> str:
    """One item a text."""
    return "\n".join(f"- {markdown(text)}" for text in texts)


def markdown_table(frame: "pd.DataFrame", *, index: bool = False) -> str:
    """The rows as a table, without the index unless asked for."""
    import pandas as pd

    shown = frame.reset_index() if index else frame
    shown = shown.rename(columns=lambda name: markdown(str(name)))
    cells = shown.map(lambda value: markdown(value) if isinstance(value, str) else value)
    # Names that look like numbers are names all the same.
    texts = [n for n, dtype in enumerate(shown.dtypes) if not pd.api.types.is_numeric_dtype(dtype)]
    # tabulate takes no list where there are no rows.
    return cells.to_markdown(index=False, disable_numparse=texts if len(cells) else False)
