"""Whatever happens in whatever order, everything ends up made from what there is above."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.automation.behind import (
    LONGEST_PAUSE,
    OLD,
    PAUSE,
    RECENT,
    SOON_OLD,
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
#: Of a source a letter, of what is made from others what they were.
Content = str | tuple["Content", ...]


@dataclass
class Run:
    name: str
    began: int
    todo: list[Node]
    upstream: int
    attempt: int
    nodes: frozenset[Node]
    found: dict[Node, Content]
    """What there was when it began."""


@dataclass
class World:
    """Runs that read what is above when they begin, or as late as when they make something."""

    clock: int = 0
    made: dict[Node, Made] = field(default_factory=dict)
    changed: dict[Node, Made] = field(default_factory=dict)
    content: dict[Node, Content] = field(default_factory=dict)
    read: dict[Node, dict[Node, Content]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    names: int = 0

    def now(self) -> int:
        self.clock += 1
        return self.clock

    def plan(self, now: float = NEVER) -> Plan:
        busy = frozenset(node for run in self.runs for node in run.nodes)
        records = Records(
            self.made, changed=self.changed, busy=busy, failures=self.failures, now=now
        )
        return plan(GRAPH, records)

    def make(self, node: Node, content: Content, run: Run | None = None) -> None:
        at = self.now()
        self.made[node] = Made(at, run.began, run.name) if run else Made(at, at)
        if self.content.get(node) != content:
            self.changed[node] = self.made[node]
        self.content[node] = content

    def source(self, node: Node, content: str) -> None:
        self.make(node, content)

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
            dict(self.content),
        )
        self.runs.append(run)

    def step(self, index: int, late: bool = False) -> None:
        if not self.runs:
            return
        run = self.runs[index % len(self.runs)]
        node = run.todo.pop(0)
        there = {
            parent: self.content if late or parent in run.nodes else run.found
            for parent in GRAPH[node]
        }
        if all(parent in there[parent] for parent in GRAPH[node]):
            read = {parent: there[parent][parent] for parent in GRAPH[node]}
            self.read[node] = read
            # Some changes make no difference to the lake.
            lossy = node == LAKE and read[DAYS] in ("a", "b")
            self.make(node, "same" if lossy else tuple(read.values()), run)
        if not run.todo:
            self.runs.remove(run)

    def fail(self, index: int) -> None:
        if not self.runs:
            return
        run = self.runs.pop(index % len(self.runs))
        self.failures.insert(
            0, Failure(run.nodes, run.upstream, run.attempt, float(self.now()), run.name)
        )


ACTIONS = st.one_of(
    st.tuples(st.just("source"), st.sampled_from(SOURCES), st.sampled_from("abc")),
    st.tuples(st.just("ask")),
    st.tuples(st.just("step"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("by hand"), st.sampled_from(list(GRAPH))),
)


@given(st.lists(ACTIONS, max_size=40))
def test_in_the_end_everything_is_made_from_what_there_is_and_nothing_is_asked_for(
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
            assert world.read[node] == {parent: world.content[parent] for parent in parents}
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


@pytest.mark.parametrize(
    ("made", "changed", "behind"),
    [
        (Made(10, 9, "c"), Made(5, 4, "a"), False),  # and again after it, all the same
        (Made(8, 8, "c"), Made(5, 4, "a"), False),  # during its run
        (Made(10, 9, "c"), Made(8, 4, "a"), True),  # changed during its run
        (Made(10, 9, "c"), Made(8, 7, "b"), False),  # changed by its run
    ],
)
def test_a_parent_that_was_made_again_and_is_the_same_leaves_nothing_behind(
    made: Made, changed: Made, behind: bool
) -> None:
    children = {CHILD: Made(9, 7, "b"), GRANDCHILD: Made(20, 19, "c")}
    assert (
        CHILD in asked(Records({PARENT: made, **children}, changed={PARENT: changed}))
    ) == behind


def test_what_is_to_stay_young_is_made_once_a_day_with_what_is_made_from_it() -> None:
    made = {node: Made(at, at, time=1000.0) for at, node in enumerate([PARENT, *FAMILY])}
    young = frozenset({CHILD})
    assert asked(Records(made, young=young, now=1000 + OLD - 1)) == {}
    assert asked(Records(made, now=1000 + OLD)) == {}
    assert asked(Records(made, young=young, now=1000 + OLD)) == {CHILD: 1, GRANDCHILD: 1}
    # The clock was ahead.
    assert asked(Records(made, young=young, now=1000 - OLD)) == {CHILD: 1, GRANDCHILD: 1}
    assert asked(Records({}, young=young, now=1000 + OLD)) == {}


def test_what_is_nearly_a_day_old_is_made_with_what_is() -> None:
    other = Node("other")
    young = frozenset({CHILD, other})
    for later, wanted in ((SOON_OLD, {CHILD, other}), (SOON_OLD + 1, {CHILD})):
        made = {
            PARENT: Made(1, 0, time=1000),
            CHILD: Made(3, 2, time=1000),
            other: Made(5, 4, time=1000 + later),
        }
        parents = {CHILD: [PARENT], other: [PARENT]}
        found = plan(parents, Records(made, young=young, now=1000 + OLD))
        assert set(found.asked) == wanted
        assert plan(parents, Records(made, young=young, now=999 + OLD)).asked == {}


def test_what_was_made_by_other_code_is_made_again_but_not_over_and_over() -> None:
    """Its run may have the other code, too."""
    made = {node: Made(at, at, time=1000.0) for at, node in enumerate([PARENT, *FAMILY])}
    other = Records(made, outdated=frozenset({CHILD}))
    assert asked(replace(other, now=1000 + RECENT)) == {CHILD: 1, GRANDCHILD: 1}
    assert asked(replace(other, now=1000 + RECENT - 1)) == {}


def test_a_daily_run_that_fails_is_tried_again_after_a_pause() -> None:
    made = {node: Made(at, at) for at, node in enumerate([PARENT, *FAMILY], 1)}
    old = Records(made, young=frozenset({CHILD}), now=OLD)
    [due, _] = plan(FAMILY, old).asked.values()
    failed = [Failure(frozenset({CHILD}), due.upstream, 1, ended=OLD)]
    assert asked(replace(old, failures=failed)) == {}
    assert asked(replace(old, failures=failed, now=OLD + PAUSE)) == {CHILD: 2}
    # A failure of the day before is none of this one's.
    again = {**made, CHILD: Made(9, 9)}
    assert asked(replace(old, made=again, failures=failed)) == {CHILD: 1, GRANDCHILD: 1}


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
