"""What nothing happens about: sensors and schedules that fail, a daemon that is silent, no champion,
trainings in vain, what people and the review decided about champions; and once a day, the digest."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa

from soccer_assets.alerting.digest import daily_digest
from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, Alert, find, record, tidy
from soccer_assets.automation.retraining import Bar, Outcome
from soccer_assets.automation.telling import Teller, now
from soccer_assets.automation.training import decide_now
from soccer_assets.dagster_internals import InstigatorState, InstigatorTick, TickStatus
from soccer_assets.params import Params
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource
from soccer_assets.runs import cause_of_error
from soccer_assets.warehouse.promotions import (
    AWAITING,
    MOVED_BY_HAND,
    ROLLED_BACK,
    Decision,
    decisions,
)

log = logging.getLogger(__name__)

#: Failed ticks of longer ago say nothing of now.
RECENT = timedelta(days=1)
#: The part of the daemon that ticks this sensor.
OWN = "SENSOR"
_ENDED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
#: Kinds of decisions that are told from their record, and as what.
DECIDED = {
    ROLLED_BACK: Kind.ROLLED_BACK,
    AWAITING: Kind.AWAITING,
    MOVED_BY_HAND: Kind.MOVED_BY_HAND,
}
#: Of these, the newest that are looked at.
MOST_DECISIONS = 20
FEATURES, CHAMPION = dg.AssetKey("features"), dg.AssetKey("champion_model")


@dataclass
class Watch:
    """One look at everything."""

    context: dg.SensorEvaluationContext
    teller: Teller
    settings: Params
    memory: dict[str, Any]
    """What the next look is to know."""
    now: datetime

    def ticks(self) -> None:
        """The newest tick of each sensor and schedule that there is."""
        told: dict[str, int] = self.memory.setdefault("ticks", {})
        rows = self.teller.reach(lambda e: find(e, kinds=[Kind.TICK_FAILED], state=OPEN))
        healthy = {row.key for row in rows}  # or gone, or stopped
        for state, tick in self._newest_ticks():
            name = state.instigator_name
            if tick.status is not TickStatus.FAILURE:
                continue
            healthy.discard(name)
            if told.get(name) != tick.tick_id and self._is_recent(tick.timestamp):
                kind = state.instigator_type.value.lower()
                text = f"{kind} {name} fails at its ticks: {cause_of_error(tick.error)}"
                self.teller.tell(Alert(Kind.TICK_FAILED, name, text))
                told[name] = tick.tick_id
        for name in healthy:
            self.teller.over(Kind.TICK_FAILED, name, f"{name} does not fail any more")
            told.pop(name, None)

    def _newest_ticks(self) -> Iterator[tuple[InstigatorState, InstigatorTick]]:
        """Of what is defined and runs, the newest tick that has ended."""
        instance, repository = self.context.instance, self.context.repository_def
        assert repository is not None
        for state in instance.all_instigator_state():
            name = state.instigator_name
            is_ours = repository.has_sensor_def(name) or repository.has_schedule_def(name)
            if is_ours and state.is_running:
                for tick in instance.get_ticks(
                    state.instigator_origin_id, state.selector_id, limit=1, statuses=_ENDED
                ):
                    yield state, tick

    def daemon(self) -> None:
        """Signs of life of its parts; of the one that ticks this, the time since it did."""
        limit = timedelta(minutes=self.settings.alerting.heartbeat_minutes)
        beats = self.context.instance.get_daemon_heartbeats()
        for part in self.context.instance.get_required_daemon_types():
            beat = beats.get(part)
            if part == OWN or beat is None:
                continue
            silent = self.now - datetime.fromtimestamp(beat.timestamp, UTC)
            if silent > limit:
                since = datetime.fromtimestamp(beat.timestamp, UTC)
                text = f"The daemon's part {part} is silent since {since:%d %b %H:%M} UTC"
                if not self.teller.is_open(Kind.DAEMON_SILENT, part):
                    self.teller.tell(Alert(Kind.DAEMON_SILENT, part, text))
            else:
                self.teller.over(Kind.DAEMON_SILENT, part, f"{part} gives signs of life again")
        last = self.memory.get("looked")
        if last is not None and self.now - datetime.fromtimestamp(last, UTC) > limit:
            since = datetime.fromtimestamp(last, UTC)
            text = f"No sensor ticked since {since:%d %b %H:%M} UTC: the daemon was away"
            self.teller.tell(Alert(Kind.DAEMON_SILENT, OWN, text))
            self.teller.over(Kind.DAEMON_SILENT, OWN, "sensors tick again")
        self.memory["looked"] = self.now.timestamp()

    def champion(self) -> None:
        """Whether there is one, a day after there was something to learn from."""
        instance = self.context.instance
        if instance.get_latest_materialization_event(CHAMPION):
            self.teller.over(Kind.NO_CHAMPION, "champion", "there is a champion")
            return
        first = instance.fetch_materializations(FEATURES, limit=1, ascending=True).records
        if not first:
            return
        since = datetime.fromtimestamp(first[0].timestamp, UTC)
        is_open = self.teller.is_open(Kind.NO_CHAMPION, "champion")
        if (
            self.now - since > timedelta(hours=self.settings.alerting.no_champion_hours)
            and not is_open
        ):
            text = f"There are features since {since:%d %b %H:%M} UTC, and no model is champion"
            self.teller.tell(Alert(Kind.NO_CHAMPION, "champion", text))

    def trainings(self) -> None:
        """Whether they go on coming to nothing: between two of them weeks can pass."""
        decision, _, attempts = decide_now(
            self.context.instance, self.settings, self.now.timestamp()
        )
        kind, key = Kind.TRAINING_IN_VAIN, "training"
        if decision.bar is Bar.BACKING_OFF:
            if not self.teller.is_open(kind, key):
                why = f"{decision.why}; asked for by {'; '.join(decision.reasons.values())}"
                self.teller.tell(Alert(kind, key, f"Trainings come to nothing: {why}"))
        elif not decision.reasons or (attempts and attempts[0].outcome is Outcome.ACCEPTED):
            self.teller.over(kind, key, "the newest training was not in vain")

    def decisions(self) -> None:
        """What was decided about champions, but for what the gates of a run say themselves."""

        def write(engine: sa.Engine) -> None:
            for decision in decisions(engine, MOST_DECISIONS, kinds=list(DECIDED)):
                kind = DECIDED[decision.kind]
                is_recent = self.now - decision.decided_at < RECENT
                if is_recent and not find(engine, kinds=[kind], key=decision.decision_id):
                    record(engine, _told(decision), self.now)

        self.teller.reach(write)

    def digest(self) -> None:
        """The digest of today, once it is time; what is long over is forgotten with it."""
        if self.now.hour < self.settings.alerting.digest_hour:
            return
        key = f"{self.now:%Y-%m-%d}"
        if self.memory.get("digest") == key:
            return

        def write(engine: Any) -> None:
            if not find(engine, kinds=[Kind.DIGEST], key=key):
                with engine.begin() as connection:
                    record(connection, daily_digest(connection, self.now), self.now)
            forget, keep = (
                timedelta(days=d)
                for d in (self.settings.alerting.forget_days, self.settings.alerting.keep_days)
            )
            tidy(engine, self.now, forget=forget, keep=keep)

        self.teller.reach(write)
        self.memory["digest"] = key

    def _is_recent(self, timestamp: float) -> bool:
        return abs(self.now - datetime.fromtimestamp(timestamp, UTC)) < RECENT


def _told(decision: Decision) -> Alert:
    versions = [holder.version if holder else None for holder in (decision.before, decision.about)]
    text = (
        f"{decision.reason} ({decision.who}); version {versions[1]}, champion before {versions[0]}"
    )
    facts = {name: str(value) for name, value in decision.figures.items()}
    return Alert(
        DECIDED[decision.kind], decision.decision_id, text, decision.dagster_run_id, facts=facts
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts into the outbox which sensors and schedules fail, which part of the daemon is "
    "silent, that there is no champion, that trainings come to nothing; and once a day, the digest.",
)
def alert_watch(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    slack: SlackAlertResource,
    params: ParamsResource,
) -> dg.SkipReason:
    watch = Watch(
        context,
        Teller(warehouse, slack),
        params.read(),
        json.loads(context.cursor or "{}"),
        now(),
    )
    looks: list[Callable[[], None]] = [watch.ticks, watch.daemon, watch.champion]
    looks += [watch.trainings, watch.decisions, watch.digest]
    failed = []
    for look in looks:
        try:
            look()
        except Exception as error:  # one that cannot look does not keep the others from it
            log.exception("alert_watch cannot look at %s", look.__name__)
            failed.append(f"{look.__name__}: {type(error).__name__}")
    context.update_cursor(json.dumps(watch.memory))
    if len(failed) == len(looks):
        raise dg.Failure(f"nothing could be looked at: {', '.join(failed)}")
    return dg.SkipReason(f"looked{'; not at ' + ', '.join(failed) if failed else ''}")
