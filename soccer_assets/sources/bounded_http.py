"""Answers of httpx read within limits of bytes and of time.

httpx has neither: its timeouts are for each read, so that a byte now and then keeps a request alive
for ever, and it unpacks whatever a chunk of compressed bytes holds.
"""

import time
import zlib
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import httpcore
import httpx

#: When the request of this thread must be over, by the monotonic clock, and the seconds it was given.
_deadline: ContextVar[tuple[float, float] | None] = ContextVar("deadline", default=None)


class TooLarge(Exception):
    """An answer has more bytes than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit:,} bytes")


class TooSlow(Exception):
    """An answer was not complete in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no complete answer within {seconds:g} s")


class Deadline:
    """Ends whatever requests of bounded clients this thread makes in the block.

    Raises:
        TooSlow: the time was over.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _deadline.set((time.monotonic() + self._seconds, self._seconds))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        over = time.monotonic() >= _deadline.get()[0]  # type: ignore[index]
        _deadline.reset(self._token)
        if over and isinstance(error, httpx.TimeoutException):
            raise TooSlow(self._seconds) from error


def bound(client: httpx.Client) -> None:
    """Have a client keep to ``Deadline``, in every wait for the network, those for headers too."""
    # httpx has no way to hand a backend to the pools that it makes, with the proxies and certificates
    # of the environment; httpcore takes one.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend)


def read_bounded(response: httpx.Response, limit: int, *, cut: bool = False) -> bytes:
    """The body of a streamed answer, unpacked; no more than ``limit`` bytes are ever held.

    Args:
        cut: give the first ``limit`` bytes of a longer body instead of refusing it.

    Raises:
        TooLarge: there are more.
        httpx.DecodingError: it does not unpack.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise httpx.DecodingError(f"{encoding[:40]!r}, which was not asked for")
    pieces: list[bytes] = []
    held = received = 0
    unpack = _Gunzip() if "gzip" in encoding else None
    for chunk in response.iter_raw():
        received += len(chunk)
        piece = unpack(chunk, limit + 1 - held) if unpack else chunk
        pieces.append(piece)
        held += len(piece)
        if max(held, received) > limit:
            if cut:
                return b"".join(pieces)[:limit]
            raise TooLarge(limit)
    if unpack and received and not unpack.complete:
        raise httpx.DecodingError("it is cut off")
    return b"".join(pieces)


class _Gunzip:
    """Unpacks gzip, of one member or several, as far as there is room."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def complete(self) -> bool:
        return self._member.eof

    def __call__(self, chunk: bytes, room: int) -> bytes:
        try:
            unpacked = self._member.decompress(chunk, room)
            while self._member.eof and self._member.unused_data and len(unpacked) < room:
                rest = self._member.unused_data
                self._member = zlib.decompressobj(31)
                unpacked += self._member.decompress(rest, room - len(unpacked))
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error
        return unpacked


def _within(timeout: float | None, failure: type[Exception]) -> float | None:
    """What is left of a timeout; raises ``failure`` when the deadline is over."""
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline[0] - time.monotonic()
    if left <= 0:
        raise failure("the deadline of the request")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    """A backend whose every wait ends with the deadline."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = _within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _within(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()
