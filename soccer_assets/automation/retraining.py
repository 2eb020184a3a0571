"""Whether to train now, and why: a pure function of what is known.

What is known is the state of things: the trainings that were tried and what became of them, what
the reports say, how many results there are, and by what recipe a model would be made. Nothing is
remembered between two decisions, so nothing is lost with a cursor, a reload or a failed run.

A training is asked for by what it could cure, and only if it would know more than the last attempt
did. Three things keep attempts apart:

- a cool-down after every attempt, whatever became of it;
- of a report's failure, so many newly settled matches since the last training;
- of vain attempts (failed, refused, or asked for again by the same), a pause that doubles.

New evidence ends the pause, never the cool-down: a reason or a recipe that none of the vain attempts
had. There are a handful of reasons, so that happens a handful of times. Only where the last attempt
failed, or there is no champion, is it tried at once on twice the matches or by a new recipe.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from soccer_assets.monitoring.volume import volume_gain
from soccer_assets.params.retraining import RetrainingParams

#: Reasons that no report gives.
NO_MODEL, NO_CHAMPION, AGE, RECIPE = "no model yet", "no champion yet", "age", "recipe"
VOLUME = "volume"
#: What a training cures as soon as it succeeds, whether or not its model is promoted: the next time it
#: is a reason, there is as much more to learn from as before, or a model is as old.
_SPENT_BY_TRAINING = frozenset({VOLUME, AGE})


class Outcome(StrEnum):
    """What became of an attempt."""

    RUNNING = "running"
    FAILED = "failed"
    """Or canceled, or it found that there is too little to learn from."""
    REFUSED = "refused"
    """There is a model, and it is not the champion and never was."""
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Attempt:
    """A training that was begun."""

    began: float
    """In seconds since 1970, as all times here."""
    outcome: Outcome
    reasons: Set[str] = frozenset()
    ended: float = 0.0
    matches: int | None = None
    """Settled ones that there were; None: nobody wrote it down."""
    recipe: str | None = None
    """By which the model was made, or was to be."""
    asked_recipe: str | None = None
    """By which who asked for it thought that it would be made: other code, after an update."""

    @property
    def trained(self) -> bool:
        return self.outcome in (Outcome.REFUSED, Outcome.ACCEPTED)


@dataclass(frozen=True)
class Failing:
    """A report's check that fails."""

    since: float
    """When it was evaluated last."""
    found: str = ""


@dataclass(frozen=True)
class Evidence:
    """What there is now."""

    failing: Mapping[str, Failing] = field(default_factory=dict)
    """Reason -> the check that gives it, of those that fail."""
    matches: int | None = None
    """Settled ones; None: unknown."""
    recipe: str | None = None
    """By which a model would be made now; None: unknown, or about to change."""
    has_champion: bool = True


@dataclass(frozen=True)
class Thresholds:
    """When what is a reason, beside the reports."""

    pace: RetrainingParams = field(default_factory=RetrainingParams)
    age: timedelta = timedelta(days=20)
    """Of the last training."""
    volume_min_share: float = 0.02
    volume_min_rows: int = 500


class Bar(StrEnum):
    """What keeps a training from being asked for."""

    NOTHING_ASKS = "nothing asks"
    RUNNING = "a training runs"
    COOL_DOWN = "cool-down"
    BACKING_OFF = "backing off"
    FEW_MATCHES = "too few new matches"


@dataclass(frozen=True)
class Ask:
    """Train now."""

    reasons: Mapping[str, str]
    """All that hold -> in words."""
    bar: None = None
    why: str = ""


@dataclass(frozen=True)
class Wait:
    """Do not."""

    bar: Bar
    why: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    """All that hold all the same -> in words."""


def decide(
    now: float,
    attempts: Sequence[Attempt],
    evidence: Evidence,
    thresholds: Thresholds = Thresholds(),  # immutable
) -> Ask | Wait:
    """Whether to train now.

    Args:
        attempts: the newest first; as many as a doubled pause goes back, and more do no harm.
    """
    reasons = dict(_reasons(now, attempts, evidence, thresholds))
    if attempts and attempts[0].outcome is Outcome.RUNNING:
        return Wait(Bar.RUNNING, "a training runs", reasons)
    if not reasons:
        return Wait(Bar.NOTHING_ASKS, "nothing asks for a training")
    if not attempts:
        return Ask(reasons)
    pausing = None
    if not _is_a_new_start(attempts, evidence):
        pausing = _pausing(now, attempts, evidence, thresholds, reasons)
    return (
        pausing or _knowing_too_little_more(attempts, evidence, thresholds, reasons) or Ask(reasons)
    )


def _reasons(
    now: float, attempts: Sequence[Attempt], evidence: Evidence, thresholds: Thresholds
) -> Iterable[tuple[str, str]]:
    trained = _last_trained(attempts)
    if trained is None:
        yield NO_MODEL, "there is no model yet"
        return
    if not evidence.has_champion:
        yield NO_CHAMPION, "no model has become champion yet"
    for reason, check in evidence.failing.items():
        # What was found before the last training it has taken into account.
        if check.since <= trained.ended:
            continue
        if reason == VOLUME and not _has_gained(trained, evidence, thresholds):
            continue
        yield reason, f"{reason}: {check.found}" if check.found else reason
    if (age := _between(now, trained.ended)) >= thresholds.age.total_seconds():
        yield AGE, f"the last training is {age / 86400:.0f} days old"
    if _is_another_recipe(trained, attempts, evidence):
        yield RECIPE, "code, parameters or features have changed since the last training"


