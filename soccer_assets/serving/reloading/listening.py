"""A worker is asked over a broker what it would be asked over HTTP.

It listens in a thread, which asks the worker itself over HTTP: what comes over the broker can do nothing
else, and serving needs neither the thread nor the broker.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kombu import Connection
from pydantic import BaseModel

from soccer_assets.serving.client import WorkerError, WorkerRefused
from soccer_assets.serving.reloading.mailbox import (
    HEARTBEAT_SECONDS,
    MODEL,
    PING,
    READY,
    RELOAD,
    RESTORE,
    connect,
    mailbox,
    reach,
)
from soccer_assets.serving.reloading.roll import Worker
from soccer_assets.urls import shown

#: Before another attempt to reach a broker that is away; doubled with each up to the second.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
#: How long the end may wait for the thread, which hangs if a broker does.
_END_SECONDS = 1.0
#: How often it is looked whether it is to end.
_LOOK_SECONDS = 0.25
log = logging.getLogger(__name__)


@contextmanager
def listening(
    broker: str, name: str, worker: Worker, first_pause: float = FIRST_PAUSE
) -> Iterator["Listener"]:
    """While this is open, the worker is asked over the broker whenever that can be reached.

    Args:
        broker: its address, with a login that is shown nowhere.
        name: that the worker answers to, unlike all others.
        worker: leads to it. A reload has to be answered within ``HEARTBEAT_SECONDS``.
        first_pause: seconds before a second attempt to reach the broker.
    """
    listener = Listener(broker, name, worker, first_pause)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


class Listener:
    """Waits in a thread for questions, and again when the broker is back that was away."""

    def __init__(self, broker: str, name: str, worker: Worker, first_pause: float) -> None:
        self.name = name
        #: Set while it can be asked.
        self.connected = threading.Event()
        self._broker = broker
        self._worker = worker
        self._first_pause = first_pause
        self._ending = threading.Event()
        self._was_away = False
        self._thread = threading.Thread(target=self._listen, name="listen", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(_END_SECONDS)

    def _listen(self) -> None:
        pause = self._first_pause
        while not self._ending.is_set():
            try:
                with connect(self._broker, HEARTBEAT_SECONDS) as connection:
                    self._answer(connection)
            except Exception as error:  # whatever it is, the worker serves
                pause = self._first_pause if self.connected.is_set() else pause
                if not self._was_away:  # each attempt need not repeat it
                    log.warning(
                        "broker %s cannot be reached (%s): this worker serves, and is not reloaded",
                        shown(self._broker),
                        type(error).__name__,
                    )
                self._was_away = True
            self.connected.clear()
            self._ending.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _answer(self, connection: Connection) -> None:
        """Until it is told to end, or the broker is gone."""
        reach(connection)
        node = mailbox(connection).Node(
            self.name, channel=connection.default_channel, handlers=self._handlers()
        )
        with node.Consumer(callbacks=[node.handle_message], on_decode_error=node.on_decode_error):
            self.connected.set()
            if self._was_away:
                self._was_away = False
                log.warning("broker %s is back", shown(self._broker))
                self._catch_up()
            while not self._ending.is_set():
                try:
                    connection.drain_events(timeout=_LOOK_SECONDS)
                except TimeoutError:
                    connection.heartbeat_check()

    def _catch_up(self) -> None:
        """With what the others were asked to load meanwhile."""
        try:
            self._worker.reload()
        except WorkerError as error:
            log.warning("%s", error)

    def _handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            PING: lambda _: {"ok": "pong"},
            RELOAD: lambda _: _told(self._worker.reload),
            RESTORE: lambda _: _told(self._worker.restore),
            READY: lambda _: _told(self._worker.ready),
            MODEL: lambda _: _told(self._worker.model),
        }


def _told(question: Callable[[], BaseModel]) -> dict[str, Any]:
    try:
        return question().model_dump(mode="json")
    except WorkerRefused as error:
        return {"error": error.problem, "status": error.status_code}
    except WorkerError as error:
        return {"error": error.problem}
