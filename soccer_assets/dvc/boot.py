"""Which start of the machine this is."""

from functools import lru_cache
from pathlib import Path

import psutil


@lru_cache
def boot() -> str:
    """Names the time since the machine was started: a power cut ends it, a killed process does not.

    Files that were written since, and are what they were by their dates, hold what was written.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(psutil.boot_time())
