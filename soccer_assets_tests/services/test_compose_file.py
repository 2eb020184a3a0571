"""What ``deploy/compose.yaml`` and the files beside it say, without starting any of it."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from soccer_assets.serving.metrics import Served, WorkerMetrics
from soccer_assets_tests.services.compose import DEPLOY, FILE, is_ours, read
from soccer_assets_tests.services.told import settings_of

#: Ports that are open to other machines only if somebody says so.
BOUND = re.compile(r"^(127\.0\.0\.1):\d+:\d+$")
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "soccer.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return read()


@pytest.mark.services
def test_the_file_is_one_by_the_schema_of_compose(document: dict[str, Any]) -> None:
    package = find_spec("check_jsonschema")
    if package is None or package.origin is None:
        pytest.skip("there is no check-jsonschema, which has the schema (make test-services)")
    jsonschema = pytest.importorskip("jsonschema")
    folder = Path(package.origin).parent / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    assert [error.message for error in validator(schema).iter_errors(document)] == []
    broken = {**document, "services": {"x": {"helthcheck": {}}}}
    assert list(validator(schema).iter_errors(broken))


def test_every_service_of_ours_has_one_image_and_tag(document: dict[str, Any]) -> None:
    ours = [service for service in document["services"].values() if is_ours(service)]
    assert len(ours) == 8
    assert {service["image"] for service in ours} == {"soccer_assets:latest"}
    tagged = read({"SOCCER_TAG": "7", "SOCCER_IMAGE": "registry/soccer"})["services"].values()
    images = {service["image"] for service in tagged}
    assert "registry/soccer:7" in images
    assert not [image for image in images if "soccer_assets" in image]


def test_every_service_has_a_health_check_and_comes_back(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        if name == "migrate":
            assert service["restart"] == "on-failure"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name


def test_nothing_is_open_to_other_machines_by_default(document: dict[str, Any]) -> None:
    ports = [port for service in document["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 6
    assert [port for port in ports if not BOUND.match(port)] == []
    published = [port.rsplit(":", 2)[-2] for port in ports]
    assert len(set(published)) == len(published)


def test_what_the_docs_open_to_other_hosts_is_where_the_state_is(document: dict[str, Any]) -> None:
    text = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    (block,) = re.findall(r"```yaml\n(  # deploy/open.yaml.*?)```", text, re.DOTALL)
    opened = {
        f"{name}:{port.rpartition(':')[2]}"
        for name, service in yaml.safe_load(block)["services"].items()
        for port in service["ports"]
    }
    told = document["services"]["code-server"]["environment"]
    services = {urlsplit(told[name]).netloc for name in ("S3_ENDPOINT_URL", "MLFLOW_TRACKING_URI")}
    assert opened == {*services, "postgres:5432"}


def test_the_webserver_that_can_start_runs_can_be_bound_nowhere_else() -> None:
    """It executes code for whoever reaches it, and knows no login."""
    services = yaml.safe_load(FILE.read_text())["services"]
    assert [port.split(":")[0] for port in services["webserver"]["ports"]] == ["127.0.0.1"]
    assert "--read-only" in services["webserver-read-only"]["command"]


def test_what_is_secret_comes_from_files_alone(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEY|CREDENTIALS|POSTGRES_URL", variable):
                assert value.startswith("/run/secrets/"), (name, variable)
                assert Path(value).name in service["secrets"], (name, variable)
    for secret in document["secrets"].values():
        assert list(secret) == ["file"]


def make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DEPLOY / "make-secrets.sh", folder], capture_output=True, text=True)


#: What may stand in ``soccer.env``.
BROKER = {"SOCCER_CELERY_BROKER": "amqp://soccer:hush@rabbitmq:5672//"}
SETTINGS = {
    "nothing": {},
    "steps by Celery": {"SOCCER_EXECUTOR": "celery", **BROKER},
    "workers by a broadcast": {"SERVING_RELOAD": "celery", **BROKER},
    "several processes": {"SOCCER_EXECUTOR": "multiprocess"},
    "a file": {"LIVESCORES_SOURCE": "file", "LIVESCORES_FILE": "/etc/soccer/results.csv"},
    "parameters": {"SOCCER_PARAMS": "/etc/soccer/params.yaml"},
    "Slack": {"SLACK_BOT_TOKEN": "xoxb-hush", "SLACK_CHANNEL": "#other", "REQUIRE_SIGN_OFF": "1"},
}


@pytest.mark.parametrize("told", SETTINGS.values(), ids=SETTINGS)
def test_what_one_service_can_be_told_all_of_ours_understand(
    document: dict[str, Any], tmp_path: Path, told: dict[str, str]
) -> None:
    make_secrets(tmp_path / "secrets")
    ours = {name: service for name, service in document["services"].items() if is_ours(service)}
    del ours["mlflow"]  # which reads settings of its own
    secrets = str(tmp_path / "secrets")
    environments = {
        tuple(
            (variable, value.replace("/run/secrets", secrets))
            for variable, value in sorted({**told, **service["environment"]}.items())
        )
        for service in ours.values()
    }
    assert 0 < len(environments) < len(ours)
    first, *others = (settings_of(dict(each), tmp_path) for each in environments)
    assert all(settings == first for settings in others)


def test_files_that_settings_name_are_in_every_service_of_ours(document: dict[str, Any]) -> None:
    ours = [service for service in document["services"].values() if is_ours(service)]
    for service in ours:
        assert "./settings:/etc/soccer:ro" in service["volumes"]
    named = re.findall(r"=(/\S+)", (DEPLOY / "soccer.env.example").read_text())
    assert named
    assert {str(Path(file).parent) for file in named} == {"/etc/soccer"}


def test_every_file_that_is_named_is_there(document: dict[str, Any]) -> None:
    for config in document["configs"].values():
        assert (DEPLOY / config["file"]).is_file()
    for service in document["services"].values():
        for config in service.get("configs", ()):
            assert config["source"] in document["configs"]
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in document["volumes"] or (DEPLOY / source).is_dir()


def test_secrets_are_random_and_made_once(tmp_path: Path, document: dict[str, Any]) -> None:
    def make(folder: str) -> dict[str, str]:
        subprocess.run(
            [DEPLOY / "make-secrets.sh", tmp_path / folder], check=True, capture_output=True
        )
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
        return {file.name: file.read_text() for file in (tmp_path / folder).iterdir()}

    made, again, others = make("one"), make("one"), make("two")
    assert made == again
    assert set(made) == {Path(secret["file"]).name for secret in document["secrets"].values()}
    assert not [name for name in made if made[name] == others[name]]
    assert made["postgres_password"] in made["postgres_url"]
    for name, text in made.items():
        assert re.search(r"[0-9a-f]{48}", text), name


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


#: Files with one password: PostgreSQL's, MLflow's of it, and MinIO's.
PAIRS = {
    "postgres_password": "postgres_url",
    "mlflow_database_password": "mlflow_database_url",
    "minio_password": "s3_credentials",
}


def test_secrets_that_hold_others_are_all_known(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made = contents(tmp_path)
    holds = {
        (name, other)
        for name in made
        for other in made
        if name != other and made[name] in made[other]
    }
    assert holds == set(PAIRS.items())


@pytest.mark.parametrize("lost", [*PAIRS, *PAIRS.values()])
def test_a_secret_that_is_lost_is_what_the_other_file_has(tmp_path: Path, lost: str) -> None:
    """The server has that password, and no other."""
    make_secrets(tmp_path)
    made = contents(tmp_path)
    (tmp_path / lost).unlink()
    done = make_secrets(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path) == made
    assert (tmp_path / lost).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(("name", "other"), PAIRS.items())
def test_two_passwords_for_one_server_are_refused(tmp_path: Path, name: str, other: str) -> None:
    make_secrets(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).write_text("another")
    before = contents(tmp_path)
    done = make_secrets(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"make-secrets.sh: {name} and {other} have two passwords: remove the wrong one from"
        f" {tmp_path}, and start this again\n"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ("postgres_url", "postgresql://me:hush@elsewhere/football\n"),
        ("postgres_url", "postgresql://soccer:p%40ss@postgres:5432/soccer\n"),
        ("s3_credentials", "[default]\naws_access_key_id=me\naws_secret_access_key=hush\n"),
    ],
)
def test_what_somebody_wrote_is_kept_and_nothing_is_guessed_from_it(
    tmp_path: Path, other: str, text: str
) -> None:
    make_secrets(tmp_path)
    (tmp_path / other).unlink()
    (tmp_path / other).write_text(text)
    assert make_secrets(tmp_path).returncode == 0
    assert (tmp_path / other).read_text() == text
    (name,) = (name for name in PAIRS if PAIRS[name] == other)
    (tmp_path / name).unlink()
    done = make_secrets(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"make-secrets.sh: {name} is lost, and {other} does not tell it: write that password into"
        f" {tmp_path / name}\n"
    )
    assert not (tmp_path / name).exists()


def test_a_password_that_nothing_tells_is_new_and_said_to_be(tmp_path: Path) -> None:
    assert make_secrets(tmp_path).stderr == ""
    made = contents(tmp_path)
    for name in ("postgres_password", "postgres_url"):
        (tmp_path / name).unlink()
    said = "make-secrets.sh: postgres_password is new; what was started with another one has to be told"
    assert make_secrets(tmp_path).stderr == f"{said}\n"
    again = contents(tmp_path)
    assert again["postgres_password"] != made["postgres_password"]
    assert again["postgres_password"] in again["postgres_url"]


def test_git_and_images_do_not_take_the_secrets_along() -> None:
    for name in (".gitignore", ".dockerignore"):
        assert "deploy/secrets" in (DEPLOY.parent / name).read_text()


def test_the_dashboard_asks_for_what_workers_tell_and_for_all_of_it() -> None:
    worker = WorkerMetrics(lambda: Served(True, False, 1, 1, 1.0, False), {"loaded": 1})
    worker.answered("/model", 200, 0.1)
    told = {
        sample.name
        for family in worker.registry.collect()
        for sample in family.samples
        if not sample.name.endswith(("_created", "_info"))
    }
    dashboard = json.loads(DASHBOARD.read_text())
    queries = " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    )
    asked = set(re.findall(r"\b(?:soccer|process)_\w+", queries))
    assert asked - told == set()
    ours = {name for name in told if name.startswith("soccer_")}
    assert ours - asked == {"soccer_worker_request_seconds_sum"}


def test_the_dashboard_is_provisioned_and_whole() -> None:
    sources = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(sources.read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    providers = DEPLOY / "grafana" / "provisioning" / "dashboards" / "soccer.yaml"
    (provider,) = yaml.safe_load(providers.read_text())["providers"]
    volumes = read()["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in volumes
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] == source["uid"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
