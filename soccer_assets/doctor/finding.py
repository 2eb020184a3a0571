"""What a look at one thing gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from soccer_assets.text import one_line

#: Returns what to say of a thing that is well; raises ``Wrong`` of one that is not.
Look = Callable[[], str]
#: No line is longer: of a service's answer its beginning tells enough.
_LONGEST = 300


class Wrong(Exception):
    """Something is not as it has to be; says in one line what, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    told: str


def examine(looks: Iterable[tuple[str, Look]]) -> Iterator[Finding]:
    """One finding a look, as soon as it is there. Whatever a look raises is a finding, too."""
    for name, look in looks:
        try:
            yield Finding(name, True, one_line(look()))
        except Wrong as wrong:
            yield Finding(name, False, one_line(str(wrong)))
        except Exception as error:
            told = one_line(str(error)) or type(error).__name__
            yield Finding(name, False, told[:_LONGEST])
