"""Two homes on one machine, each with its workers: they do not meet."""

import os
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from soccer_assets.serving.addresses import FOLDER, Address, announced, find_workers
from soccer_assets.serving.server import ServiceProcess

pytestmark = pytest.mark.system

NOWHERE = "postgresql+psycopg2://127.0.0.1:1/none"


def worker(home: Path) -> ServiceProcess:
    return ServiceProcess(NOWHERE, "token", state=home)


def leave(home: Path, **changes: object) -> Path:
    """A file as this process would leave it."""
    address = Address(
        url="http://127.0.0.1:9",
        instance="i",
        host=socket.gethostname(),
        pid=os.getpid(),
        started=psutil.Process().create_time(),
    ).model_copy(update=changes)
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{address.instance}.json"
    path.write_text(address.model_dump_json())
    return path


def test_each_home_finds_its_own_workers_on_any_port(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    told: list[str] = []
    with worker(one) as first, worker(other) as second:
        assert find_workers(one / FOLDER, told.append) == [first.base_url]
        assert find_workers(other / FOLDER, told.append) == [second.base_url]
        with worker(one) as third:
            assert find_workers(one / FOLDER, told.append) == [first.base_url, third.base_url]
        assert find_workers(one / FOLDER, told.append) == [first.base_url]
    assert find_workers(one / FOLDER, told.append) == []
    assert told == []


def test_the_file_of_a_killed_worker_leads_nowhere_and_the_next_takes_it_away(
    tmp_path: Path,
) -> None:
    killed = worker(tmp_path).start()
    assert killed.pid is not None
    process = psutil.Process(killed.pid)
    process.kill()
    killed.stop()
    [path] = (tmp_path / FOLDER).glob("*.json")
    told: list[str] = []
    assert find_workers(tmp_path / FOLDER, told.append) == []
    assert told == [f"{path} is passed over: the worker of {killed.base_url} has ended"]
    with worker(tmp_path) as living:
        assert not path.exists()
        assert find_workers(tmp_path / FOLDER, told.append) == [living.base_url]


def test_a_port_that_another_homes_worker_has_by_now_is_not_taken_for_ones_own(
    tmp_path: Path,
) -> None:
    """Even if the number of the process is that of a living one."""
    with worker(tmp_path / "other") as stranger:
        path = leave(tmp_path / "one", url=stranger.base_url)
        told: list[str] = []
        assert find_workers(tmp_path / "one" / FOLDER, told.append) == []
    assert told == [
        f"{path} is passed over: {stranger.base_url} is answered by somebody else, or nobody"
    ]


def test_the_number_of_a_process_that_is_another_one_by_now(tmp_path: Path) -> None:
    leave(tmp_path, started=1.0)
    told: list[str] = []
    assert find_workers(tmp_path / FOLDER, told.append) == []
    assert len(told) == 1
    assert "has ended" in told[0]


def test_a_worker_that_is_silent_is_found_so_that_its_silence_is_told(tmp_path: Path) -> None:
    """It is this very process, which does not answer."""
    leave(tmp_path)
    assert find_workers(tmp_path / FOLDER, pytest.fail) == ["http://127.0.0.1:9"]


def test_a_worker_of_another_machine_counts_if_it_answers(tmp_path: Path) -> None:
    told: list[str] = []
    with worker(tmp_path / "elsewhere") as away:
        instance = httpx.get(f"{away.base_url}/healthz").json()["instance"]
        leave(tmp_path, host="elsewhere", url=away.base_url, instance=instance)
        assert find_workers(tmp_path / FOLDER, told.append) == [away.base_url]
    assert find_workers(tmp_path / FOLDER, told.append) == []
    assert len(told) == 1


def test_a_file_that_is_no_address_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    told: list[str] = []
    assert find_workers(tmp_path, told.append) == []
    assert told == [f"{tmp_path / 'x.json'} is passed over: it is not a worker's address"]
    with announced(tmp_path, "http://127.0.0.1:9", "i"):
        assert [path.name for path in tmp_path.iterdir()] == ["i.json"]
    assert not list(tmp_path.iterdir())
