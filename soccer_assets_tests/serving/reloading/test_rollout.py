"""Restarts of a Deployment, through an API server on loopback."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from soccer_assets.serving.client import WorkerError, WorkerRefused, WorkerUnreachable
from soccer_assets.serving.reloading.deployments import RESTARTED_AT, Deployment
from soccer_assets.serving.reloading.rollout import ByRollout
from soccer_assets.serving.reloading.ways import Outcome, Wanted
from soccer_assets_tests.serving.reloading.fake_cluster import (
    PATH,
    Cluster,
    Inside,
    inside,
)

WANTED = Wanted(2, "run-2")
Enter = Callable[[Cluster], Inside]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    with ExitStack() as stack:
        yield lambda cluster: stack.enter_context(inside(cluster, tmp_path / "account"))


def deployment(here: Inside, name: str = "soccer-worker") -> Deployment:
    return Deployment(name, account=here.account, environment=here.environment)


def restart(
    here: Inside, wanted: Wanted = WANTED, name: str = "soccer-worker", seconds: float = 20
) -> Outcome:
    way = ByRollout(
        name,
        [here.service],
        seconds,
        open_deployment=lambda name: deployment(here, name),
        verify_seconds=2,
        poll_seconds=0.01,
    )
    return way.reload(wanted)


@pytest.mark.parametrize("annotations", [None, {"a": "b"}, {RESTARTED_AT: "2025-03-01T12:00:00Z"}])
def test_all_pods_are_replaced_one_at_a_time_and_serve_what_was_published(
    enter: Enter, annotations: dict[str, str] | None
) -> None:
    here = enter(Cluster(replicas=3, annotations=annotations))
    here.cluster.published = 2
    outcome = restart(here)
    (report,) = outcome.reports
    assert (outcome.failed, report.error, report.ready) == (0, None, True)
    assert report.worker == "deployment football/soccer-worker"
    assert (report.version_before, report.version_after) == (1, 2)
    assert (report.run_before, report.run_after) == ("run-1", "run-2")
    assert [pod.version for pod in here.cluster.pods] == [2, 2, 2]
    assert here.cluster.most_away == 0
    left = {**(here.cluster.annotations or {})}
    assert left.pop(RESTARTED_AT) != (annotations or {}).get(RESTARTED_AT)
    assert left == {key: value for key, value in (annotations or {}).items() if key == "a"}
    assert set(here.cluster.asked) == {("get", PATH), ("patch", PATH)}
    assert here.cluster.asked.count(("patch", PATH)) == 1


def test_newer_predictions_of_the_same_version_are_a_restart_as_well(enter: Enter) -> None:
    here = enter(Cluster(published=2))
    first, second = restart(here), restart(here)
    assert (first.failed, second.failed) == (0, 0)
    assert here.cluster.generation == 3


@pytest.mark.parametrize("before", [None, {RESTARTED_AT: "2025-03-01T12:00:00Z"}])
@pytest.mark.parametrize("gets_ready", [0, 1])
def test_a_restart_that_gets_stuck_is_undone(
    enter: Enter, before: dict[str, str] | None, gets_ready: int
) -> None:
    here = enter(Cluster(annotations=before, stuck_after=gets_ready))
    here.cluster.published = 2
    outcome = restart(here)
    (report,) = outcome.reports
    assert (outcome.failed, report.ready) == (1, False)
    assert str(report.error).startswith(
        "deployment football/soccer-worker: the restart got stuck: ReplicaSet "
        f'"soccer-worker-5d9" has timed out progressing. ({gets_ready + 1} of 2 pods are new, 2 '
        "available); it was undone"
    )
    assert here.cluster.annotations == before
    assert here.cluster.most_away == 0
    assert [pod.is_ready for pod in here.cluster.pods] == [True, True]
    # A pod that has ended does not come back as it was: the one in its place loads what is published.
    assert sorted(pod.version for pod in here.cluster.pods) == [1, 1 + gets_ready]
    assert report.restored is (gets_ready == 0)
    assert str(report.error).endswith(", but not all serve version 1 again") is bool(gets_ready)


def test_a_restart_that_takes_too_long_is_undone(enter: Enter) -> None:
    here = enter(Cluster(stuck_after=0, patience=10_000))
    (report,) = restart(here, seconds=0.2).reports
    assert "has not ended after 0.2 s: 1 of 2 pods are new, 2 available" in str(report.error)
    assert report.restored is True
    assert here.cluster.annotations is None


def another_restart(cluster: Cluster) -> None:
    cluster._become({RESTARTED_AT: "theirs"})


def another_image(cluster: Cluster) -> None:
    """As ``helm upgrade`` does: annotations that are not its own stay."""
    cluster.image = "soccer:8"
    cluster.generation += 1


@pytest.mark.parametrize("theirs", [another_restart, another_image])
def test_what_somebody_else_changes_meanwhile_is_left_to_them(
    enter: Enter, theirs: Callable[[Cluster], None]
) -> None:
    here = enter(Cluster(replicas=3))
    step = here.cluster.step

    def deploy() -> None:
        step()
        if here.cluster.generation == 2:
            theirs(here.cluster)

    here.cluster.step = deploy  # type: ignore[method-assign]
    (report,) = restart(here).reports
    assert "somebody else has changed it meanwhile" in str(report.error)
    assert report.restored is None
    assert here.cluster.generation == 3


def test_more_replicas_meanwhile_are_no_trouble(enter: Enter) -> None:
    here = enter(Cluster(published=2))
    step = here.cluster.step

    def scale() -> None:
        step()
        if here.cluster.generation == 2:
            here.cluster.replicas = 3
            here.cluster.generation += 1

    here.cluster.step = scale  # type: ignore[method-assign]
    assert restart(here).failed == 0
    assert len(here.cluster.pods) == 3


def test_an_undo_never_takes_back_anothers_restart(enter: Enter) -> None:
    here = enter(Cluster(annotations={RESTARTED_AT: "theirs"}))
    with pytest.raises(WorkerRefused, match="answered 422 to undo the restart"):
        deployment(here).undo("ours", None)
    assert here.cluster.annotations == {RESTARTED_AT: "theirs"}


def test_a_service_that_serves_something_else_afterwards_is_told_and_nothing_taken_back(
    enter: Enter,
) -> None:
    here = enter(Cluster(published=3))
    (report,) = restart(here).reports
    assert report.error == (
        f"deployment football/soccer-worker: was restarted, but {here.service} serves version 3 of "
        "run run-3, not 2 of run-2"
    )
    assert report.restored is None
    assert here.cluster.annotations is not None


@pytest.mark.parametrize("verbs", [frozenset(), frozenset({"get"})])
def test_an_account_without_the_rights_is_told_what_it_lacks(
    enter: Enter, verbs: frozenset[str]
) -> None:
    here = enter(Cluster(verbs=verbs))
    with pytest.raises(WorkerRefused, match=r"answered 403 .* is forbidden: User .* cannot") as no:
        restart(here)
    assert no.value.status_code == 403
    assert here.cluster.annotations is None


def test_another_deployment_is_not_asked_for(enter: Enter) -> None:
    here = enter(Cluster())
    with pytest.raises(WorkerRefused, match="answered 403"):
        restart(here, name="elsewhere/soccer-worker")
    assert here.cluster.asked == [("get", PATH.replace("football", "elsewhere"))]


@pytest.mark.parametrize(
    ("change", "why"), [({"is_paused": True}, "paused"), ({"replicas": 0}, "no replicas")]
)
def test_what_cannot_be_restarted_is_not_touched(
    enter: Enter, change: dict[str, int], why: str
) -> None:
    here = enter(Cluster(**change))  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match=why):
        restart(here)
    assert ("patch", PATH) not in here.cluster.asked


def test_a_token_that_was_renewed_is_read_again(enter: Enter) -> None:
    here = enter(Cluster(published=2))
    step = here.cluster.step

    def renew() -> None:
        step()
        if here.cluster.token == "token-of-the-account":
            here.renew("token-that-came-after")

    here.cluster.step = renew  # type: ignore[method-assign]
    assert restart(here).failed == 0
    assert here.cluster.token == "token-that-came-after"


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(enter: Enter) -> None:
    here = enter(Cluster(published=2))
    patch = here.cluster.patch

    def then_away(body: object, content_type: str) -> tuple[int, str]:
        here.cluster.failing = [503, 500, 429]
        return patch(body, content_type)

    here.cluster.patch = then_away  # type: ignore[method-assign]
    assert restart(here).failed == 0


def test_an_api_server_that_is_away_may_be_back_later(enter: Enter) -> None:
    here = enter(Cluster())
    here.cluster.failing = [503]
    with pytest.raises(WorkerUnreachable, match="answered 503"):
        restart(here)
    here.environment["KUBERNETES_SERVICE_PORT"] = "9"
    with pytest.raises(WorkerUnreachable, match="no answer from the API server"):
        restart(here)


def test_a_server_that_the_ca_does_not_vouch_for_gets_no_token(
    enter: Enter, tmp_path: Path
) -> None:
    here = enter(Cluster())
    with inside(Cluster(), tmp_path / "other") as other:
        (here.account / "ca.crt").write_bytes((other.account / "ca.crt").read_bytes())
    with pytest.raises(WorkerUnreachable, match=r"no answer .* \(SSLError\)"):
        restart(here)
    assert here.cluster.asked == []


def test_outside_of_a_pod_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="no pod that may use the API server: Service host/port"):
        Deployment("worker", account=tmp_path, environment={})


def test_the_token_is_nowhere(
    enter: Enter, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    here = enter(Cluster(verbs=frozenset({"get"})))
    told = []
    for token in (here.cluster.token, "wrong-token-of-the-account", "token-of-the-account\n"):
        (here.account / "token").write_text(token)
        with pytest.raises(WorkerRefused) as refused:
            restart(here)
        told.append("".join(traceback.format_exception(refused.value)))
    (here.account / "token").write_text(here.cluster.token)
    here.environment["KUBERNETES_SERVICE_PORT"] = "9"
    with pytest.raises(WorkerUnreachable) as away:
        restart(here)
    told += ["".join(traceback.format_exception(away.value)), repr(deployment(here)), caplog.text]
    told += capfd.readouterr()
    assert not [text for text in told if "token-of-the-account" in text]
