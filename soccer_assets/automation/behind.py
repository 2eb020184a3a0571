"""What is behind: made from something older than what there is now.

Told who is made from whom and what the records say, it answers what has to be made. It looks at
the state of things and never at events since some last time, so nothing can be missed: not what is
made during a run that no longer reads it, nor what is made while nobody looks, nor a run that fails.

What counts is content: what was made again and came out the same leaves nothing behind. It came to
be what it is by the last run that changed it, so what was changed and changed back counts as
changed, for whoever was made meanwhile may have read what it was in between.

Moments are places in the order in which all events were recorded. Times of day would not do: the
clocks of several machines disagree, and a clock can be set back.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

#: Seconds before what failed is tried again, doubled with every failure up to the longest.
PAUSE, LONGEST_PAUSE = 60.0, 6 * 3600.0
#: What is to stay young is made again after so many seconds, though nothing has changed.
OLD = 24 * 3600.0
#: What will be that old within so many seconds is made with it: a day's look at everything is one run.
SOON_OLD = 3600.0
#: What was made by other code is left alone for so long: where runs have other code than the server
#: that asks for them, as after an update without a restart, it stays so whatever is made.
RECENT = 3600.0

_BUSY, _BEFORE = "it is being made", "what it is made from is being made"


class Node(NamedTuple):
    """An asset, or one of its partitions."""

    asset: str
    partition: str | None = None

    def __str__(self) -> str:
        return f"{self.asset} {self.partition}" if self.partition else self.asset


@dataclass(frozen=True)
class Made:
    """The newest time that something was made, and the run that did."""

    at: int
    began: int
    """When the run began; what was made from then on it may not have read."""
    run: str | None = None
    """None for what was reported without one; it then began when it was made."""
    time: float = 0.0
    """When that was, in seconds since 1970."""

    def saw(self, parent: "Made") -> bool:
        """Whether this was surely made from that version of a parent."""
        return parent.at < self.began or (self.run is not None and parent.run == self.run)


@dataclass(frozen=True)
class Failure:
    """A run that was asked for and failed."""

    nodes: Set[Node]
    """What it was to make."""
    upstream: int
    """The newest of what it was asked for."""
    attempt: int
    """How many times it had been tried for that, this one included."""
    ended: float
    """In seconds since 1970."""
    run: str | None = None
    """What it made before it failed counts as what it was asked for."""

    @property
    def retry_at(self) -> float:
        return self.ended + min(PAUSE * 2.0 ** (self.attempt - 1), LONGEST_PAUSE)


@dataclass(frozen=True)
class Records:
    """What is known."""

    made: Mapping[Node, Made]
    """What exists."""
    changed: Mapping[Node, Made] = field(default_factory=dict)
    """When what exists came to be what it is, where that was before it was made last."""
    judged: Mapping[Node, Made] = field(default_factory=dict)
    """What a run dealt with, although it made nothing of it, as a gate that stays shut."""
    busy: Set[Node] = frozenset()
    """What an unfinished run makes."""
    unsound: Mapping[Node, str] = field(default_factory=dict)
    """What fails a blocking check -> the check."""
    failures: Collection[Failure] = ()
    """Newest first."""
    young: Set[Node] = frozenset()
    """What is to be made once a day, whatever happens."""
    outdated: Set[Node] = frozenset()
    """What was made by other code."""
    now: float = 0.0
    """In seconds since 1970."""

    def newest(self, node: Node) -> Made | None:
        """When the node was made or judged last."""
        return max(
            (found[node] for found in (self.made, self.judged) if node in found),
            key=lambda made: made.at,
            default=None,
        )

    def version(self, node: Node) -> Made:
        """When what exists came to be what it is."""
        return self.changed.get(node, self.made[node])

    def unseen(self, node: Node, parents: Collection[Node]) -> list[Node]:
        """The parents that have a version which the node was not made from."""
        mine = self.newest(node)
        return [
            parent
            for parent in parents
            if parent in self.made
            and not (mine and (mine.saw(self.made[parent]) or mine.saw(self.version(parent))))
        ]

    def due(self, node: Node) -> str | None:
        """Why a node is to be made again, whatever has become of its parents."""
        if node not in self.made:
            return None
        # Either way: a clock that was ahead may have stamped it.
        age = abs(self.now - self.made[node].time)
        if node in self.outdated and age >= RECENT:
            return "its code has changed"
        if node in self.young and age >= self._old:
            return "it is a day old"
        return None

    @cached_property
    def _old(self) -> float:
        """Seconds, from which on what is to stay young is old; less while something is."""
        times = (self.made[node].time for node in self.young if node in self.made)
        return OLD - SOON_OLD if any(abs(self.now - at) >= OLD for at in times) else OLD


@dataclass(frozen=True)
class Due:
    """What to make, and why."""

    newer: tuple[Node, ...]
    """The parents that are newer, or that are made in the same run."""
    upstream: int
    """The newest of what it is asked for; 0 for what only comes along."""
    why: str | None = None
    """Another reason than those."""
    attempt: int = 1
    """1, or more where runs failed that were asked for the same."""


@dataclass(frozen=True)
class Plan:
    """What to make now, and why the others that are behind have to wait."""

    asked: dict[Node, Due] = field(default_factory=dict)
    waiting: dict[Node, str] = field(default_factory=dict)


def plan(
    parents: Mapping[Node, Collection[Node]], records: Records, first: Set[Node] = frozenset()
) -> Plan:
    """What to make now: all that is behind, in one run with all that is made from it.

    What failed is tried again after a pause, and then without what is made from it: that would be
    skipped with it once more, whatever else it waits for.

    Args:
        parents: each node that may be asked for -> what it is made from; parents come first.
        first: what the same run makes before anything else.
    """
    found = Plan()
    undecided = set(records.busy)
    for node, above in parents.items():
        along = [parent for parent in above if parent in first or _is_first_try(found, parent)]
        newer = [parent for parent in records.unseen(node, above) if parent not in along]
        why = records.due(node)
        if not along and not newer and not why:
            continue
        wanted = [records.version(parent).at for parent in newer]
        upstream = max([*wanted, records.made[node].at] if why else wanted, default=0)
        failure = None if along else _last_failure(records, node, newer, upstream)
        obstacle = _obstacle(node, above, along, records, undecided)
        if obstacle:
            found.waiting[node] = obstacle
        elif failure and records.now < failure.retry_at:
            minutes = (failure.retry_at - records.now) / 60
            found.waiting[node] = f"failed {failure.attempt} times, again in {minutes:.0f} min"
        else:
            attempt = failure.attempt + 1 if failure else 1
            found.asked[node] = Due((*along, *newer), upstream, why, attempt)
        if obstacle in (_BUSY, _BEFORE) or (node in found.asked and found.asked[node].attempt > 1):
            undecided.add(node)
    return found


def _is_first_try(found: Plan, node: Node) -> bool:
    return node in found.asked and found.asked[node].attempt == 1


def _obstacle(
    node: Node,
    above: Collection[Node],
    along: Collection[Node],
    records: Records,
    undecided: Set[Node],
) -> str | None:
    """Why a node cannot be made now."""
    if node in records.busy:
        return _BUSY
    apart = [parent for parent in above if parent not in along]
    if any(parent in undecided for parent in apart):
        return _BEFORE
    for parent in apart:
        if parent not in records.made:
            return f"{parent} was never made"
        if parent in records.unsound:
            return f"{parent} fails its check {records.unsound[parent]}"
    return None


def _last_failure(
    records: Records, node: Node, newer: Collection[Node], upstream: int
) -> Failure | None:
    """The newest run that failed on the same versions of what is above, or on what it had itself
    made of that."""

    def knew(failure: Failure) -> bool:
        if upstream <= failure.upstream:
            return True
        versions = [records.version(parent) for parent in newer]
        return failure.run is not None and all(
            made.at <= failure.upstream or made.run == failure.run for made in versions
        )

    return next((f for f in records.failures if node in f.nodes and knew(f)), None)
