"""The champion's office: whoever comes into it, or does not, is on record.

MLflow moves an alias and forgets. So a decision is first noted on the version that it is about, then
the alias moves, then the row is written to the table ``promotion``, then the note is taken away.
Whoever is killed in between leaves something that ``Office.settle`` completes. An alias that is not
where the record says, and no note tells why, was moved by hand: that goes on record, too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.modelling.comparison import Comparison
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.registry import AWAITING, PREVIOUS, ModelRegistry, Version
from soccer_assets.modelling.succession import (
    Challenge,
    attempt_number,
    fresh_from,
    fresh_matches,
)
from soccer_assets.modelling.tracking import TrainingRun
from soccer_assets.modelling.verdict import Verdict
from soccer_assets.params.gates import GateParams
from soccer_assets.warehouse import promotions
from soccer_assets.warehouse.promotions import (
    APPROVED,
    MOVED_BY_HAND,
    PROMOTED,
    REJECTED,
    ROLLED_BACK,
    TAKE_OFFICE,
    Decision,
    Holder,
    deciding,
    decisions,
)

#: Who decides where no person does.
GATE, REVIEW, UNKNOWN = "gate", "review", "unknown"
#: Figures of a decision: versions up to this number do not challenge whom it put into office.
_NEWEST = "newest_version"
#: Until when the data reached, and which they were; of the version that fell, or was refused.
_UNTIL, _REVISION = "trained_until", "data_revision"


class NotPossible(Exception):
    """What was asked for cannot be done; says in one line why."""


@dataclass(frozen=True)
class By:
    """Who decides, in which run."""

    who: str
    dagster_run_id: str | None = None


class Anyone(Enum):
    """Whoever is the champion when a decision is made."""

    IN_OFFICE = "in office"


class Office:
    """Decisions about the champion of a registry, recorded in a warehouse.

    One at a time, whoever makes them: each waits for the one before, and sees what that has made of
    the champion. Methods raise what ``ModelRegistry`` raises, and NotPossible. ``instead_of`` is the
    champion that a decision was thought over against, if that is known (None: there was none); with
    another one in office by now, nothing is decided.
    """

    def __init__(
        self, registry: ModelRegistry, engine: sa.Engine, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._now = now

    def settle(self) -> Version | None:
        """Complete what was broken off, and record what was done by hand; returns the champion."""
        with deciding(self._engine):
            return self._settle()

    def promote(
        self,
        version: Version,
        verdict: Verdict,
        by: By,
        *,
        instead_of: Version | Anyone | None = Anyone.IN_OFFICE,
    ) -> None:
        """Make a version that has passed its gate the champion."""
        with self._instead_of(instead_of) as champion:
            self._move(PROMOTED, champion, version, verdict.summary(), by, _judged(verdict))

    def await_sign_off(
        self,
        version: Version,
        verdict: Verdict,
        by: By,
        *,
        instead_of: Version | Anyone | None = Anyone.IN_OFFICE,
    ) -> None:
        """Have a version that has passed its gate wait for a person; one that waited is dropped."""
        with self._instead_of(instead_of) as champion:
            waiting = self._registry.by_alias(AWAITING)
            if waiting is not None and waiting.number == version.number:
                return
            decision = self._decision(
                promotions.AWAITING, champion, version, verdict.summary(), by, _judged(verdict)
            )
            self._registry.note(version, _as_text(decision))
            self._registry.point(AWAITING, version)
            self._settle()

    def refuse(
        self,
        version: Version,
        training: TrainingRun,
        verdict: Verdict,
        by: By,
        *,
        counts: bool,
        instead_of: Version | Anyone | None = Anyone.IN_OFFICE,
    ) -> None:
        """Record that a version has not passed its gate; the same refusal is recorded once.

        Args:
            counts: whether it was an attempt, of which there is none if it was not even compared.
        """
        with self._instead_of(instead_of) as champion:
            figures = {
                **_judged(verdict),
                _UNTIL: training.trained_until.isoformat(),
                _REVISION: training.data_revision,
                "counts": counts,
            }
            decision = self._decision(REJECTED, champion, version, verdict.summary(), by, figures)
            known = decisions(self._engine, 1, kinds=(REJECTED,), about=decision.about)
            if not (known and known[0].before == decision.before and _same(known[0], decision)):
                promotions.record(self._engine, decision)

    def approve(self, number: int, why: str | None, by: By) -> Version:
        """Make the version that waits for a sign-off the champion; it needs no more reason than
        that."""
        why = "signed off" if why is None else why
        _check_words(why, by)
        with self._instead_of(Anyone.IN_OFFICE) as champion:
            version = self._waiting(number)
            self._move(APPROVED, champion, version, why, by, {})
        return version

    def reject(self, number: int, why: str, by: By) -> Version:
        """Have the version that waits for a sign-off wait no longer; it does not come again."""
        _check_words(why, by)
        with self._instead_of(Anyone.IN_OFFICE) as champion:
            version = self._waiting(number)
            decision = self._decision(REJECTED, champion, version, why, by, {"sign_off": False})
            self._registry.note(version, _as_text(decision))
            self._settle()
        return version

    def roll_back(
        self,
        to: int | None,
        why: str,
        by: By,
        figures: Mapping[str, Any] | None = None,
        *,
        instead_of: Version | Anyone | None = Anyone.IN_OFFICE,
    ) -> Version:
        """Put another version into office instead of the champion, which does not come again.

        Of several at once, one is followed: the others meant the champion that has fallen by then.

        Args:
            to: number of the version; None: the champion's predecessor.
        """
        _check_words(why, by)
        champion = self._now_in_office(instead_of)
        if champion is None:
            raise NotPossible("there is no champion to roll back")
        version = self.predecessor(champion) if to is None else self._registry.version(to)
        if version is None:
            raise NotPossible(f"{champion} has no predecessor that could serve: name a version")
        _check_is_another(version, champion)
        self._registry.load(version)  # one that cannot serve is not put into office
        told = {**(figures or {}), _NEWEST: self._registry.newest_number()}
        try:
            training = self._registry.training(champion)
        except Unusable:
            pass  # it may be the very reason
        else:
            told |= {
                _UNTIL: training.trained_until.isoformat(),
                _REVISION: training.data_revision,
            }
        # To look at the versions takes a while, for which nobody is kept waiting.
        with self._instead_of(champion, for_=version):
            self._move(ROLLED_BACK, champion, version, why, by, told)
        return version

    def predecessor(self, champion: Version) -> Version | None:
        """Who was in office before the champion and has not fallen; None if there is nobody."""
        fallen = self._fallen()
        for decision in decisions(self._engine, kinds=TAKE_OFFICE):
            before = decision.before
            if decision.about == holder(champion) and before and before not in fallen:
                try:
                    version = self._registry.version(before.version)
                except Unusable:
                    return None
                return version if holder(version) == before else None
        previous = self._registry.by_alias(PREVIOUS)
        if previous is None or holder(previous) in {holder(champion), *fallen}:
            return None
        return previous

    def challenge(
        self,
        version: Version,
        training: TrainingRun,
        comparison: Comparison,
        params: GateParams,
    ) -> Challenge:
        """What a version brings against the champion, beside its losses."""
        barred, kickoffs = self.bar(version, training), comparison.matches["kickoff"]
        champion_until = comparison.champion_until
        if champion_until is None:
            return Challenge(np.ones(len(kickoffs), dtype=np.bool_), 0.0, barred=barred)
        since = fresh_from(comparison.until, champion_until, params)
        return Challenge(
            fresh=fresh_matches(kickoffs, since, params),
            newer_days=(comparison.until - champion_until) / pd.Timedelta(days=1),
            attempt=attempt_number(self.refused(version), since),
            barred=barred,
            since=comparison.since_champion,
        )

    def bar(self, version: Version, training: TrainingRun) -> str | None:
        """Why a version may not challenge the champion, whatever it is worth; None if it may."""
        for decision in decisions(self._engine, 1, kinds=TAKE_OFFICE):
            if version.number <= decision.figures.get(_NEWEST, 0):
                return (
                    f"it was there when version {decision.about and decision.about.version} was put"
                    " into office instead; later versions may challenge"
                )
        for fallen, decision in self._fallen().items():
            until = decision.figures.get(_UNTIL)
            if until and (
                training.data_revision == decision.figures[_REVISION]
                or training.trained_until <= pd.Timestamp(until)
            ):
                return f"version {fallen.version} has fallen with data that were no older"
        for decision in decisions(self._engine, kinds=(REJECTED,), about=holder(version)):
            if decision.figures.get("sign_off") is False:
                return f"{decision.who} has rejected it: {decision.reason}"
        return None

    def refused(self, version: Version) -> list[pd.Timestamp]:
        """Until when the data reached of the other versions that were refused by the gate since the
        champion came into office."""
        last = decisions(self._engine, 1, kinds=TAKE_OFFICE)
        found: dict[Holder, pd.Timestamp] = {}
        for decision in decisions(self._engine, kinds=(*TAKE_OFFICE, REJECTED)):
            if last and decision.decision_id == last[0].decision_id:
                break
            about = decision.about
            if about and about != holder(version) and decision.figures.get("counts"):
                found[about] = pd.Timestamp(decision.figures[_UNTIL])
        return list(found.values())

    def _fallen(self) -> dict[Holder, Decision]:
        """Versions that were rolled back and not put into office since, with that decision."""
        seen: set[Holder] = set()
        fallen: dict[Holder, Decision] = {}
        for decision in decisions(self._engine, kinds=TAKE_OFFICE):  # newest first
            if decision.about:
                seen.add(decision.about)
            before = decision.before
            if decision.kind == ROLLED_BACK and before and before not in seen:
                fallen[before] = decision
                seen.add(before)
        return fallen

    def _now_in_office(self, expected: Version | Anyone | None) -> Version | None:
        with self._instead_of(expected) as champion:
            return champion

    @contextmanager
    def _instead_of(
        self, expected: Version | Anyone | None, for_: Version | None = None
    ) -> Iterator[Version | None]:
        """A time in which nobody else decides; gives the champion, settled.

        Raises:
            NotPossible: it is not the one expected; or it is the version that it is to make room for.
        """
        with deciding(self._engine):
            champion = self._settle()
            _check_is_another(for_, champion)
            if not isinstance(expected, Anyone) and _held_by(expected) != _held_by(champion):
                who = f"{champion} has come" if champion else "nobody is left, or has come yet,"
                raise NotPossible(f"{who} into office meanwhile: see soccer promotions")
            yield champion

    def _waiting(self, number: int) -> Version:
        waiting = self._registry.by_alias(AWAITING)
        if waiting is None:
            raise NotPossible(f"version {number} does not wait for a sign-off: none does")
        if waiting.number != number:
            raise NotPossible(
                f"version {number} does not wait for a sign-off: version {waiting.number} does"
            )
        return waiting

    def _move(
        self,
        kind: str,
        champion: Version | None,
        version: Version,
        why: str,
        by: By,
        figures: Mapping[str, Any],
    ) -> None:
        _check_is_another(version, champion)
        decision = self._decision(kind, champion, version, why, by, figures)
        self._registry.promote(version, _as_text(decision))
        self._settle()

    def _decision(
        self,
        kind: str,
        champion: Version | None,
        version: Version | None,
        why: str,
        by: By,
        figures: Mapping[str, Any],
    ) -> Decision:
        return Decision(
            decision_id=uuid4().hex,
            decided_at=self._now(),
            kind=kind,
            before=_held_by(champion),
            about=_held_by(version),
            reason=why,
            who=by.who,
            dagster_run_id=by.dagster_run_id,
            figures=figures,
        )

    def _settle(self) -> Version | None:
        champion = self._registry.champion()
        decision = champion and _noted(champion)
        if champion and decision and decision.kind in TAKE_OFFICE:
            self._conclude(champion, decision)
        else:
            self._record_a_move_by_hand(champion)
        waiting = self._registry.by_alias(AWAITING)
        decision = waiting and _noted(waiting)
        # One that was approved and is not the champion was not: the alias has not moved.
        if waiting and decision and decision.kind not in TAKE_OFFICE:
            self._conclude(waiting, decision)
        if waiting and champion and waiting.number == champion.number:
            self._registry.remove_alias(AWAITING)
        return champion

    def _conclude(self, version: Version, decision: Decision) -> None:
        promotions.record(self._engine, decision)
        if decision.kind == ROLLED_BACK and decision.before:
            self._registry.mark_fallen(decision.before.version, decision.reason)
        if decision.kind == REJECTED:
            self._registry.remove_alias(AWAITING)
        self._registry.note(version, None)

    def _record_a_move_by_hand(self, champion: Version | None) -> None:
        last = next(iter(decisions(self._engine, 1, kinds=TAKE_OFFICE)), None)
        recorded = last.about if last else None
        if recorded == (champion and holder(champion)):
            return
        told = {_NEWEST: self._registry.newest_number()} if last else {}
        why = "the alias was moved in MLflow" if last else "it was in office when the record began"
        decision = self._decision(MOVED_BY_HAND, None, champion, why, By(UNKNOWN), told)
        promotions.record(self._engine, replace(decision, before=recorded))


def holder(version: Version) -> Holder:
    """A version as it is recorded."""
    return Holder(version.number, version.run_id)


def _held_by(version: Version | None) -> Holder | None:
    return holder(version) if version else None


def _check_is_another(version: Version | None, champion: Version | None) -> None:
    """Whoever replaces itself would be on record as fallen, and never come again."""
    if version and champion and version.number == champion.number:
        raise NotPossible(f"{version} is the champion already")


def _check_words(why: str, by: By) -> None:
    """What a person decides is on record for ever: it has to say something."""
    if not why.strip():
        raise NotPossible("the reason is empty: say why")
    if not by.who.strip():
        raise NotPossible("whoever decides has no name: say who")


def _judged(verdict: Verdict) -> dict[str, Any]:
    return {"verdict": verdict.as_dict()}


def _same(one: Decision, other: Decision) -> bool:
    # As they are read back: what JSON has no other word for is None or a list.
    return dict(one.figures) == json.loads(json.dumps(dict(other.figures)))


def _as_text(decision: Decision) -> str:
    return json.dumps(
        {
            **{name: getattr(decision, name) for name in _PLAIN},
            "decided_at": decision.decided_at.isoformat(),
            "before": decision.before and vars(decision.before),
            "about": decision.about and vars(decision.about),
            "figures": dict(decision.figures),
        }
    )


_PLAIN = ("decision_id", "kind", "reason", "who", "dagster_run_id")


def _noted(version: Version) -> Decision | None:
    """The decision that is noted on a version; None without a legible one about it."""
    try:
        told = json.loads(version.decision or "")
        decision = Decision(
            **{name: told[name] for name in _PLAIN},
            decided_at=datetime.fromisoformat(told["decided_at"]),
            before=told["before"] and Holder(**told["before"]),
            about=told["about"] and Holder(**told["about"]),
            figures=told["figures"],
        )
    except (LookupError, TypeError, ValueError):
        return None
    return decision if decision.about == holder(version) else None
