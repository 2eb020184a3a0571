"""From sensors to the outbox; past it, once, where the database is away."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import Alert, find, record, recover
from soccer_assets.dagster_internals import get_current_timestamp
from soccer_assets.resources import SlackAlertResource, WarehouseResource
from soccer_assets.settings import SettingsError

log = logging.getLogger(__name__)
T = TypeVar("T")


class Untold(Exception):
    """Neither the outbox nor Slack took it: whoever wanted to tell it has to come again."""


def now() -> datetime:
    """By the clock that runs and events have their times from."""
    return datetime.fromtimestamp(get_current_timestamp(), UTC)


@dataclass(frozen=True)
class Teller:
    """Writes alerts of sensors. All methods raise ``Untold``."""

    warehouse: WarehouseResource
    slack: SlackAlertResource

    def tell(self, alert: Alert) -> None:
        """Into the outbox; where the database does not answer, to Slack at once."""
        try:
            self.reach(lambda engine: record(engine, alert, now()))
        except Untold:
            log.error("the outbox does not answer: an alert goes past it")
            if not self.slack.send(alert.text, alert.run_id):
                raise

    def over(self, kind: Kind, key: str, text: str) -> None:
        """Close a trouble, if it is open."""
        self.reach(lambda engine: recover(engine, kind, key, text, now()))

    def is_open(self, kind: Kind, key: str) -> bool:
        found = self.reach(lambda engine: find(engine, kinds=[kind], key=key, state="open"))
        return bool(found)

    def reach(self, use: Callable[[sa.Engine], T]) -> T:
        """What ``use`` makes of the database."""
        try:
            return use(self.warehouse.engine)
        except (sa.exc.SQLAlchemyError, SettingsError, OSError) as error:
            raise Untold(f"the database does not answer ({type(error).__name__})") from error
