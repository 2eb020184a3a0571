"""What can be wrong with one day of the feed. Every message names the day and the fault."""

from datetime import date

from soccer_assets.text import terminal


class FeedFault(Exception):
    """One day's feed could not be used.

    Attributes:
        day: the day asked for.
        fault: what was wrong, in words.
        body: the raw payload, when the source sent one.
        passing: it came from the surroundings (no connection, no time, a host in trouble), so that
            the same request may well succeed later; else from what the source says, or from a bug.
    """

    passing = False

    def __init__(self, day: date, fault: str, body: bytes | None = None) -> None:
        fault = terminal(fault)  # it quotes the source, and ends in logs
        super().__init__(f"livescores {day.isoformat()}: {fault}")
        self.day = day
        self.fault = fault
        self.body = body


class FetchFault(FeedFault):
    """The source did not answer with a payload (timeout, HTTP error)."""

    def __init__(
        self, day: date, fault: str, body: bytes | None = None, *, passing: bool = False
    ) -> None:
        super().__init__(day, fault, body)
        self.passing = passing


class PayloadFault(FeedFault):
    """The source answered, but what it sent breaks the contract of the feed."""


class UnexpectedFault(FeedFault):
    """What handles the day raised what it never should: a bug, whose stack is in ``__cause__``."""

    def __init__(self, day: date, error: Exception, body: bytes | None = None) -> None:
        super().__init__(day, f"{type(error).__name__}: {error!s:.300}", body)
        self.__cause__ = error
