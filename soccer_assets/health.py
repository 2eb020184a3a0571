"""Whether a service on this machine answers, for health checks of containers, whose image has no curl.

``python -m soccer_assets.health http://127.0.0.1:8008/readyz``, or ``grpc://127.0.0.1:4000`` for a
code server. It ends with 0 if the service is well, else with 1 and a line that says why. It is asked
every few seconds, so it imports nothing that it does not need.
"""

import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

#: Of the image's own command, ``dagster dev``.
DEFAULT = "http://127.0.0.1:3000/server_info"
SECONDS = 5.0


def complaint(url: str) -> str | None:
    """What is wrong with the service; None if it is well."""
    return _of_code_server(url) if url.startswith("grpc://") else _of_page(url)


def _of_page(url: str) -> str | None:
    # Nobody's proxy has to do with an address of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return None if answer.status == 200 else f"{url}: status {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url}: status {error.code}"
    except (OSError, ValueError) as error:
        return f"{url}: {error}"


def _of_code_server(url: str) -> str | None:
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    with grpc.insecure_channel(
        urlsplit(url).netloc, options=[("grpc.enable_http_proxy", 0)]
    ) as channel:
        try:
            answer = HealthStub(channel).Check(
                HealthCheckRequest(service="DagsterApi"), timeout=SECONDS
            )
        except grpc.RpcError as error:
            return f"{url}: {error.code().name}"
    if answer.status == HealthCheckResponse.SERVING:
        return None
    return f"{url}: {HealthCheckResponse.ServingStatus.Name(answer.status)}"


def main(arguments: list[str]) -> int:
    """The command; returns how it ends."""
    told = complaint(arguments[0] if arguments else DEFAULT)
    if told:
        print(told, file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
