"""Have enough matches been played since the last training to make another one worthwhile?"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class VolumeGain:
    """Rows gained since a training."""

    rows_now: int
    rows_at_training: int
    gained: int
    """Negative when rows were withdrawn."""
    share: float
    """Of ``rows_at_training`` (of one row, when there was none)."""
    required: int
    """Rows that make a gain worthwhile."""
    enough: bool


def volume_gain(
    rows_now: int, rows_at_training: int, min_share: float = 0.02, min_rows: int = 500
) -> VolumeGain:
    """The gain, which is enough from max(``min_rows``, ``min_share`` of the rows then) on.

    Raises ``ValueError`` on a negative argument.
    """
    if min(rows_now, rows_at_training, min_share, min_rows) < 0:
        raise ValueError("rows and minima must not be negative")
    gained = rows_now - rows_at_training
    required = max(min_rows, math.ceil(min_share * rows_at_training))
    return VolumeGain(
        rows_now=rows_now,
        rows_at_training=rows_at_training,
        gained=gained,
        share=gained / max(rows_at_training, 1),
        required=required,
        enough=gained > 0 and gained >= required,
    )
