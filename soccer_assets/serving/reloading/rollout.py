"""Workers that are pods of a Deployment, replaced one after the other by pods that load what was
published as they start."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from soccer_assets.clock import stamped_now
from soccer_assets.serving.client import WorkerClient, WorkerError, WorkerUnreachable
from soccer_assets.serving.reloading.deployments import Deployment, Rollout
from soccer_assets.serving.reloading.roll import WorkerReport
from soccer_assets.serving.reloading.ways import Outcome, Wanted
from soccer_assets.serving.schemas import ModelInfo

#: Between two looks at a rollout, or at what is served.
POLL_SECONDS = 2.0
#: After a rollout, for the Service to lead to the new pods alone; and for pods to be as they were
#: before one that was undone.
VERIFY_SECONDS = 60.0
#: A restart that got no answer may be asked for again.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Trouble:
    problem: str
    cause: WorkerError | None = None
    is_anothers: bool = False
    """The Deployment was changed by somebody else, to whom it is left."""


class ByRollout:
    """Restarts the Deployment, watches until all of its pods are new and ready, and asks its Service
    what it serves. Pods that do not get ready are taken back."""

    def __init__(
        self,
        deployment: str,
        urls: Sequence[str],
        rollout_seconds: float,
        *,
        open_deployment: Callable[[str], Deployment] = Deployment,
        verify_seconds: float = VERIFY_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        deployment: of the workers.
        urls: of the Services before it.
        rollout_seconds: that all of its pods together may take.
        open_deployment: as the pod's service account.
        verify_seconds: for the Service to serve what is wanted, and for an undone rollout to end.
        poll_seconds: between two looks.
        """
        self._name = deployment
        self._urls = urls
        self._rollout_seconds = rollout_seconds
        self._open = open_deployment
        self._verify_seconds = verify_seconds
        self._poll_seconds = poll_seconds
        self._sleep = sleep
        self._clock = clock

    def reload(self, wanted: Wanted) -> Outcome:
        deployment = self._open(self._name)
        before, began = deployment.read(), self._clock()
        if before.is_paused or not before.wanted:
            why = "its rollout is paused" if before.is_paused else "it has no replicas"
            raise WorkerError(deployment.name, f"cannot be restarted: {why}")
        served = self._model()
        stamp = stamped_now().isoformat()
        restarted = self._restart(deployment, stamp)
        trouble = self._watch(deployment, restarted.template)
        problem, restored = trouble.problem if trouble else None, None
        if trouble is None:
            trouble = self._verify(wanted, before.wanted)
            problem = trouble.problem if trouble else None
        elif not trouble.is_anothers:
            is_undone = self._undo(deployment, restarted, before)
            restored = is_undone and self._serves_again(served, before.wanted)
            problem = f"{trouble.problem}; {_told(is_undone, restored, served)}"
        serves = self._model()
        report = WorkerReport(
            worker=deployment.name,
            version_before=served.version if served else None,
            version_after=serves.version if serves else None,
            ready=trouble is None,
            seconds=self._clock() - began,
            error=f"{deployment.name}: {problem}" if trouble else None,
            cause=trouble.cause if trouble else None,
            restored=restored,
            run_before=served.run_id if served else None,
            run_after=serves.run_id if serves else None,
        )
        return Outcome([report], 1)

    def _restart(self, deployment: Deployment, stamp: str) -> Rollout:
        for _ in range(_ATTEMPTS - 1):
            with suppress(WorkerUnreachable):
                return deployment.restart(stamp)
            self._sleep(self._poll_seconds)
        return deployment.restart(stamp)

    def _watch(self, deployment: Deployment, template: str) -> _Trouble | None:
        """What keeps all pods from being new and ready; None once they are."""
        until = self._clock() + self._rollout_seconds
        told = "nothing was seen of it"
        while True:
            try:
                seen = deployment.read()
            except WorkerUnreachable as error:  # an API server is started again now and then
                told = error.problem
            except WorkerError as error:
                return _Trouble(error.problem, error)
            else:
                if seen.template != template:
                    return _Trouble("somebody else has changed it meanwhile", is_anothers=True)
                if seen.is_known:
                    if seen.is_done:
                        return None
                    if seen.late:
                        return _Trouble(f"the restart got stuck: {seen.late} ({seen})")
                    told = str(seen)
            if self._clock() >= until:
                limit = f"after {self._rollout_seconds:g} s"
                return _Trouble(f"the restart has not ended {limit}: {told}")
            self._sleep(self._poll_seconds)

    def _undo(self, deployment: Deployment, restarted: Rollout, before: Rollout) -> bool:
        """Whether all pods are again of the template of before, and ready."""
        until = self._clock() + self._verify_seconds
        while True:
            try:
                seen = deployment.read()
                if seen.template == restarted.template and restarted.restarted_at:
                    seen = deployment.undo(restarted.restarted_at, before.restarted_at)
            except WorkerUnreachable:
                pass
            except WorkerError:
                return False
            else:
                if seen.template != before.template:
                    return False
                if seen.is_known and seen.is_done:
                    return True
            if self._clock() >= until:
                return False
            self._sleep(self._poll_seconds)

    def _verify(self, wanted: Wanted, times: int) -> _Trouble | None:
        """What else than the wanted is served; None once as many answers in a row are right as there
        are pods, from each Service. For a moment it still leads to a pod that ends."""
        until = self._clock() + self._verify_seconds
        while True:
            trouble = self._unlike(wanted, times)
            if trouble is None:
                return None
            if self._clock() >= until:
                return trouble
            self._sleep(self._poll_seconds)

    def _unlike(self, wanted: Wanted, times: int) -> _Trouble | None:
        for url in self._urls:
            for _ in range(times):
                try:
                    serves = _ask(url)
                except WorkerError as error:
                    return _Trouble(f"was restarted, but {error}", error)
                if (serves.version, serves.run_id) != (wanted.version, wanted.run_id):
                    return _Trouble(
                        f"was restarted, but {url} serves version {serves.version} of run "
                        f"{serves.run_id}, not {wanted.version} of {wanted.run_id}"
                    )
        return None

    def _serves_again(self, served: ModelInfo | None, times: int) -> bool:
        """Whether no pod had ended before the restart was undone: the one in its place serves what is
        published."""
        return served is None or not self._unlike(Wanted(served.version, served.run_id), times)

    def _model(self) -> ModelInfo | None:
        with suppress(WorkerError):
            return _ask(self._urls[0])
        return None


def _told(is_undone: bool, restored: bool, served: ModelInfo | None) -> str:
    if not is_undone:
        return "and it could not be undone"
    if restored or served is None:
        return "it was undone"
    return f"it was undone, but not all serve version {served.version} again"


def _ask(url: str) -> ModelInfo:
    """What is served there. Over a connection of its own: each leads to a pod of its own."""
    with WorkerClient(url, timeout=5.0) as client:
        return client.model()
