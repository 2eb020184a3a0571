"""Whatever happens in whatever order, everything ends up made from the newest of what is above."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.automation.behind import (
    LONGEST_PAUSE,
    PAUSE,
    Failure,
    Made,
    Node,
    Plan,
    Records,
    plan,
)

SOURCES = (Node("days"), Node("champion"))
DAYS, CHAMPION = SOURCES
LAKE, TABLE, SERVED, WORKERS, REPORT = map(Node, ("lake", "table", "served", "workers", "report"))
GRAPH = {
    LAKE: [DAYS],
    TABLE: [LAKE],
    SERVED: [TABLE, CHAMPION],
    WORKERS: [SERVED],
    REPORT: [LAKE, SERVED],
}
NEVER = 1e12


@dataclass
class Run:
    name: str
    began: int
    todo: list[Node]
    upstream: int
    attempt: int
    nodes: frozenset[Node]
    found: dict[Node, Made]
    """What there was when it began."""


@dataclass
class World:
    """Runs that read what is above when they begin, or as late as when they make something."""

    clock: int = 0
    made: dict[Node, Made] = field(default_factory=dict)
    read: dict[Node, dict[Node, int]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    names: int = 0

    def now(self) -> int:
        self.clock += 1
        return self.clock

    def plan(self, now: float = NEVER) -> Plan:
        busy = frozenset(node for run in self.runs for node in run.nodes)
        return plan(GRAPH, Records(self.made, busy=busy, failures=self.failures, now=now))

    def source(self, node: Node) -> None:
        at = self.now()
        self.made[node] = Made(at, at)

    def ask(self) -> bool:
        """Start a run for each try, as many as are asked for."""
        asked = self.plan().asked
        for attempt in sorted({due.attempt for due in asked.values()}):
            nodes = [node for node in asked if asked[node].attempt == attempt]
            self.begin(nodes, max(asked[node].upstream for node in nodes), attempt)
        return bool(asked)

    def begin(self, nodes: list[Node], upstream: int = 0, attempt: int = 1) -> None:
        self.names += 1
        run = Run(
            f"run {self.names}",
            self.now(),
            nodes,
            upstream,
            attempt,
            frozenset(nodes),
            dict(self.made),
        )
        self.runs.append(run)

    def step(self, index: int, late: bool = False) -> None:
        if not self.runs:
            return
        run = self.runs[index % len(self.runs)]
        node = run.todo.pop(0)
        there = {
            parent: self.made if late or parent in run.nodes else run.found
            for parent in GRAPH[node]
        }
        if all(parent in there[parent] for parent in GRAPH[node]):
            self.read[node] = {parent: there[parent][parent].at for parent in GRAPH[node]}
            self.made[node] = Made(self.now(), run.began, run.name)
        if not run.todo:
            self.runs.remove(run)

    def fail(self, index: int) -> None:
        if not self.runs:
            return
        run = self.runs.pop(index % len(self.runs))
        self.failures.insert(0, Failure(run.nodes, run.upstream, run.attempt, float(self.now())))


ACTIONS = st.one_of(
    st.tuples(st.just("source"), st.sampled_from(SOURCES)),
    st.tuples(st.just("ask")),
    st.tuples(st.just("step"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("by hand"), st.sampled_from(list(GRAPH))),
)


@given(st.lists(ACTIONS, max_size=40))
def test_in_the_end_everything_is_made_from_the_newest_and_nothing_is_asked_for(
    actions: list[tuple],  # type: ignore[type-arg]
) -> None:
    world = World()
    for action, *details in actions:
        if action == "by hand":
            world.begin([details[0]])
        else:
            getattr(world, action)(*details)
    for _ in range(100):
        while world.runs:
            world.step(0)
        if not world.ask():
            break
    else:
        pytest.fail(f"still asked for: {world.plan().asked}")
    for node, parents in GRAPH.items():
        if all(parent in world.made for parent in parents):
            newest = {parent: world.made[parent].at for parent in parents}
            assert world.read[node] == newest
        else:
            assert node not in world.made


@given(st.lists(ACTIONS, max_size=40))
def test_nothing_is_asked_for_that_a_run_makes_or_whose_parents_another_run_makes(
    actions: list[tuple],  # type: ignore[type-arg]
) -> None:
    world = World()
    for action, *details in actions:
        if action == "by hand":
            world.begin([details[0]])
        else:
            getattr(world, action)(*details)
        busy = {node for run in world.runs for node in run.nodes}
        for node in world.plan().asked:
            assert not busy & {node, *GRAPH[node]}


# One at a time

PARENT, CHILD, GRANDCHILD = map(Node, ("parent", "child", "grandchild"))
FAMILY: Mapping[Node, list[Node]] = {CHILD: [PARENT], GRANDCHILD: [CHILD]}


def asked(records: Records) -> dict[Node, int]:
    """What is asked for -> which try it is."""
    return {node: due.attempt for node, due in plan(FAMILY, records).asked.items()}


@pytest.mark.parametrize(
    ("parent", "child", "behind"),
    [
        (Made(5, 4, "a"), Made(9, 7, "b"), False),
        (Made(8, 4, "a"), Made(9, 7, "b"), True),  # during the run
        (Made(10, 4, "a"), Made(9, 7, "b"), True),  # after it
        (Made(8, 7, "b"), Made(9, 7, "b"), False),  # by the same run
        (Made(8, 8), Made(9, 9), False),  # by no run
        (Made(10, 10), Made(9, 9), True),
    ],
)
def test_a_child_is_behind_if_its_run_had_begun_before_its_parent_was_made(
    parent: Made, child: Made, behind: bool
) -> None:
    records = Records({PARENT: parent, CHILD: child, GRANDCHILD: Made(20, 19, "c")})
    assert (CHILD in asked(records)) == behind


def test_what_never_was_is_made_once_all_that_it_needs_is_there() -> None:
    assert asked(Records({})) == {}
    assert asked(Records({PARENT: Made(1, 1)})) == {CHILD: 1, GRANDCHILD: 1}


def test_what_was_judged_and_not_made_is_left_alone_until_there_is_something_new() -> None:
    made = {PARENT: Made(3, 2, "a")}
    assert asked(Records(made, judged={CHILD: Made(6, 5, "b")})) == {}
    assert CHILD in asked(Records(made | {PARENT: Made(9, 8, "c")}, judged={CHILD: Made(6, 5)}))


def test_pauses_double_up_to_a_bound_and_a_newer_version_ends_them() -> None:
    made = {PARENT: Made(3, 2, "a"), CHILD: Made(1, 1)}
    nodes = frozenset({CHILD, GRANDCHILD})
    for attempt in range(1, 40):
        failure = Failure(nodes, upstream=3, attempt=attempt, ended=1000.0)
        pause = min(PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
        early = Records(made, failures=[failure], now=1000 + pause - 1)
        due = Records(made, failures=[failure], now=1000 + pause)
        assert asked(early) == {}
        assert f"failed {attempt} times" in plan(FAMILY, early).waiting[CHILD]
        # Without what is made from it, which would only be skipped again.
        assert asked(due) == {CHILD: attempt + 1}
        newer = {PARENT: Made(4, 4), CHILD: Made(1, 1)}
        assert asked(Records(newer, failures=[failure], now=1000)) == {CHILD: 1, GRANDCHILD: 1}
