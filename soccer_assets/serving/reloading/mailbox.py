"""What the worker that listens and the process that asks have to agree on.

``kombu.pidbox`` is how Celery's own remote control asks its workers. A worker has a mailbox by its name,
as long as it is connected; what is asked goes to all of them, or to those that are named.

Who may publish on the broker may have workers reload, and so may have step workers execute steps: the
broker's password guards both. ``SERVING_TOKEN`` does not go over it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import Connection, Producer
from kombu.exceptions import OperationalError
from kombu.pidbox import Mailbox

#: Of the mailboxes of prediction workers, and of Celery's own.
NAMESPACE, STEP_WORKERS = "soccer_serving", "celery"
CONNECT_SECONDS = 5
#: After which a worker takes a broker that says nothing for gone, and is taken for gone, about.
HEARTBEAT_SECONDS = 30
#: What a mailbox's owner is asked. The last four are of ``roll.Worker``.
PING, RELOAD, RESTORE, READY, MODEL = "ping", "reload", "restore", "ready", "model"


class _Once(Producer):
    """Fails if the broker is gone. Mailboxes would have it tried until it is back, however long."""

    def publish(self, *arguments: Any, **options: Any) -> Any:
        return super().publish(*arguments, **{**options, "retry": False})


class _Mailbox(Mailbox):
    @contextmanager
    def producer_or_acquire(self, producer: Any = None, channel: Any = None) -> Iterator[Any]:
        yield producer or _Once(channel, auto_declare=False)


def mailbox(connection: Connection, namespace: str = NAMESPACE) -> Mailbox:
    """One of its own for each who asks: an answer that comes too late is nobody else's."""
    return _Mailbox(namespace, type="fanout", accept=["json"], serializer="json")(connection)


def connect(broker: str, heartbeat: float = 0, *, patience: float = CONNECT_SECONDS) -> Connection:
    """To a broker, when it is first used. One that does not answer is given up soon."""
    return Connection(
        broker,
        connect_timeout=patience,
        heartbeat=heartbeat,
        transport_options={"socket_connect_timeout": patience},
    )


def reach(connection: Connection) -> None:
    """Connect, or fail: with a second attempt at most, for the pause is for the caller to choose."""
    connection.ensure_connection(max_retries=1, interval_start=0.2)


def errors_of(connection: Connection) -> tuple[type[BaseException], ...]:
    """What is raised where the broker is away, or turns somebody away."""
    return (OperationalError, *connection.connection_errors, *connection.channel_errors)
