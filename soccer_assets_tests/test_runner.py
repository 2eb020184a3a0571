"""A job that runs in this process."""

import os
import subprocess
import sys
from pathlib import Path

#: A signal comes where Python ignores exceptions.
_ASKED_IN_VAIN = """
import os, signal, time, weakref
from soccer_assets.process import end_soon_when_asked
from soccer_assets.runner import run_job

class Thing: ...

def ask(_):
    os.kill(os.getpid(), signal.SIGTERM)

end_soon_when_asked()
thing = Thing()
reference = weakref.ref(thing, ask)
del thing
time.sleep(0.5)
run_job("ingest", print)
"""


def test_a_signal_that_interrupted_nothing_keeps_a_job_from_being_begun(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASKED_IN_VAIN],
        env={**os.environ, "SOCCER_HOME": str(tmp_path / "home"), "POSTGRES_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Exception ignored" in done.stderr
    assert done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stderr
    assert not (tmp_path / "home").exists()
