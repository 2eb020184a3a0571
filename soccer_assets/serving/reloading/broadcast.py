"""Workers that have no addresses of their own, asked over the broker of the step workers.

Who is there says so when all are called. Then they are asked one at a time by their names.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kombu import Connection
from pydantic import BaseModel, ValidationError

from soccer_assets.serving.client import WorkerRefused, WorkerUnreachable
from soccer_assets.serving.reloading.mailbox import (
    MODEL,
    PING,
    READY,
    RELOAD,
    RESTORE,
    connect,
    errors_of,
    mailbox,
    reach,
)
from soccer_assets.serving.reloading.roll import reload_workers
from soccer_assets.serving.reloading.ways import Outcome, Wanted
from soccer_assets.serving.schemas import ModelInfo, Readiness, ReloadResult
from soccer_assets.urls import shown

#: How long nobody else has to answer a call, for all to have done so.
PING_SECONDS = 2.0
#: How long a worker may take to answer a question, a reload included.
ANSWER_SECONDS = 30.0
Answer = TypeVar("Answer", bound=BaseModel)


class BroadcastWorker:
    """One that has answered a call."""

    def __init__(
        self, connection: Connection, name: str, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.name = name
        self._errors = errors_of(connection)
        self._mailbox = mailbox(connection)
        self._seconds = answer_seconds

    def reload(self) -> ReloadResult:
        return self._ask(ReloadResult, RELOAD)

    def restore(self) -> ReloadResult:
        return self._ask(ReloadResult, RESTORE)

    def ready(self) -> Readiness:
        return self._ask(Readiness, READY)

    def model(self) -> ModelInfo:
        return self._ask(ModelInfo, MODEL)

    def _ask(self, kind: type[Answer], question: str) -> Answer:
        said = self._answer(question)
        if isinstance(said, dict) and "error" in said:
            problem, status = str(said["error"])[:500], said.get("status")
            if status is None:
                raise WorkerUnreachable(self.name, problem)
            raise WorkerRefused(self.name, problem, int(status))
        try:
            return kind.model_validate(said)
        except ValidationError:
            problem = f"{question} was answered with something unreadable"
        raise WorkerRefused(self.name, problem, 200)

    def _answer(self, question: str) -> Any:
        try:
            replies = self._mailbox.call([self.name], question, timeout=self._seconds)
        except self._errors as error:
            problem = f"{question} was not asked, the broker is away ({type(error).__name__})"
        else:
            for reply in replies:
                if self.name in reply:
                    return reply[self.name]
            problem = f"{question} got no answer within {self._seconds:g} s"
        # Raised out here so that the new error does not drag the broker's along.
        raise WorkerUnreachable(self.name, problem)


class ByBroadcast:
    """One after the other of those that answer a call."""

    def __init__(
        self,
        broker: str,
        timeout: float = 60.0,
        *,
        ping_seconds: float = PING_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Args:
        broker: its address, with a login that is shown nowhere.
        timeout: seconds that each is given to serve what is wanted.
        ping_seconds: for which nobody else has to answer the call.
        answer_seconds: that a worker may take to answer a question.
        """
        self._broker = broker
        self._timeout = timeout
        self._ping_seconds = ping_seconds
        self._answer_seconds = answer_seconds

    def reload(self, wanted: Wanted) -> Outcome:
        with self.present() as workers:
            reports = reload_workers(
                workers, wanted.version, self._timeout, expected_run=wanted.run_id
            )
            return Outcome(reports, len(workers))

    @contextmanager
    def present(self) -> Iterator[list[BroadcastWorker]]:
        """Those that answer a call, at least one.

        Raises:
            WorkerUnreachable: none does, or the broker does not.
        """
        connection = connect(self._broker)
        try:
            names = self._who_is_there(connection)
            yield [BroadcastWorker(connection, name, self._answer_seconds) for name in names]
        finally:
            with suppress(*errors_of(connection)):
                connection.release()

    def _who_is_there(self, connection: Connection) -> list[str]:
        where = f"broker {shown(self._broker)}"
        names: list[str] = []
        problem = (
            f"no prediction worker answered within {self._ping_seconds:g} s: soccer serve with "
            "SERVING_RELOAD=celery and this broker starts one"
        )
        try:
            reach(connection)
            replies = mailbox(connection).multi_call(PING, timeout=self._ping_seconds)
            names = sorted({str(name) for reply in replies for name in reply})
        except errors_of(connection) as error:
            problem = f"no answer, or none that lets us in ({type(error).__name__})"
        if names:
            return names
        raise WorkerUnreachable(where, problem)
