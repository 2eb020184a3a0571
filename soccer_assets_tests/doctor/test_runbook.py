"""The runbook: what to do about every alert and every line, and nothing about what is not there."""

import re
from pathlib import Path
from typing import Any

import pytest

from soccer_assets.alerting.kinds import KINDS
from soccer_assets.cli.doctor import RUNBOOK
from soccer_assets.doctor.lines import LINES
from soccer_assets.doctor.rounds import names
from soccer_assets.documentation import pages
from soccer_assets.settings import project_folder

DOCS = project_folder() / "docs"
TEXT = (project_folder() / RUNBOOK).read_text()


def sections(chapter: str) -> dict[str, str]:
    """Heading -> what is below it, generated parts aside."""
    [found] = re.findall(rf"^## {re.escape(chapter)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.M)
    parts = re.split(r"^### `(.+)`\n", found, flags=re.M)[1:]
    by_hand = (re.sub(r"<!-- .*? -->", "", part, flags=re.DOTALL) for part in parts[1::2])
    return dict(zip(parts[::2], by_hand, strict=True))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_and_every_line_has_a_section_in_order_and_nothing_else_has() -> None:
    assert list(sections("Alerts")) == list(KINDS)
    assert list(sections("Lines of `soccer doctor`")) == list(LINES)


def test_every_section_says_what_it_means_and_what_to_do() -> None:
    said: dict[str, Any] = {**KINDS, **LINES}
    for place, about in said.items():
        heading = f"### `{place}`\n"
        below = TEXT[TEXT.index(heading) : TEXT.index(heading) + 4000]
        assert about.means in below, place
        assert f"**Do.** {about.do}" in below, place
    for kind in KINDS:
        assert sections("Alerts")[kind].strip(), kind


def test_a_kind_or_a_line_without_a_section_is_refused(tmp_path: Path) -> None:
    for path in pages(project_folder()):
        copy = tmp_path / path.relative_to(project_folder())
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    for heading in ("alert stale", "line pools"):
        text = TEXT.replace(f"<!-- {heading}:begin -->", "")
        (tmp_path / RUNBOOK).write_text(text)
        with pytest.raises(ValueError, match=heading):
            pages(tmp_path)


def test_every_finding_is_of_a_line() -> None:
    assert {name.partition(":")[0] for name in names()} == set(LINES)


def test_links_of_the_runbook_and_to_it_lead_somewhere() -> None:
    linked = set()
    for page in [project_folder() / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            leads_to = (page.parent / path).resolve() if path else page
            if "://" in target or not (page.name, leads_to.name).count(Path(RUNBOOK).name):
                continue
            assert leads_to.is_file(), target
            assert not anchor or anchor in anchors(leads_to.read_text()), target
            linked.add(page.name)
    assert linked >= {"README.md", "alerts.md", "architecture.md", "operations.md"}


def test_commands_of_the_runbook_are_commands() -> None:
    from typer.main import get_command

    from soccer_assets.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`?\bsoccer ([a-z][a-z-]+)\b", re.sub(r"\.\w+", "", TEXT)))
    assert {"doctor", "alerts", "rollback", "backfill", "rebuild", "serve"} <= named
    assert named - known <= {"commands"}  # in prose
