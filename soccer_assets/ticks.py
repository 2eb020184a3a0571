"""Schedules and sensors after the clock was ahead.

Dagster's daemon looks for what is due after the last that it did: of what it did next year, nothing
is due until then, and it is silent. So times that cannot be are taken for now.
"""

import logging
from typing import Any

from soccer_assets.clock import CLOCKS_DISAGREE_BY
from soccer_assets.dagster_internals import (
    InstigatorState,
    ScheduleInstigatorData,
    SensorInstigatorData,
    get_current_timestamp,
)

log = logging.getLogger(__name__)


def latest_possible() -> float:
    """No tick can be later."""
    return get_current_timestamp() + CLOCKS_DISAGREE_BY.total_seconds()


def possible(state: InstigatorState) -> InstigatorState:
    """The state of a schedule or sensor, without times of the future; the same if it has none."""
    data = state.instigator_data
    if not isinstance(data, ScheduleInstigatorData | SensorInstigatorData):
        return state
    latest = latest_possible()
    ahead = [
        name
        for name, value in data._asdict().items()
        if name.endswith("_timestamp") and value and value > latest
    ]
    if not ahead:
        return state
    log.warning(
        f"{state.instigator_name} was last at work at a time that is not yet: the clock was ahead. "
        "It goes on from now"
    )
    now: dict[str, Any] = dict.fromkeys(ahead, get_current_timestamp())
    return state.with_data(data._replace(**now))
