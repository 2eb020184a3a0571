"""The feed server in a process of its own, so that its work is not counted as the client's."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from email.message import Message
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.source import Source
from soccer_assets.simulator.http import Reply
from soccer_assets.simulator.server import FeedServer


class DistantServer(FeedServer):
    """Its answers are some time on their way."""

    seconds_away = 0.0

    def reply(self, target: str, headers: Message) -> Reply:
        time.sleep(self.seconds_away)
        return super().reply(target, headers)


def _serve(connection: Connection, source: Source, seconds_away: float) -> None:
    moment = source.as_of
    backend = source.backend()
    backend.payload(source.days[-1], moment)  # the simulator plays its seasons when first asked
    with DistantServer(backend, clock=lambda: moment) as server:
        server.seconds_away = seconds_away
        connection.send(server.url)
        while True:
            try:
                message = connection.recv()
            except EOFError:  # whoever started this has ended
                return
            if message is None:
                return
            server.override(*message)
            connection.send(True)


class Feed:
    """A running server."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._connection = connection

    def override(self, day: date, payload: dict[str, Any]) -> None:
        """Answer for ``day`` with exactly this from now on."""
        self._connection.send((day, payload))
        self._connection.recv()


@contextmanager
def serving(source: Source, seconds_away: float = 0.0) -> Iterator[Feed]:
    """Of a source; every answer takes so long beside what it takes to make."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, source, seconds_away), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Feed(ours.recv(), ours)
    finally:
        ours.close()
        process.join()
