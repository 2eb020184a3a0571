"""A training knows why it runs, and says so on its run."""

from collections.abc import Iterator

import dagster as dg
import pytest

from soccer_assets.automation.reasons import (
    ATTEMPT,
    BECAUSE_TAG,
    MATCHES_TAG,
    RECIPE_TAG,
    TRAINING_TAG,
    TRIGGER_TAG,
    note_training,
    tags_of_training,
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def noted(instance: dg.DagsterInstance, tags: dict[str, str]) -> tuple[tuple[str, str], dict]:
    """What a training on 1000 matches by the recipe "made" tells, and its run's tags."""

    @dg.job
    def nothing() -> None: ...

    run = instance.create_run_for_job(nothing, tags=tags)
    told = note_training(instance, run, 1000, "made")
    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    return told, dict(after.tags)


def test_a_run_by_hand_is_manual_and_counts_as_an_attempt(instance: dg.DagsterInstance) -> None:
    told, tags = noted(instance, {})
    assert told == ("manual", "asked for by hand")
    assert tags.items() >= {TRAINING_TAG: ATTEMPT, TRIGGER_TAG: "manual"}.items()
    assert tags.items() >= {MATCHES_TAG: "1000", RECIPE_TAG: "made"}.items()


def test_a_run_that_says_why_is_believed(instance: dg.DagsterInstance) -> None:
    told, tags = noted(instance, {TRIGGER_TAG: "new features"})
    assert told == ("new features", "new features")
    assert tags[BECAUSE_TAG] == "new features"


def test_what_was_written_by_who_asked_stays(instance: dg.DagsterInstance) -> None:
    asked = tags_of_training({"shift": "home wins are rare", "age": "it is old"}, 990, "asked")
    told, tags = noted(instance, asked)
    assert told == ("shift, age", "home wins are rare; it is old")
    assert tags.items() >= asked.items()
