"""Which overdue days are asked for, in what order and how often."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.ingestion.catching_up import PAUSES, CatchUp

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONGEST = 31
DAYS = [date(2025, 2, 20) - timedelta(days=k) for k in range(100)]

overdue_days = st.sets(st.sampled_from(DAYS), max_size=60)


class Outage:
    """Days that are overdue, of which the source refuses some, asked for every minute by a sensor
    that has nothing but the text it left."""

    def __init__(self, overdue: set[date], refused: set[date]) -> None:
        self.overdue, self.refused = set(overdue), refused
        self.now = NOON
        self.text: str | None = None
        self.asked: list[tuple[datetime, list[date]]] = []

    def tick(self) -> list[date]:
        plan = CatchUp.from_json(self.text)
        days = plan.ask(sorted(self.overdue, reverse=True), self.now, LONGEST)
        self.text = plan.to_json()
        if days:
            self.asked.append((self.now, days))
            self.overdue -= set(days) - self.refused
        self.now += MINUTE
        return days

    def pass_by(self, time: timedelta) -> None:
        until = self.now + time
        while self.now < until:
            self.tick()


def test_an_outage_is_made_up_for_newest_first_in_stretches_of_bounded_length() -> None:
    outage = Outage(set(DAYS[:70]), refused=set())
    stretches = [outage.tick() for _ in range(4)]
    assert stretches == [DAYS[:31], DAYS[31:62], DAYS[62:70], []]


def test_nothing_is_asked_for_when_nothing_is_overdue() -> None:
    assert Outage(set(), set()).tick() == []


def test_a_day_that_is_refused_for_ever_is_asked_for_after_growing_pauses() -> None:
    outage = Outage({DAYS[0]}, refused={DAYS[0]})
    outage.pass_by(timedelta(days=5))
    times = [at for at, _ in outage.asked]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[: len(PAUSES)] == list(PAUSES)
    assert set(pauses[len(PAUSES) :]) == {PAUSES[-1]}


@given(overdue_days, st.sets(st.sampled_from(DAYS), max_size=5))
def test_days_that_are_refused_keep_none_of_the_others_out(
    overdue: set[date], refused: set[date]
) -> None:
    outage = Outage(overdue, refused & overdue)
    for _ in range(24 * 60):
        outage.tick()
        if outage.overdue == outage.refused:
            break
    assert outage.overdue == outage.refused
    assert all((days[0] - days[-1]).days < LONGEST for _, days in outage.asked)
    counted = [day for _, days in outage.asked for day in days]
    assert all(counted.count(day) == 1 for day in overdue - refused)


def test_a_day_that_becomes_overdue_is_asked_for_within_the_shortest_pause() -> None:
    outage = Outage({DAYS[5]}, refused={DAYS[5]})
    outage.pass_by(timedelta(hours=30))
    before = outage.now
    outage.overdue.add(DAYS[0])
    outage.pass_by(PAUSES[0] + MINUTE)
    assert any(DAYS[0] in days for at, days in outage.asked if at >= before)


def test_a_source_that_refuses_everything_is_asked_for_a_stretch_in_a_quarter_of_an_hour() -> None:
    outage = Outage(set(DAYS), refused=set(DAYS))
    outage.pass_by(timedelta(hours=1))
    assert [at - NOON for at, _ in outage.asked] == [k * PAUSES[0] for k in range(4)]


def test_what_is_left_alone_is_not_within_a_stretch() -> None:
    outage = Outage({DAYS[3]}, refused={DAYS[3]})
    outage.tick()
    outage.overdue |= set(DAYS[:6])
    outage.pass_by(PAUSES[0] + 2 * MINUTE)
    stretches = [days for _, days in outage.asked[1:]]
    assert stretches[0] == DAYS[:6]  # the pause of that day is over, too


def test_without_its_notes_it_begins_anew() -> None:
    outage = Outage({DAYS[0]}, refused={DAYS[0]})
    outage.tick()
    outage.text = None
    assert outage.tick() == [DAYS[0]]
