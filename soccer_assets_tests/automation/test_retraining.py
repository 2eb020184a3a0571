"""Simulated years of decisions: nothing storms, nothing falls silent, whatever the world does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.automation.retraining import (
    AGE,
    NO_CHAMPION,
    NO_MODEL,
    RECIPE,
    Ask,
    Attempt,
    Bar,
    Evidence,
    Failing,
    Outcome,
    Thresholds,
    Wait,
    decide,
)
from soccer_assets.params.retraining import RetrainingParams

HOUR, DAY = 3600.0, 86400.0
STEP = 4 * HOUR
MATCHES_A_DAY = 60
FAILED, REFUSED, ACCEPTED = Outcome.FAILED, Outcome.REFUSED, Outcome.ACCEPTED
PACE = RetrainingParams()
LONGEST = PACE.longest_pause.total_seconds()


def attempt(
    days_ago: float,
    outcome: Outcome,
    *reasons: str,
    matches: int | None = 10_000,
    recipe: str = "r",
) -> Attempt:
    at = -days_ago * DAY
    return Attempt(at, outcome, frozenset(reasons), at + 60, matches, recipe)


def evidence(
    *failing: str, matches: int | None = 20_000, recipe: str | None = "r", champion: bool = True
) -> Evidence:
    return Evidence({name: Failing(0.0) for name in failing}, matches, recipe, champion)


@dataclass
class World:
    """What happens by itself, and what a training comes to."""

    comes_to: Callable[[int], Outcome]
    failing: Callable[[float, list[Attempt]], set[str]] = lambda now, attempts: set()
    recipe: Callable[[float], str] = lambda now: "r"
    matches_a_day: float = MATCHES_A_DAY
    matches: int = 20_000
    attempts: list[Attempt] = field(default_factory=lambda: [attempt(0, ACCEPTED, matches=20_000)])
    waits: list[tuple[float, Wait]] = field(default_factory=list)

    def lives(self, days: int, step: float = STEP) -> list[Attempt]:
        """The attempts of so many days, the newest first."""
        before = len(self.attempts)
        has_champion = any(one.outcome is ACCEPTED for one in self.attempts)
        for steps in range(1, int(days * DAY / step) + 1):
            now = steps * step
            asking = self.failing(now, self.attempts)
            known = Evidence(
                {name: Failing(now - 60) for name in sorted(asking)},
                self.matches + int(self.matches_a_day * now / DAY),
                self.recipe(now),
                has_champion,
            )
            decision = decide(now, self.attempts, known)
            if isinstance(decision, Wait):
                self.waits.append((now, decision))
                continue
            outcome = self.comes_to(len(self.attempts) - before)
            has_champion |= outcome is ACCEPTED
            self.attempts.insert(
                0,
                Attempt(
                    now,
                    outcome,
                    frozenset(decision.reasons),
                    now + 600,
                    known.matches,
                    known.recipe,
                    known.recipe,
                ),
            )
        return self.attempts[: len(self.attempts) - before]


def always(outcome: Outcome) -> Callable[[int], Outcome]:
    return lambda count: outcome


def staying(*names: str) -> Callable[[float, list[Attempt]], set[str]]:
    return lambda now, attempts: set(names)


def doubling(years: float = 1.0) -> int:
    """Attempts of pauses that double up to the longest."""
    first, pause, count, at = PACE.cool_down.total_seconds(), 0.0, 0, 0.0
    while at < years * 365 * DAY:
        pause = min(max(first, pause * 2), LONGEST)
        at += pause
        count += 1
    return count


# Storms


@pytest.mark.parametrize("outcome", [FAILED, REFUSED, ACCEPTED])
@pytest.mark.parametrize("reason", ["shift", "volume", "decay"])
def test_what_stays_asks_less_and_less(outcome: Outcome, reason: str) -> None:
    """A challenger refused for ever, a training that always fails, what no training cures."""
    asked = World(always(outcome), staying(reason)).lives(365)
    bound = doubling() + 3  # and age, where volume asks for a training by its growth alone
    assert 17 <= len(asked) <= (bound if reason != "volume" or outcome is FAILED else 45)


def test_nothing_is_asked_for_while_a_year_goes_by_without_a_result_but_for_age() -> None:
    asked = World(always(REFUSED), staying("shift"), matches_a_day=0).lives(365)
    assert len(asked) <= 365 / 20
    assert all(AGE in one.reasons for one in asked)


def test_two_code_servers_that_answer_by_turns_cause_no_storm() -> None:
    for outcome in (FAILED, REFUSED, ACCEPTED):
        turns = World(always(outcome), recipe=lambda now: "ab"[int(now / STEP) % 2])
        assert len(turns.lives(365)) <= doubling() + 5


def test_runs_of_other_code_than_the_server_cause_no_storm() -> None:
    """What they make is never what is asked for."""
    attempts = [attempt(0, ACCEPTED)]
    for steps in range(int(365 * DAY / STEP)):
        now = steps * STEP
        if isinstance(decide(now, attempts, evidence(recipe="new")), Ask):
            made = Attempt(now, ACCEPTED, frozenset({RECIPE}), now + 60, 20_000, "old", "new")
            attempts.insert(0, made)
    assert 20 <= len(attempts) <= doubling() + 3


@settings(max_examples=40, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from([FAILED, REFUSED, ACCEPTED]), min_size=1, max_size=40),
    reasons=st.lists(
        st.frozensets(st.sampled_from(["shift", "volume", "decay"])), min_size=1, max_size=40
    ),
    recipes=st.lists(st.sampled_from("abc"), min_size=1, max_size=10),
    matches_a_day=st.sampled_from([0.0, 3.0, 60.0, 500.0]),
)
def test_whatever_happens_attempts_keep_apart(
    outcomes: list[Outcome], reasons: list[frozenset[str]], recipes: list[str], matches_a_day: float
) -> None:
    world = World(
        lambda count: outcomes[count % len(outcomes)],
        lambda now, attempts: set(reasons[int(now / DAY / 3) % len(reasons)]),
        lambda now: recipes[int(now / DAY / 7) % len(recipes)],
        matches_a_day,
    )
    asked = [*reversed(world.lives(120, 6 * HOUR))]
    before = attempt(0, ACCEPTED, matches=20_000)
    trained = before
    for one in asked:
        apart = one.began - before.began
        is_new_try = before.outcome is FAILED and one.recipe != before.recipe
        assert apart >= PACE.cool_down.total_seconds() or is_new_try
        assert one.matches is not None
        assert trained.matches is not None
        by_itself = {AGE, RECIPE} & one.reasons
        assert one.matches - trained.matches >= PACE.min_new_matches or by_itself
        trained = one if one.trained else trained
        before = one


# Silence


def test_no_model_is_asked_for_at_once() -> None:
    assert decide(0.0, [], evidence()) == Ask({NO_MODEL: "there is no model yet"})


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
def test_what_came_to_nothing_once_is_asked_for_again_within_a_day(outcome: Outcome) -> None:
    for champion in (True, False):
        known = evidence("shift", matches=10_500, champion=champion)
        decision = decide(0.0, [attempt(23.5 / 24, outcome, "shift"), attempt(9, ACCEPTED)], known)
        assert isinstance(decision, Ask)


def test_nothing_is_silent_for_longer_than_the_longest_pause() -> None:
    for outcome in (FAILED, REFUSED, ACCEPTED):
        world = World(always(outcome), staying("shift"))
        began = [one.began for one in reversed(world.lives(365))]
        gaps = [after - before for before, after in pairwise(began)]
        assert max(gaps) <= LONGEST + STEP


def test_without_a_champion_it_is_tried_again_and_at_once_on_twice_the_matches() -> None:
    first = attempt(1 / 24, REFUSED, NO_MODEL, matches=500)
    waits = decide(0.0, [first], evidence(matches=1000, champion=False))
    assert isinstance(waits, Wait)
    assert waits.bar is Bar.COOL_DOWN
    assert set(waits.reasons) == {NO_CHAMPION}
    assert isinstance(decide(0.0, [first], evidence(matches=1001, champion=False)), Ask)
    assert isinstance(decide(DAY, [first], evidence(matches=500, champion=False)), Ask)


def test_what_failed_is_tried_at_once_by_new_code() -> None:
    failed = attempt(0.1, FAILED, "shift", recipe="broken")
    attempts = [failed, attempt(9, ACCEPTED, recipe="old")]
    known = evidence("shift", matches=10_300, recipe="broken")
    assert isinstance(decide(0.0, attempts, known), Wait)
    assert isinstance(decide(0.0, attempts, evidence("shift", matches=10_300, recipe="new")), Ask)


def test_a_model_asks_by_its_age_before_anybody_is_warned_of_it() -> None:
    """However many were refused before."""
    refused = [attempt(20 + 0.01 + 16 * i, REFUSED, AGE) for i in range(12)]
    decision = decide(0.0, refused, evidence(matches=10_000))
    assert isinstance(decision, Ask)
    assert set(decision.reasons) == {AGE}
    longest = RetrainingParams.model_json_schema()["properties"]["longest_pause_days"]["maximum"]
    assert timedelta(days=longest) <= Thresholds().age


# What counts


def test_all_reasons_that_hold_are_told() -> None:
    known = evidence("shift", "decay", recipe="new")
    decision = decide(0.0, [attempt(30, ACCEPTED)], known)
    assert isinstance(decision, Ask)
    assert list(decision.reasons) == ["shift", "decay", AGE, RECIPE]


def test_a_new_reason_ends_the_pause_and_the_same_one_does_not() -> None:
    vain = [attempt(days, REFUSED, "shift") for days in (2, 4, 6, 8)] + [attempt(99, ACCEPTED)]
    waits = decide(0.0, vain, evidence("shift"))
    assert isinstance(waits, Wait)
    assert waits.bar is Bar.BACKING_OFF
    assert waits.why.startswith("backing off after 4 refused attempts until ")
    assert isinstance(decide(0.0, vain, evidence("shift", "decay")), Ask)


def test_a_report_from_before_the_last_training_is_no_reason() -> None:
    old = Evidence({"shift": Failing(-2 * DAY)}, 20_000, "r")
    assert decide(0.0, [attempt(1.5, ACCEPTED)], old).bar is Bar.NOTHING_ASKS
    failed = [attempt(1.5, FAILED), attempt(9, ACCEPTED)]
    assert isinstance(decide(0.0, failed, old), Ask)


def test_volume_asks_by_what_came_in_since_the_last_training_not_since_the_champions() -> None:
    attempts = [attempt(3, REFUSED, "volume", matches=12_000), attempt(60, ACCEPTED)]
    assert decide(0.0, attempts, evidence("volume", matches=12_499)).bar is Bar.NOTHING_ASKS
    assert isinstance(decide(0.0, attempts, evidence("volume", matches=12_500)), Ask)


def test_a_recipe_that_was_tried_refused_and_taken_back_asks_for_nothing() -> None:
    attempts = [attempt(2, REFUSED, recipe="tried"), attempt(9, ACCEPTED, recipe="old")]
    assert decide(0.0, attempts, evidence(recipe="old")).bar is Bar.NOTHING_ASKS
    assert decide(0.0, attempts, evidence(recipe="tried")).bar is Bar.NOTHING_ASKS
    assert isinstance(decide(0.0, attempts, evidence(recipe="new")), Ask)
    never_accepted = [attempt(2, REFUSED, recipe="tried"), attempt(9, REFUSED, recipe="old")]
    assert isinstance(decide(0.0, never_accepted, evidence(recipe="old")), Ask)


def test_few_new_matches_keep_a_report_from_asking_but_not_age_or_recipe() -> None:
    attempts = [attempt(3, ACCEPTED)]
    waits = decide(0.0, attempts, evidence("shift", matches=10_199))
    assert isinstance(waits, Wait)
    assert waits.why == "199 of 200 newly settled matches since the last training"
    assert isinstance(decide(0.0, attempts, evidence("shift", matches=10_200)), Ask)
    assert isinstance(decide(0.0, attempts, evidence("shift", matches=10_000, recipe="n")), Ask)


def test_what_nobody_wrote_down_bars_nothing() -> None:
    attempts = [attempt(3, ACCEPTED, matches=None)]
    assert isinstance(decide(0.0, attempts, evidence("shift", matches=None, recipe=None)), Ask)


def test_a_running_training_is_waited_for() -> None:
    running = attempt(0.1, Outcome.RUNNING)
    assert decide(0.0, [running, attempt(9, ACCEPTED)], evidence("shift")).bar is Bar.RUNNING


def test_a_clock_that_was_ahead_bars_for_a_cool_down_at_most() -> None:
    ahead = attempt(-400, REFUSED)
    assert isinstance(decide(0.0, [ahead], evidence("shift")), Ask)
