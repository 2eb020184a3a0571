"""What a look at one thing gives, and how many things are looked at without waiting for any."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from soccer_assets.text import one_line, shortened

#: Seconds in which a service has to answer: who asks wants to know now.
PATIENCE = 4.0
#: No line is longer: of a service's answer its beginning tells enough.
LONGEST = 300
T = TypeVar("T")


class Wrong(Exception):
    """Something is not as it has to be; says in one line what, and what to do."""


class State(StrEnum):
    """What is known of a thing."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    state: State
    told: str


@dataclass(frozen=True)
class Look:
    """At one thing."""

    name: str
    see: Callable[[], str]
    """Returns what to say of a thing that is well; raises ``Wrong`` of one that is not."""
    needs: tuple[str, ...] = ()
    """Lines without which there is nothing to see."""
    patience: float | None = None
    """Seconds that it may take; None: those that a service has."""


def examine(
    looks: Sequence[Look], known: Mapping[str, State], hide: Callable[[str], str] = str
) -> Iterator[Finding]:
    """One finding a look, in their order. They look at once, so those that wait wait together, and
    none is waited for beyond its patience. Whatever a look raises is a finding, too.

    Args:
        known: of the lines before.
        hide: takes secrets out of a text.
    """
    begun = []
    for look in looks:
        absent = [name for name in look.needs if known.get(name) is not State.OK]
        begun.append((look, absent, None if absent else InBackground(look.see)))
    for look, absent, answer in begun:
        if answer is None:
            # What is itself not known for want of another is not what is to be mended.
            wrong = [name for name in absent if known.get(name) is State.WRONG] or absent
            yield Finding(look.name, State.UNKNOWN, unseen(wrong))
            continue
        try:
            state, told = State.OK, answer.within(look.patience)
        except Exception as error:
            state, told = State.WRONG, _told(error)
        yield Finding(look.name, state, shortened(hide(one_line(told)), LONGEST))


def unseen(wrong: Sequence[str]) -> str:
    """What is told of a line that needs others."""
    return f"not looked at: first mend {', '.join(wrong)}"


class InBackground(Generic[T]):
    """A call that nobody has to wait for: what hangs in it does not keep the process from its end."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._returned: T
        self._raised: Exception | None = None
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def within(self, seconds: float | None = None) -> T:
        """What the call returns or raises, so many seconds after it began at the latest; None: as
        many as a service has.

        Raises:
            Wrong: it has not ended by then.
        """
        seconds = PATIENCE if seconds is None else seconds
        left = self._begun + seconds - time.monotonic()
        if not self._ended.wait(max(left, 0)):
            raise Wrong(f"no answer within {seconds:g} s")
        if self._raised is not None:
            raise self._raised
        return self._returned

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._returned = call()
        except Exception as error:
            self._raised = error
        except BaseException as error:  # of a library that ends processes: not this one
            self._raised = Wrong(str(error) or type(error).__name__)
        self._ended.set()


def _told(error: Exception) -> str:
    if isinstance(error, Wrong):
        return str(error)
    # SQLAlchemy adds the statement and the address of a page to what the driver said.
    said = str(getattr(error, "orig", None) or error).strip()
    first = said.splitlines()[0] if said else ""
    return first or type(error).__name__
