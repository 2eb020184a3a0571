"""What the documentation says of the code is what the code says of itself."""

import re
from pathlib import Path

import pytest

from soccer_assets.documentation import pages
from soccer_assets.settings import project_folder


def copy_pages(root: Path) -> None:
    for path in pages(project_folder()):
        copy = root / path.relative_to(project_folder())
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())


def test_the_generated_parts_are_current() -> None:
    stale = [
        path.name for path, text in pages(project_folder()).items() if path.read_text() != text
    ]
    assert not stale, "run make docs"


def test_an_edit_of_a_generated_part_is_noticed(tmp_path: Path) -> None:
    readme = (project_folder() / "README.md").read_text()
    copy_pages(tmp_path)
    (tmp_path / "README.md").write_text(readme.replace("| `livescores` | daily", "| `x` | daily"))
    assert pages(tmp_path)[tmp_path / "README.md"] == readme


def test_a_readme_without_its_marks_is_refused(tmp_path: Path) -> None:
    copy_pages(tmp_path)
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(ValueError, match="assets"):
        pages(tmp_path)


def test_the_tests_that_the_promises_name_are_there() -> None:
    text = (project_folder() / "docs" / "reliability.md").read_text()
    tests = project_folder() / "soccer_assets_tests"
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?", text)
    assert len(named) > 100
    for file, test in named:
        assert (tests / file).is_file(), file
        assert f"def {test}" in (tests / file).read_text(), f"{file}::{test}"
