"""What a worker has freed goes back to the system.

A snapshot is some hundred blocks of half a megabyte that live until the next one is served. By default
glibc takes the first of them from the system one by one, and after they were freed raises the size from
which it does so (``M_MMAP_THRESHOLD`` in mallopt(3)) above theirs: later ones come from heaps, of which
each thread that loads may have one, and which hold on to what lies below something that lives.
"""

import ctypes

_M_MMAP_THRESHOLD = -3
#: Bytes; glibc's own value before it raises it.
THRESHOLD = 128 * 1024


def give_back_large_blocks() -> bool:
    """Have large blocks come from the system and go back to it, for good; whether the C library knows
    how (glibc does)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function; on Windows, no such library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, THRESHOLD))
