"""Where Dagster keeps things."""

import subprocess
import sys
from pathlib import Path

import pytest

#: A step whose output goes to a file on a disk that is full, or so.
PRINTS = """
import os
import sys
from contextlib import suppress
from soccer_assets.instance import SoccerComputeLogManager

class OnFullDisk(SoccerComputeLogManager):
    ROOM = int(sys.argv[1])
    def get_captured_local_path(self, *_, **__):
        return "/dev/full"

with suppress(OSError), OnFullDisk(os.environ["SOCCER_HOME"]).capture_logs(["a run", "a step"]):
    print("in the step", file=sys.stderr)
print("after the step", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("room", "printed"),
    [(0, ["after the step"]), (1 << 60, ["in the step", "after the step"])],
    ids=["full meanwhile", "full before"],
)
def test_output_that_no_disk_takes_is_printed(
    room: int, printed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    command = [sys.executable, "-c", PRINTS, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0
    assert done.stderr.replace("\0", "").splitlines() == printed
