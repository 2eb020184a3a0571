"""What can be wrong with one day of the feed. Every message names the day and the fault."""

from datetime import date


class FeedFault(Exception):
    """One day's feed could not be used.

    Attributes:
        day: the day asked for.
        fault: what was wrong, in words.
        body: the raw payload, when the source sent one.
    """

    def __init__(self, day: date, fault: str, body: bytes | None = None) -> None:
        super().__init__(f"livescores {day.isoformat()}: {fault}")
        self.day = day
        self.fault = fault
        self.body = body


class FetchFault(FeedFault):
    """The source did not answer with a payload (timeout, HTTP error)."""


class PayloadFault(FeedFault):
    """The source answered, but what it sent breaks the contract of the feed."""
