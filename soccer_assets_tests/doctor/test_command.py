"""``soccer doctor``: every line, whatever is away; no stack, no secret, no end that does not come."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soccer_assets import settings as settings_module
from soccer_assets.cli import app
from soccer_assets.doctor import rounds, services
from soccer_assets.doctor.finding import Finding, State
from soccer_assets.settings import Settings, get_settings
from soccer_assets_tests.doctor.conftest import NOWHERE

MARK = "hush"
LOGIN = f"{MARK}-user:{MARK}%21word"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without a setting of ours but the home, and without a ``.env``."""
    monkeypatch.setattr(settings_module, "project_folder", lambda: tmp_path)
    kept = dict(os.environ)
    for name in (*(field.upper() for field in Settings.model_fields), "AWS_REGION"):
        os.environ.pop(name, None)
    os.environ["SOCCER_HOME"] = str(tmp_path / "home")
    yield
    os.environ.clear()
    os.environ.update(kept)


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code, and what it prints, of which nothing is an error."""
    with pytest.raises(SystemExit) as ended:
        app(["doctor", *arguments])
    printed = capfd.readouterr()
    assert printed.err == ""
    assert MARK not in printed.out
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out


def document(capfd: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Exit code, and findings by name."""
    code, out = run(capfd, "--json")
    told = json.loads(out)
    assert told["ok"] is (code == 0)
    assert sorted(f["name"] for f in told["findings"]) == sorted(rounds.names())
    assert all(len(f["told"].splitlines()) == 1 for f in told["findings"])
    return code, {f["name"]: f for f in told["findings"]}


def everything_at(address: str) -> dict[str, str]:
    """Settings that have every service at one address."""
    return {
        "POSTGRES_URL": f"postgresql://{LOGIN}@{address}/soccer",
        "LAKE_URI": "s3://lake/soccer",
        "S3_ENDPOINT_URL": f"http://{address}",
        "AWS_ACCESS_KEY_ID": f"{MARK}-aws",
        "AWS_SECRET_ACCESS_KEY": f"{MARK}-aws-key",
        "MLFLOW_TRACKING_URI": f"http://{LOGIN}@{address}/mlflow",
        "LIVESCORES_URL": f"http://{LOGIN}@{address}/feed",
        "LIVESCORES_TOKEN": f"{MARK}-feed",
        "SLACK_BOT_TOKEN": f"xoxb-{MARK}",
        "SLACK_API_URL": f"http://{address}/api",
        "SOCCER_EXECUTOR": "celery",
        "SOCCER_CELERY_BROKER": f"amqp://{LOGIN}@{address}//",
        "SERVING_WORKERS": f"http://{address}/one,http://{address}/two",
        "SERVING_TOKEN": f"{MARK}-serving",
    }


AWAY = {"database", "lake", "mlflow", "feed", "slack", "broker", "workers"}
HERE = {"settings", "parameters", "packages", "git", "disk"}


def states(found: dict[str, Any], state: str) -> set[str]:
    return {name for name, finding in found.items() if finding["state"] == state}


def test_with_everything_away_every_line_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    os.environ |= everything_at(NOWHERE)
    code, found = document(capfd)
    assert code == 1
    assert states(found, "wrong") == AWAY
    assert states(found, "ok") == HERE
    assert found["ledger"]["told"] == "not looked at: first mend database"


def test_services_that_take_a_connection_and_say_nothing_are_not_waited_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        os.environ |= everything_at(f"127.0.0.1:{silent.getsockname()[1]}")
        code, found = document(capfd)
    assert code == 1
    assert states(found, "wrong") == AWAY


