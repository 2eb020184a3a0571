"""Text from outside, at each edge where it leaves: shown as it is, obeyed nowhere."""

import io
import re
from datetime import date
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from rich.table import Table
from rich.text import Text

import soccer_assets
from soccer_assets import text
from soccer_assets.feed.faults import FeedFault
from soccer_assets.sources.football_data.faults import FileFault, FootballDataFault

DAY = date(2025, 3, 1)
HOSTILE = [
    "Real [/] Madrid",
    "[women] U19",
    "[bold red]x[/bold red]",
    "a | b",
    "`code` ``more``",
    "[link](http://evil.example)",
    "![image](http://evil.example/x.png)",
    "<img src=x onerror=alert(1)> & <script>",
    "http://evil.example www.evil.example a@evil.example",
    "<!channel> <@U123> <http://evil.example|x> &amp;",
    "*bold* _italic_ ~~gone~~ **x**",
    "\x1b[2J\x1b]0;title\x07 \x9b31m",
    "a\u202eb\u2066c",
    "back\\slash \\| \\",
    "# heading",
    "1. one",
    "---",
    "\u0641\u200c\u0627 \U0001f468\u200d\U0001f469 Çankırı",
    "007",
    "1e5",
    "nan",
]
TEXTS = st.sampled_from(HOSTILE) | st.text() | st.lists(st.sampled_from(HOSTILE)).map(" ".join)
INVISIBLE = re.compile("[\u2060]")


def seen(printed: str) -> str:
    """Without what is not seen, and with whatever space there is as one."""
    return " ".join(INVISIBLE.sub("", printed).split())


@given(TEXTS)
def test_a_terminal_gets_nothing_to_obey(raw: str) -> None:
    safe = text.terminal(raw)
    for character in safe:
        assert character in "\t\n" or character.isprintable() or ord(character) > 0x9F
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", safe)
    safe.encode()
    assert len(safe) == len(raw)


@given(TEXTS)
def test_a_table_on_the_terminal_shows_the_name_whole(raw: str) -> None:
    file = io.StringIO()
    table = Table(title="t")
    table.add_column("name", no_wrap=True, overflow="ignore")
    table.add_row(Text(text.one_line(raw)))
    Console(file=file, width=10_000).print(table)
    printed = "\n".join(line.strip("│┃ ") for line in file.getvalue().split("\n")[4:-2])
    assert "\x1b" not in printed
    assert seen(printed) == seen(text.terminal(raw))


@given(TEXTS)
def test_slack_gets_no_mention_and_no_link_under_another_name(raw: str) -> None:
    sent = text.slack(raw)
    assert not set("<>") & set(sent)
    assert not re.search("&(?!amp;|lt;|gt;)", sent)
    read = sent.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert read == text.terminal(raw)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_table_in_markdown_shows_the_names_and_nothing_else(names: list[str]) -> None:
    frame = pd.DataFrame({"team": names, "p_home": [0.25] * len(names)})
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(text.markdown_table(frame))
    cells = [token for token in tokens if token.type == "inline"]
    allowed = {"table", "thead", "tbody", "tr", "th", "td", "inline"}
    assert {re.sub("_(open|close)$", "", token.type) for token in tokens} <= allowed
    for cell in cells:
        assert {child.type for child in cell.children or []} <= {"text", "text_special"}
    shown = ["".join(child.content for child in cell.children or []) for cell in cells]
    assert shown[:2] == ["team", "p_home"]
    assert [seen(cell) for cell in shown[2::2]] == [seen(text.terminal(name)) for name in names]
    assert set(shown[3::2]) == {"0.25"}


@given(TEXTS)
def test_nothing_in_markdown_becomes_a_link_by_itself(raw: str) -> None:
    """As GitHub's flavour would make of bare addresses, whose rules look at the bare text."""
    plain = re.sub(r"\\(.)", r"\1", text.markdown(raw))
    assert not re.search(r"https?:/|www\.\w|@\w", plain, re.IGNORECASE)


@given(TEXTS)
def test_what_a_fault_quotes_is_not_obeyed_by_who_logs_it(raw: str) -> None:
    found = FileFault("E0.csv", f"{raw} plays itself", line=2)
    for fault in (found, FeedFault(DAY, raw), FootballDataFault(DAY, found)):
        assert str(fault) == text.terminal(str(fault))
        assert text.terminal(raw) in str(fault)


def test_a_list_has_an_item_a_text() -> None:
    tokens = MarkdownIt().parse(text.markdown_list(["- a\n- b", "[/] <b>"]))
    assert [token.type for token in tokens].count("list_item_open") == 2


def test_every_table_goes_through_here() -> None:
    package = Path(soccer_assets.__file__).parent
    modules = [p for p in package.rglob("*.py") if ".to_markdown(" in p.read_text()]
    assert modules == [package / "text.py"]


def test_what_needs_no_escape_is_left_alone() -> None:
    assert text.markdown("Arsenal 2") == "Arsenal 2"
    assert text.slack("Arsenal 2 – 0 Wolves") == "Arsenal 2 – 0 Wolves"


def test_a_table_without_rows_is_its_header() -> None:
    """There may be no coming fixture to show."""
    frame = pd.DataFrame({"home": pd.Series(dtype=object), "p_home": pd.Series(dtype=float)})
    assert [line for line in text.markdown_table(frame).splitlines() if "home" in line]
