"""What can be made to go wrong in a replay, each from a day on and for a number of days."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

import yaml

from soccer_assets.feed.payload import Row, winner
from soccer_assets.params.document import read_document
from soccer_assets.runner import JobFailed, run_job
from soccer_assets.simulator.faults import Fault as FeedFault

if TYPE_CHECKING:
    from soccer_assets.replay.world import World


class Kind:
    """What goes wrong."""

    days: int | None = None
    """How long, where nobody says; None: to the end of the replay."""

    def begin(self, world: "World") -> None:
        raise NotImplementedError

    def end(self, world: "World") -> None:
        """Have it end; nothing happens where it has ended."""
        raise NotImplementedError


class FeedDown(Kind):
    """The site answers every request with HTTP 500."""

    days = 3

    def begin(self, world: "World") -> None:
        world.feed.inject(None, FeedFault.http_500())

    def end(self, world: "World") -> None:
        world.feed.clear()


class SchemaChange(Kind):
    """A field that is needed has another type in every match."""

    days = 2

    def begin(self, world: "World") -> None:
        world.feed.inject(None, FeedFault.wrong_type("homeTeamId"))

    def end(self, world: "World") -> None:
        world.feed.clear()


class _Shown(Kind):
    """The site shows what is not so."""

    def begin(self, world: "World") -> None:
        world.shown.changes[type(self).__name__] = self.change

    def end(self, world: "World") -> None:
        world.shown.changes.pop(type(self).__name__, None)

    def change(self, block: Row) -> None:
        raise NotImplementedError


class ScoresCorrupted(_Shown):
    """Every score of one league, the first that is shown, is 0:0, as where a field is not filled."""

    days = 28

    def __init__(self) -> None:
        self._league: int | None = None

    def change(self, block: Row) -> None:
        if self._league is None and len(block["matches"]) >= 3:
            self._league = block["tournamentId"]
        if block["tournamentId"] == self._league:
            for match in block["matches"]:
                _score(match, 0, 0)


class HomeAdvantageGone(_Shown):
    """Home wins become as rare as away wins: a part of them is turned round."""

    #: Of all home wins: some 44 % of matches are won at home, some 30 % away.
    SHARE = 0.16

    def change(self, block: Row) -> None:
        for match in block["matches"]:
            home, away = match["homeScore"], match["awayScore"]
            if None in (home, away) or home <= away:
                continue
            if crc32(b"%d" % match["id"]) % 1000 < 1000 * self.SHARE:
                _score(match, away, home)


class HomeAwaySwapped(_Shown):
    """The teams of every match change places, their goals with them."""

    days = 14

    def change(self, block: Row) -> None:
        for match in block["matches"]:
            for name in [name for name in match if name.startswith("home")]:
                other = "away" + name.removeprefix("home")
                match[name], match[other] = match[other], match[name]
            if match.get("winnerField") is not None:
                match["winnerField"] = 1 - match["winnerField"]


class SlackDown(Kind):
    """Slack answers HTTP 503."""

    days = 2

    def begin(self, world: "World") -> None:
        world.slack.is_down = True

    def end(self, world: "World") -> None:
        world.slack.is_down = False


class WorkerWontReload(Kind):
    """The worker serves, and refuses every reload."""

    days = 2

    def begin(self, world: "World") -> None:
        world.worker.refuse_reloads(True)

    def end(self, world: "World") -> None:
        world.worker.refuse_reloads(False)


class BadChallenger(Kind):
    """A training of a recipe that is far too simple is asked for by hand."""

    days = 1
    RECIPE: ClassVar = {
        "candidates": {"plain": {"learner": "logistic", "C": 1e-5, "max_rows": 100}}
    }

    def begin(self, world: "World") -> None:
        before = world.params.read_bytes()
        if not self._kept(world).exists():
            self._kept(world).write_bytes(before)
        document = read_document(world.params)
        document.setdefault("training", {}).update(self.RECIPE)
        world.params.write_text(yaml.safe_dump(document))
        with suppress(JobFailed):  # as much is told by the alerts
            run_job("retrain", lambda _: None)

    def end(self, world: "World") -> None:
        if self._kept(world).exists():
            self._kept(world).replace(world.params)

    @staticmethod
    def _kept(world: "World") -> Path:
        """A replay that is killed meanwhile finds here what it had before."""
        return world.params.with_suffix(".before")


class KilledRun(Kind):
    """The process of the day's ingest dies in the middle of it."""

    days = 1

    def begin(self, world: "World") -> None:
        assert world.daemon
        world.daemon.kill_next("ingest")

    def end(self, world: "World") -> None:
        """Whoever was killed stays killed."""


KINDS: dict[str, Callable[[], Kind]] = {
    "feed-down": FeedDown,
    "schema-change": SchemaChange,
    "scores-corrupted": ScoresCorrupted,
    "home-advantage-gone": HomeAdvantageGone,
    "home-away-swapped": HomeAwaySwapped,
    "slack-down": SlackDown,
    "worker-wont-reload": WorkerWontReload,
    "bad-challenger": BadChallenger,
    "killed-run": KilledRun,
}

_WRITTEN = re.compile(r"([a-z-]+)@(\d{4}-\d{2}-\d{2})(?:\+(\d{1,4}))?")


@dataclass
class Fault:
    """A kind of fault, and the days that it is there, the last one excluded."""

    name: str
    first: date
    until: date | None
    kind: Kind
    is_on: bool | None = None
    """None: nobody knows, since a replay that was killed may have begun it."""

    def on(self, day: date, world: "World") -> str | None:
        """Begin or end, if it is time; returns which, if so. What has ended may be ended again."""
        due = self.first <= day and (self.until is None or day < self.until)
        if due == self.is_on or (self.is_on is None and day < self.first):
            return None
        (self.kind.begin if due else self.kind.end)(world)
        was, self.is_on = self.is_on, due
        return "begins" if due else "ends" if was else None


def parse_fault(text: str) -> Fault:
    """``NAME@2023-10-01``, or with ``+5`` for so many days.

    Raises:
        ValueError: it is none; says what there is.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if not written or written[1] not in KINDS:
        raise ValueError(f"{text!r} is not NAME@YYYY-MM-DD[+DAYS] with one of: {', '.join(KINDS)}")
    kind = KINDS[written[1]]()
    first = date.fromisoformat(written[2])
    days = int(written[3]) if written[3] else kind.days
    return Fault(written[1], first, None if days is None else first + timedelta(days), kind)


def _score(match: Row, home: int, away: int) -> None:
    """Give a match whose score of 90 minutes is shown another one."""
    if None in (match["homeScore"], match["awayScore"]):
        return
    match |= {"homeScore": home, "awayScore": away, "winnerField": winner(home, away)}


def describe(faults: Iterable[Fault]) -> list[str]:
    return [f"{f.name} from {f.first}" + (f" until {f.until}" if f.until else "") for f in faults]
