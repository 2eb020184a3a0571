"""The code servers of ``dagster dev``: one that died is started again.

Between Dagster's services and a code server stands a proxy. Dagster starts a proxy again that died,
but nobody looks after the server behind it, without which no sensor, schedule or run of the code
location works until somebody reloads it in the UI.
"""

import logging
import threading
import time
from contextlib import suppress

import psutil

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


def look_after_code_servers() -> None:
    """End a proxy whose server died, for as long as this process, ``dagster dev``, lives."""
    threading.Thread(target=_look_after, daemon=True).start()


def _look_after() -> None:
    served: set[psutil.Process] = set()
    while True:
        time.sleep(LOOK_SECONDS)
        for proxy in psutil.Process().children():
            with suppress(psutil.Error):
                if not _runs(proxy, "code-server"):
                    continue
                if any(_runs(server, "grpc") for server in proxy.children()):
                    served.add(proxy)
                elif proxy in served:
                    log.warning(
                        "a code server (of process %s) died, and is started again", proxy.pid
                    )
                    served.remove(proxy)
                    proxy.kill()


def _runs(process: psutil.Process, command: str) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE and command in process.cmdline()
    return False
