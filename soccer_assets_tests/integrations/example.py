"""The example of ``docs/dvc.md``: a DVC project that has nothing to do with this one."""

import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "dvc.md"
CONFIGURATION = """
[core]
    remote = store
['remote "store"']
    url = {store}
"""


def make_example(root: Path) -> Path:
    """Write its files, and have a git and DVC repository there, with a remote beside it."""
    files = re.findall(
        r'^```\w+ title="(.+?)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    for name, text in files:
        write(root / name, text)
    write(root / "src/orders/__init__.py", "")
    write(root / "src/orders/defs/__init__.py", "")
    subprocess.run(["git", "init", "--quiet", root], check=True)
    # What 'dvc init' and 'dvc remote add' make of it.
    write(root / ".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    write(root / ".dvc/config", CONFIGURATION.format(store=root.with_name("store")))
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
