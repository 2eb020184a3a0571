"""Why a training runs: written on its run before it begins, and read there by whoever tells it on."""

from typing import NamedTuple

import dagster as dg

#: Which sensor or which reasons a run was asked for by, and a sentence that explains it.
TRIGGER_TAG, BECAUSE_TAG = "soccer/trigger", "soccer/because"
#: Marks runs that train, so that they are found among all others.
TRAINING_TAG, ATTEMPT = "soccer/training", "attempt"
#: What a training was to know: settled matches, and the recipe that it was to be made by.
MATCHES_TAG, RECIPE_TAG = "soccer/matches", "soccer/recipe"
#: Kept by whoever starts a run again.
TRAINING_TAGS = (TRAINING_TAG, BECAUSE_TAG, MATCHES_TAG, RECIPE_TAG)
MANUAL = "manual"
#: A tag is no page.
_LONGEST = 1000


class Reasons(NamedTuple):
    """Why a training runs."""

    names: str
    """Of all that held, as ``decay, volume``."""
    because: str
    """The same in words."""


def tags_of_training(
    reasons: dict[str, str], matches: int | None, recipe: str | None
) -> dict[str, str]:
    """The tags of a run that is asked for.

    Args:
        reasons: all that hold -> in words.
    """
    tags = {
        TRAINING_TAG: ATTEMPT,
        TRIGGER_TAG: ", ".join(reasons),
        BECAUSE_TAG: "; ".join(reasons.values())[:_LONGEST],
    }
    if matches is not None:
        tags[MATCHES_TAG] = str(matches)
    if recipe is not None:
        tags[RECIPE_TAG] = recipe
    return tags


def note_training(
    instance: dg.DagsterInstance, run: dg.DagsterRun, matches: int, recipe: str
) -> Reasons:
    """Why this run trains. Written on a run that somebody started by hand as on one that was asked
    for; what such a one says is left as it is."""
    names = run.tags.get(TRIGGER_TAG, MANUAL)
    because = run.tags.get(BECAUSE_TAG, "asked for by hand" if names == MANUAL else names)
    told = tags_of_training({names: because}, matches, recipe)
    # One by one: what of it is there already was written by who asked.
    instance.add_run_tags(run.run_id, {t: value for t, value in told.items() if t not in run.tags})
    return Reasons(names, because)
