"""The replayed results as the feed shows them, or as it wrongly does."""

from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any

from soccer_assets.feed.payload import FeedBackend, Row

#: Changes a tournament's block of a day, in place.
Change = Callable[[Row], None]


class ReplayFeed:
    """A backend's feed, of some leagues, with changes that faults make to it.

    Attributes:
        changes: name of a fault -> what it does to what is shown, as long as it is here.
    """

    def __init__(self, backend: FeedBackend, leagues: Collection[int] = ()) -> None:
        self._backend = backend
        self._leagues = frozenset(leagues)
        self.changes: dict[str, Change] = {}

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        """The feed of ``day`` as shown at ``as_of``."""
        shown = self._backend.payload(day, as_of)
        if self._leagues:
            shown["tournaments"] = [
                block for block in shown["tournaments"] if block["tournamentId"] in self._leagues
            ]
        for change in list(self.changes.values()):
            for block in shown["tournaments"]:
                change(block)
        return shown