def _is_another_recipe(trained: Attempt, attempts: Sequence[Attempt], evidence: Evidence) -> bool:
    """Whether it is neither that of the last training nor of the last that was accepted: to what was
    tried in between, refused and taken back, the champion is the answer."""
    if evidence.recipe is None:
        return False
    accepted = next((one for one in attempts if one.outcome is Outcome.ACCEPTED), trained)
    return all(one.recipe not in (None, evidence.recipe) for one in (trained, accepted))


def _has_gained(trained: Attempt, evidence: Evidence, thresholds: Thresholds) -> bool:
    """Whether as many matches have come in since that training as are worth another one."""
    if trained.matches is None or evidence.matches is None:
        return True
    return volume_gain(
        evidence.matches, trained.matches, thresholds.volume_min_share, thresholds.volume_min_rows
    ).enough


def _is_a_new_start(attempts: Sequence[Attempt], evidence: Evidence) -> bool:
    """Whether what the last attempt came to nothing by may be no more: it failed, or there is
    no champion, and there are twice the matches now or another recipe."""
    last = attempts[0]
    if last.trained and evidence.has_champion:
        return False
    seen = [one.matches for one in attempts if one.matches is not None]
    if evidence.matches is not None and seen and evidence.matches > 2 * max(seen):
        return True
    return last.outcome is Outcome.FAILED and _is_new_recipe(_vain(attempts, (), 0.0), evidence)


def _pausing(
    now: float,
    attempts: Sequence[Attempt],
    evidence: Evidence,
    thresholds: Thresholds,
    reasons: Mapping[str, str],
) -> Wait | None:
    last, pace, asking = attempts[0], thresholds.pace, set(reasons)
    longest = pace.longest_pause.total_seconds()
    # Longer than the longest pause, or that alone would look like a cure.
    vain = _vain(attempts, asking, 2 * longest)
    unheard = asking - {reason for one in vain for reason in one.reasons}
    is_news = bool(unheard - {RECIPE}) or _is_new_recipe(vain, evidence)
    cool_down = pace.cool_down.total_seconds()
    doublings = 0 if is_news or not vain else min(len(vain) - 1, 30)
    pause = min(cool_down * 2.0**doublings, max(longest, cool_down))
    if _between(now, last.began) >= pause:
        return None
    until = _as_text(last.began + pause)
    if doublings == 0:
        return Wait(Bar.COOL_DOWN, f"cool-down until {until}", reasons)
    return Wait(Bar.BACKING_OFF, f"backing off after {_counted(vain)} until {until}", reasons)


def _vain(attempts: Sequence[Attempt], asking: Collection[str], soon: float) -> list[Attempt]:
    """The newest attempts, as far back as they changed nothing.

    Args:
        asking: what asks now.
        soon: seconds, within which what asks again was not cured.
    """
    found: list[Attempt] = []
    next_asking = set(asking)
    next_began = None
    for one in attempts:
        again = (set(one.reasons) & next_asking) - _SPENT_BY_TRAINING
        is_soon = next_began is None or next_began - one.began < soon
        if one.outcome is Outcome.ACCEPTED and not (again and is_soon):
            break
        found.append(one)
        next_asking, next_began = set(one.reasons), one.began
    return found


def _is_new_recipe(vain: Sequence[Attempt], evidence: Evidence) -> bool:
    """Whether none of them had it; of those that nobody knows it of, one may have."""
    if evidence.recipe is None or not vain or any(one.recipe is None for one in vain):
        return False
    return not any(evidence.recipe in (one.recipe, one.asked_recipe) for one in vain)


def _knowing_too_little_more(
    attempts: Sequence[Attempt],
    evidence: Evidence,
    thresholds: Thresholds,
    reasons: Mapping[str, str],
) -> Wait | None:
    """What asks by itself alone, whatever has been played: there is no model, or it is old, or made by
    another recipe."""
    if reasons.keys() & {NO_MODEL, NO_CHAMPION, AGE, RECIPE}:
        return None
    trained, wanted = _last_trained(attempts), thresholds.pace.min_new_matches
    if trained is None or trained.matches is None or evidence.matches is None:
        return None
    # Matches that were withdrawn are news as well.
    gained = abs(evidence.matches - trained.matches)
    if gained >= wanted:
        return None
    why = f"{gained} of {wanted} newly settled matches since the last training"
    return Wait(Bar.FEW_MATCHES, why, reasons)


def _last_trained(attempts: Iterable[Attempt]) -> Attempt | None:
    return next((one for one in attempts if one.trained), None)


def _between(now: float, then: float) -> float:
    """Either way: a clock that was ahead may have stamped it."""
    return abs(now - then)


def _as_text(moment: float) -> str:
    # To the minute that comes: the text is part of what is recorded, and must not flicker.
    at = datetime.fromtimestamp(math.ceil(moment / 60) * 60, UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _counted(vain: Sequence[Attempt]) -> str:
    """``2 failed and 1 refused attempts``."""
    names = {Outcome.FAILED: "failed", Outcome.REFUSED: "refused", Outcome.ACCEPTED: "useless"}
    counts = {name: sum(one.outcome is outcome for one in vain) for outcome, name in names.items()}
    told = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{told} attempt{'s' if len(vain) > 1 else ''}"
