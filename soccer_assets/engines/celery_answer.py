"""What a run is told of a step by the worker that executes it, however often the broker is away.

A broker that is started again has lost what it did not have on disk: the request, if nobody had taken
it, or the answer; and a worker that could not send an answer says so in its place. In either case the
step is asked for again, unless somebody is at work on it by what is on record; what has ended meanwhile
the worker that is asked knows (see ``celery_worker``), and does not do again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from celery import Celery

from soccer_assets.serving.reloading.mailbox import errors_of

log = logging.getLogger(__name__)

#: How long an answer is waited for when the broker is back.
PATIENCE_SECONDS = 30.0
#: How often a step is asked for again whose answer could not be sent: the reason may be another one.
MOST_UNSENT = 5


class Result(Protocol):
    """Of a task: ``celery.result.AsyncResult``, so far as runs use it."""

    @property
    def result(self) -> Any: ...

    def ready(self) -> bool: ...

    def get(self) -> Any: ...

    def revoke(self) -> None: ...


class Answer:
    """The result of a task, for ``dagster-celery``'s loop, which a connection that breaks would end.

    Args:
        step: whose answer it is, for the log.
        ask: sends the request.
        is_under_way: whether somebody has begun the step, and not ended.
        lost: what is raised where there is no connection.
    """

    def __init__(
        self,
        step: str,
        ask: Callable[[], Result],
        is_under_way: Callable[[], bool],
        lost: Sequence[type[BaseException]],
    ) -> None:
        self._step = step
        self._ask = ask
        self._is_under_way = is_under_way
        self._lost = tuple(lost)
        self._result: Result | None = None
        self._is_away = False
        #: When to doubt that there will be an answer.
        self._doubts_at: float | None = None
        self._unsent = 0
        self.ready()

    def ready(self) -> bool:
        """Whether there is one; also where the broker is away."""
        try:
            if self._result is None:
                self._result = self._ask()
            is_ready = self._result.ready()
            self._note_that_it_is_back()
            if is_ready and isinstance(self._result.result, self._lost):
                self._unsent += 1
                if self._unsent <= MOST_UNSENT:
                    self._ask_again("its answer could not be sent")
                    return False
            elif not is_ready:
                self._look_whether_it_is_lost()
            return is_ready
        except self._lost as error:
            if not self._is_away:
                log.warning("the broker is away, step %s waits for it: %r", self._step, error)
            self._is_away = True
            return False

    def get(self) -> Any:
        """The answer, when it is ready."""
        assert self._result is not None
        return self._result.get()

    def revoke(self) -> None:
        """Take the request back; if the broker is away, the worker sees that the run is over."""
        try:
            if self._result is not None:
                self._result.revoke()
        except self._lost as error:
            log.warning("step %s could not be taken back: %r", self._step, error)

    def _note_that_it_is_back(self) -> None:
        if self._is_away:
            log.info("the broker is back")
            self._is_away = False
            self._doubts_at = time.monotonic() + PATIENCE_SECONDS

    def _look_whether_it_is_lost(self) -> None:
        if self._doubts_at is None or time.monotonic() < self._doubts_at:
            return
        if self._is_under_way():
            self._doubts_at = time.monotonic() + PATIENCE_SECONDS
        else:
            self._doubts_at = None
            self._ask_again("the broker may have lost it")

    def _ask_again(self, why: str) -> None:
        log.warning("step %s is asked for again: %s", self._step, why)
        self._result = None  # until it has been sent
        self._result = self._ask()


def connection_errors(app: Celery) -> tuple[type[BaseException], ...]:
    """What this app raises where the broker, or what keeps the answers, cannot be reached."""
    with app.connection_for_write() as connection:
        return (*errors_of(connection), *getattr(app.backend, "connection_errors", ()))
