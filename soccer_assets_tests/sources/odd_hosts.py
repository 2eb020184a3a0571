"""Hosts that answer oddly, over real sockets."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, create_server, socket
from threading import Thread

#: Seconds that only a machine at a standstill would need.
GENEROUS = 30

Answer = Callable[[socket], None]


@contextmanager
def host(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """Its URL, and the requests it gets: one a connection, answered in turn, the last for ever."""
    requests: list[bytes] = []
    with create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                while True:
                    link, _ = listener.accept()
                    answer = answers[min(len(requests), len(answers) - 1)]
                    requests.append(link.recv(65536))
                    with suppress(OSError), link:
                        answer(link)

        thread = Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        listener.shutdown(SHUT_RDWR)
    thread.join(GENEROUS)


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    return lambda link: link.sendall(head(status, **headers) + body)


def drips(*before: bytes) -> Answer:
    def answer(link: socket) -> None:
        link.sendall(b"".join(before))
        end = time.monotonic() + GENEROUS
        while time.monotonic() < end:
            link.sendall(b"x")
            time.sleep(0.05)

    return answer


def without_end(link: socket) -> None:
    link.sendall(head())
    while True:
        link.sendall(bytes(65536))
