"""What snapshots took is given back, in a process like a worker's."""

import subprocess
import sys

import psutil
import pytest

#: Snapshots of sixty megabytes, each loaded by a thread of its own while the one before lives, with
#: something small that stays between them. Says how much memory the process has in the end.
_RELOADS = """
import sys, threading
import psutil
from soccer_assets.serving.heap import give_back_large_blocks
if sys.argv[1] == "tuned":
    assert give_back_large_blocks()
served, stays, size = [], [], 500_000
def load():
    global served
    served = [(stays.append(bytes(2000)), size * b"x")[1] for _ in range(120)]
for _ in range(8):
    loading = threading.Thread(target=load)
    loading.start()
    loading.join()
print(psutil.Process().memory_info().rss)
"""


def megabytes_after_reloads(how: str) -> float:
    said = subprocess.run(
        [sys.executable, "-c", _RELOADS, how], check=True, capture_output=True, text=True
    ).stdout
    return int(said) / 1e6


@pytest.mark.skipif(not psutil.LINUX, reason="of glibc")
def test_eight_reloads_leave_the_memory_of_one() -> None:
    of_one = megabytes_after_reloads("tuned")
    assert of_one < 60 + 40
    assert megabytes_after_reloads("as it is") > 1.5 * of_one
