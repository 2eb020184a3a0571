"""Runs a worker: in this process (``run``, ``python -m``) or as a child (``ServiceProcess``)."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import uvicorn

from soccer_assets.params import ServingParams
from soccer_assets.serving.addresses import FOLDER, announced, new_instance
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.heap import give_back_large_blocks
from soccer_assets.serving.service import DEFAULTS, create_app

#: That a worker asked over a broker has to answer in: less than whoever asks it waits.
ANSWER_SECONDS = 25.0
DATABASE_URL_VARIABLE = "SOCCER_SERVING_DATABASE_URL"
TOKEN_VARIABLE = "SERVING_TOKEN"
GRACEFUL_SECONDS = 5


def run(
    url: str,
    host: str,
    port: int,
    token: str | None,
    *,
    params: ServingParams = DEFAULTS,
    listener: socket.socket | None = None,
    state: Path | None = None,
    broker: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, on ``listener`` if it is given, else on ``host:port``.

    Args:
        state: folder in the home, for the address by which the worker is found while it runs, and
            for the last good snapshot; None: neither is left.
        broker: over which the worker can be asked to reload as well, whenever it can be reached.
    """
    give_back_large_blocks()
    instance = new_instance()
    config = uvicorn.Config(
        create_app(url, token=token, params=params, kept_in=state, instance=instance),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    with ExitStack() as stack:
        if state is not None or broker is not None:
            listener = listener or bind(host, port)
        if state is not None and listener:
            # Before it is announced: who comes while the first snapshot is loaded waits for it.
            listener.listen(config.backlog)
            stack.enter_context(announced(state / FOLDER, url_of(host, listener), instance))
        if broker is not None and listener:
            stack.enter_context(_listening(broker, url_of(host, listener), token, instance))
        _Server(config, stack.close).run(sockets=[listener] if listener else None)


@contextmanager
def _listening(broker: str, url: str, token: str | None, instance: str) -> Iterator[None]:
    from soccer_assets.serving.reloading.listening import listening

    name = f"{socket.gethostname()}:{url.rpartition(':')[2]}-{instance[:6]}"
    with WorkerClient(url, token, ANSWER_SECONDS) as worker, listening(broker, name, worker):
        yield


class _Server(uvicorn.Server):
    """Is not to be found any more from when it is told to end: after ``run`` would be too late, for
    uvicorn ends the process by the signal that it was told to end by."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], None]) -> None:
        super().__init__(config)
        self._leave = leave

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leave()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """Where this machine reaches the listener."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    port = listener.getsockname()[1]
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class ServiceProcess:
    """A worker as a child process; secrets reach it through its environment only.

    The parent binds the port and the child inherits it: ``port=0`` means any free one, and no
    other process can take it between the choice and the start. The child ends with its parent,
    however that ends: its input is a pipe that nobody else holds.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        params: ServingParams = DEFAULTS,
        start_seconds: float = 60.0,
        state: Path | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._params = params
        self._start_seconds = start_seconds
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        self.host = host
        self.port = port

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> "ServiceProcess":
        """Return when the worker answers GET /healthz (it may not be ready yet)."""
        if self._process is not None:
            raise RuntimeError("the worker was started already")
        with tempfile.TemporaryFile() as output:
            with bind(self.host, self.port) as listener:
                self.port = listener.getsockname()[1]
                self._process = subprocess.Popen(
                    self._command(listener.fileno()),
                    env=self._environment(),
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=output,
                )
            try:
                self._wait_until_alive()
            except Exception as error:
                self.stop()
                output.seek(0)
                said = self._redacted(output.read().decode(errors="replace")[-2000:])
                raise RuntimeError(f"{error}; it said: {said or 'nothing'}") from None
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(GRACEFUL_SECONDS + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdin:
                process.stdin.close()

    def __enter__(self) -> "ServiceProcess":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _command(self, descriptor: int) -> list[str]:
        return [
            *(sys.executable, "-m", "soccer_assets.serving.server"),
            *("--host", self.host, "--port", str(self.port), "--fd", str(descriptor)),
            *("--params", self._params.model_dump_json()),
            *(("--state", str(self._state)) if self._state else ()),
        ]

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, DATABASE_URL_VARIABLE: self._url}
        environment.pop(TOKEN_VARIABLE, None)
        if self._token:
            environment[TOKEN_VARIABLE] = self._token
        root = str(Path(__file__).resolve().parents[2])
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited)))
        return environment

    def _wait_until_alive(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._start_seconds
        with httpx.Client(base_url=self.base_url, timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                code = self._process.poll()
                if code is not None:
                    raise RuntimeError(f"the worker ended with exit code {code}")
                try:
                    if client.get("/healthz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.05)
        raise RuntimeError(f"the worker did not answer within {self._start_seconds:g} s")

    def _redacted(self, text: str) -> str:
        for secret in filter(None, (self._url, self._token)):
            text = text.replace(secret, "***")
        return text.strip()


def _end_with_parent() -> None:
    """Wait for the other end of the input to be closed."""
    # Not through sys.stdin, whose lock would be held at the end.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soccer_assets.serving.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--fd", type=int, help="descriptor of a bound socket to serve on, until the input ends"
    )
    parser.add_argument("--params", default="{}", help="the section serving, as JSON")
    parser.add_argument("--state", type=Path, help="folder to be found by, and to start again from")
    options = parser.parse_args()
    url = os.environ.get(DATABASE_URL_VARIABLE)
    if not url:
        parser.error(f"{DATABASE_URL_VARIABLE} is not set")
    if options.fd is not None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    run(
        url,
        options.host,
        options.port,
        os.environ.get(TOKEN_VARIABLE),
        params=ServingParams.model_validate_json(options.params),
        listener=socket.socket(fileno=options.fd) if options.fd is not None else None,
        state=options.state,
    )


if __name__ == "__main__":
    main()
