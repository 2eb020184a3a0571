"""Services that go away and come back."""

import socket
import threading
from contextlib import suppress
from typing import Self


class Line:
    """A TCP port of this machine in front of a service; when it is cut, connections are refused and
    those that stand break off. A context manager.

    Args:
        service: where the service listens: host and port, or the path of a Unix socket.
    """

    def __init__(self, service: tuple[str, int] | str) -> None:
        self._service = service
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        if self._listener is not None:
            # A close alone would leave the thread in its accept.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        while self._open:
            _end(self._open.pop())

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = self._connect()
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=_carry, args=(source, target), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._service, tuple):
            return socket.create_connection(self._service)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._service)
        return server

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cut()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