def test_in_lines_what_waits_for_the_same_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    os.environ |= everything_at(NOWHERE)
    code, out = run(capfd)
    assert code == 1
    lines = out.splitlines()
    assert sum(line.startswith("ok ") for line in lines) == len(HERE)
    assert sum(line.startswith("wrong ") for line in lines) == len(AWAY)
    [unknown] = [line for line in lines if line.startswith("? ")]
    assert unknown.endswith(": not looked at: first mend database")
    assert (
        lines[-1] == f"{len(AWAY)} of {len(rounds.names())} wrong; what to do: docs/operations.md"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_URL", f"mysql://{LOGIN}@host/db"),
        ("POSTGRES_URL", f"postgresql://{LOGIN}@host:port/db"),
        ("LIVESCORES_SOURCE", "telepathy"),
        ("LIVESCORES_SOURCE", "file"),
        ("LIVESCORES_URL", f"{LOGIN}@host"),
        ("MLFLOW_TRACKING_URI", f"http://{LOGIN}@host:port"),
        ("S3_ENDPOINT_URL", f"http://{LOGIN}@host"),
        ("LAKE_URI", f"s3://{LOGIN}@bucket"),
        ("SERVING_WORKERS", "worker-1"),
        ("SOCCER_AS_OF", "lately"),
        ("SOCCER_HOME", "/proc/version/home"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line_and_the_others_are_not_looked_at(
    capfd: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    os.environ[name] = value
    code, found = document(capfd)
    assert code == 1
    assert states(found, "wrong") == {"settings"}
    assert name in found["settings"]["told"]
    assert len(states(found, "unknown")) == len(rounds.names()) - 1
    assert len(run(capfd)[1].splitlines()) == 3


def test_an_env_file_that_cannot_be_is_one_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("not a setting\n")
    code, found = document(capfd)
    assert code == 1
    assert found["settings"]["told"].endswith("line 1: not NAME=value")


def test_a_misspelt_setting_of_the_env_file_is_told(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.environ |= everything_at(NOWHERE)
    told = {}
    for name in ("SERVNG_TOKEN", "LIVESCORE_URL", "SERVING_TOKEN", "COMPOSE_FILE", "MLFLOW_AUTH"):
        (tmp_path / ".env").write_text(f"{name}={MARK}\n")
        found = document(capfd)[1]["settings"]
        assert found["state"] == "ok"
        told[name] = found["told"].partition("; ")[2]
    assert told == {
        "SERVNG_TOKEN": "nothing reads SERVNG_TOKEN of .env: SERVING_TOKEN is meant?",
        "LIVESCORE_URL": "nothing reads LIVESCORE_URL of .env: LIVESCORES_URL is meant?",
        **dict.fromkeys(("SERVING_TOKEN", "COMPOSE_FILE", "MLFLOW_AUTH"), ""),
    }


def test_parameters_that_cannot_be_keep_nothing_from_being_looked_at_that_needs_none(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, household_url: str
) -> None:
    (tmp_path / "params.yaml").write_text("serving: {recent_days: many}")
    os.environ |= {"SOCCER_PARAMS": str(tmp_path / "params.yaml"), "POSTGRES_URL": household_url}
    code, found = document(capfd)
    assert code == 1
    assert "serving.recent_days" in found["parameters"]["told"]
    assert found["dagster"]["told"] == "not looked at: first mend parameters"
    assert found["daemon"]["state"] == "unknown"
    assert found["alerts"]["state"] == "ok"


def test_an_installation_in_which_nothing_has_happened(
    capfd: pytest.CaptureFixture[str], household_url: str
) -> None:
    os.environ["POSTGRES_URL"] = household_url
    code, found = document(capfd)
    assert code == 1
    assert states(found, "unknown") == set()
    assert states(found, "wrong") == {
        *("daemon", "champion"),
        *(name for name in found if name.startswith("assets: ")),
    }
    home = Path(os.environ["SOCCER_HOME"])
    assert not (home / "mlflow").exists()
    assert not (home / "lake").exists()


def test_the_code_is_0_when_nothing_is_wrong(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Finding(name, State.OK, "as it has to be") for name in rounds.names()]
    monkeypatch.setattr(rounds, "every_finding", lambda: iter(found))
    assert document(capfd)[0] == 0
    code, out = run(capfd)
    assert code == 0
    assert len(out.splitlines()) == len(found)


def test_what_a_service_repeats_of_a_secret_is_not_told(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.environ |= everything_at(NOWHERE)
    libraries = ("AWS_SESSION_TOKEN", "MLFLOW_TRACKING_TOKEN")
    os.environ |= {name: f"{MARK}-{name}" for name in libraries}
    repeated = " ".join([*everything_at(NOWHERE).values(), *(os.environ[n] for n in libraries)])

    def repeat(*_: object) -> str:
        raise ValueError(f"no {repeated}")

    hide = rounds.hiding(get_settings())
    assert MARK not in hide(repeated)
    assert hide(f"{MARK}!word {MARK}%21word") == "*** ***"
    monkeypatch.setattr(services, "feed", repeat)
    code, found = document(capfd)
    assert code == 1
    assert "***" in found["feed"]["told"]
