"""The champion as the pipeline publishes it and the service tells of it.

Of its own, for a worker imports it and holds no pandas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ServedModel:
    """The model whose predictions are served."""

    name: str
    version: int
    run_id: str
    data_revision: str
    promoted_at: datetime
    metrics: Mapping[str, float]
