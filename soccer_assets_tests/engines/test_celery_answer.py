"""What a run makes of a broker that comes and goes."""

from collections.abc import Callable
from typing import Any

import pytest

from soccer_assets.engines import celery_answer
from soccer_assets.engines.celery_answer import MOST_UNSENT, PATIENCE_SECONDS, Answer


class Request:
    """A task that was sent: it has no answer, one, or there is no broker to ask."""

    def __init__(self) -> None:
        self.result: Any = None
        self.is_away = False

    def ready(self) -> bool:
        if self.is_away:
            raise ConnectionResetError
        return self.result is not None

    def get(self) -> Any:
        return self.result

    def revoke(self) -> None:
        self.ready()


class Broker:
    """Counts what it is asked, while it is there."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.is_away = False

    def ask(self) -> Request:
        if self.is_away:
            raise ConnectionRefusedError
        self.requests.append(Request())
        return self.requests[-1]

    def goes(self) -> None:
        self.is_away = True
        for request in self.requests:
            request.is_away = True

    def comes(self) -> None:
        self.is_away = False
        for request in self.requests:
            request.is_away = False


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(celery_answer.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def answer_of(broker: Broker, under_way: bool = False) -> Answer:
    return Answer("features", broker.ask, lambda: under_way, [ConnectionError])


def test_a_request_that_cannot_be_sent_is_sent_when_the_broker_comes() -> None:
    broker = Broker()
    broker.goes()
    answer = answer_of(broker)
    assert not answer.ready()
    broker.comes()
    assert not answer.ready()
    broker.requests[0].result = ["done"]
    assert answer.ready()
    assert answer.get() == ["done"]
    assert len(broker.requests) == 1


def test_an_answer_that_outlives_the_broker_is_taken(wait: Callable[[float], None]) -> None:
    broker = Broker()
    answer = answer_of(broker)
    broker.goes()
    assert not answer.ready()
    broker.comes()
    broker.requests[0].result = ["done"]
    wait(2 * PATIENCE_SECONDS)
    assert answer.ready()
    assert len(broker.requests) == 1


@pytest.mark.parametrize(("under_way", "requests"), [(False, 2), (True, 1)])
def test_what_may_be_lost_is_asked_for_again_once_where_nobody_is_at_work(
    wait: Callable[[float], None], under_way: bool, requests: int
) -> None:
    broker = Broker()
    answer = answer_of(broker, under_way)
    broker.goes()
    assert not answer.ready()
    broker.comes()
    assert not answer.ready()
    assert len(broker.requests) == 1
    for _ in range(3):
        wait(PATIENCE_SECONDS)
        assert not answer.ready()
        assert len(broker.requests) == requests


def test_a_step_is_not_asked_for_again_without_an_outage(wait: Callable[[float], None]) -> None:
    broker = Broker()
    answer = answer_of(broker)
    wait(1000 * PATIENCE_SECONDS)
    assert not answer.ready()
    assert len(broker.requests) == 1


def test_an_answer_that_could_not_be_sent_is_asked_for_again_but_not_for_ever() -> None:
    broker = Broker()
    answer = answer_of(broker)
    for _ in range(MOST_UNSENT):
        broker.requests[-1].result = ConnectionRefusedError()
        assert not answer.ready()
    assert len(broker.requests) == 1 + MOST_UNSENT
    broker.requests[-1].result = ConnectionRefusedError()
    assert answer.ready()


def test_an_error_of_another_kind_is_an_answer() -> None:
    broker = Broker()
    answer = answer_of(broker)
    broker.requests[0].result = ValueError()
    assert answer.ready()


def test_what_cannot_be_taken_back_is_left_to_the_worker() -> None:
    broker = Broker()
    answer = answer_of(broker)
    broker.goes()
    answer.revoke()
