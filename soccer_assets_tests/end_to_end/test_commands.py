"""Every command that the README and the Dockerfile name works as they name it.

In an environment like the image's: a folder with what the Dockerfile copies, and its variables.
"""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import yaml

from soccer_assets.settings import project_folder
from soccer_assets_tests.end_to_end.shell import Shell, free_port, open_shell

pytestmark = pytest.mark.system

README = (project_folder() / "README.md").read_text()
DOCKERFILE = (project_folder() / "Dockerfile").read_text().replace("\\\n", " ")
PROGRAM = r"(?:\.venv/bin/)?(?:make|soccer|dagster(?:-\w+)?|dg)"

#: Stay up: command -> the path that answers when they are; the daemon's heart beats instead.
SERVERS = {
    "dagster dev": "/server_info",
    "dg dev": "/server_info",
    "dagster-webserver": "/server_info",
    "dagster-daemon run": None,
    "soccer serve": "/healthz",
    "soccer feed": "/livescores/data?d=20250301",
}
#: End by themselves, in this order on one home: command -> what stands for the words in capitals.
FINISHING = {
    "dagster asset list": {},
    "dagster definitions validate": {},
    "dg list defs": {},
    "dg check defs": {},
    "dg launch --assets": {},
    "dagster asset materialize": {},
    "dagster job execute -j refresh": {},  # in the README's order: there is no champion yet
    "dagster job execute -j retrain": {},
    "soccer rebuild-model": {"VERSION": "1"},
    "soccer backfill": {"--since DAY": "--since 2025-06-01", "--until DAY": "--until 2025-07-05"},
    "soccer rebuild": {},
}
#: Run by other tests, which say so by these words.
ELSEWHERE = {
    "soccer demo": ("end_to_end/test_demo.py", '"soccer", "demo"'),
    "soccer replay-season": ("replay", "replay-season"),
    "soccer replay": ("end_to_end/test_real_matches.py", '"replay"'),
    "pip wheel": ("end_to_end/test_wheel.py", '"pip", '),
    "pip install": ("end_to_end/test_wheel.py", '"pip", '),
    "make bench": ("benchmarks", "benchmarks"),
    "soccer approve": ("assets/test_office.py", '"approve"'),
    "soccer reject": ("assets/test_office.py", '"reject"'),
    "soccer rollback": ("assets/test_office.py", '"rollback"'),
    "soccer promotions": ("assets/test_office.py", '"promotions"'),
    "soccer benchmark-monitoring": ("benchmarks/test_monitoring.py", "benchmarks.monitoring"),
    "soccer ledger verify": ("assets/test_ledger.py", '"ledger", "verify"'),
    "soccer ledger export": ("assets/test_ledger.py", '"ledger", "export"'),
    "soccer doctor": ("doctor/test_command.py", '"doctor"'),
    "soccer alerts": ("alerting/test_command.py", '"alerts"'),
    "soccer gc": ("test_gc.py", '"gc"'),
    "soccer step-worker": ("services/test_celery.py", '"step-worker"'),
    "soccer migrate": ("end_to_end/test_migrate.py", '"soccer", "migrate"'),
    "deploy/make-secrets.sh": ("services/test_compose_file.py", '"make-secrets.sh"'),
    "docker compose": ("services/test_compose.py", "with services("),
    "docker run": ("services/test_image.py", '"run"'),
    "docker exec": ("services/test_image.py", '"exec"'),
    "helm upgrade": ("services/test_chart.py", '"template"'),
    "soccer benchmark-model": ("benchmarks/test_model.py", '"benchmark-model"'),
}
#: Install, build, lint or test, this test among them; `make demo` is `soccer demo` after that.
OF_THE_CHECKOUT = re.compile(
    r"make (demo|test|test-system|test-slow|test-services|test-services-short|test-all|lint|docs|lock|secrets|clean)$|docker build "
)


def readme_commands() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            yield from line.partition("  #")[0].split("&&")
    named = re.findall(rf"`({PROGRAM} [^`]+|dagster-[^`]+)`", README)
    # A program alone is meant with what it is told elsewhere.
    yield from (n for n in named if not any(other.startswith(f"{n} ") for other in named))


def image_commands() -> Iterator[str]:
    """What starts in a container, by its command or by those that its comments show."""
    for line in re.findall(r"^# +(docker .*?)(?: +#.*)?$", DOCKERFILE, re.MULTILINE):
        found = re.search(
            r"docker exec (?:-\S+ )*\S+ (.+)|docker run .*? soccer_assets ?(.*)", line
        )
        yield (found[1] or found[2] or DEFAULT) if found else line
    yield DEFAULT


DEFAULT = shlex.join(json.loads(re.findall(r"^CMD (\[.*\])", DOCKERFILE, re.MULTILINE)[-1]))
COMMANDS = sorted(
    {
        command.replace(".venv/bin/", "").strip()
        for command in (*readme_commands(), *image_commands())
        if command.strip()
    }
)


def kind(command: str, known: dict[str, object]) -> str | None:
    """The entry that tells how to start a command."""
    return next((entry for entry in known if f"{command} ".startswith(f"{entry} ")), None)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A container, as far as files and variables go."""
    app = tmp_path_factory.mktemp("image") / "app"
    app.mkdir()
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE):
        if "--from" in line or "${" in line:  # another stage's wheel, which is of the same files
            continue
        *sources, _ = line.split()
        for source in sources:
            path = project_folder() / source
            if path.is_dir():
                shutil.copytree(path, app / source, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, app / source)
    workdir = re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.MULTILINE)[-1]
    lines = re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))
    assert f"install -d -o soccer {variables.pop('SOCCER_HOME')}" in DOCKERFILE
    for name, value in variables.items():
        variables[name] = re.sub(rf"^{workdir}\b", str(app), value)
    # The package is found where it lies; in the image it is a wheel, see services/test_image.py.
    with open_shell({**variables, "PYTHONPATH": str(app)}) as shell:
        yield replace(shell, folder=app)


def test_every_command_that_is_named_is_known_here() -> None:
    assert {"dagster dev", "dagster-daemon run", "soccer serve --host 0.0.0.0"} <= set(COMMANDS)
    known = {**SERVERS, **FINISHING, **ELSEWHERE}
    unknown = [c for c in COMMANDS if not kind(c, known) and not OF_THE_CHECKOUT.match(c)]
    assert unknown == []


@pytest.mark.parametrize("command", [c for c in COMMANDS if kind(c, ELSEWHERE)])
def test_a_command_that_is_not_started_here_is_started_elsewhere(command: str) -> None:
    place, words = ELSEWHERE[kind(command, ELSEWHERE) or ""]
    found = project_folder() / "soccer_assets_tests" / place
    files = found.rglob("*.py") if found.is_dir() else [found]
    assert any(words in file.read_text() for file in files)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, marks=[] if c == "dagster-daemon run" else pytest.mark.slow)
        for c in COMMANDS
        if kind(c, SERVERS)
    ],
)
def test_a_server_comes_up(image: Shell, command: str) -> None:
    path = SERVERS[kind(command, SERVERS) or ""]
    program, *arguments = shlex.split(re.sub(r"\[.*?\]", "", command))
    if path is None:
        with image.warehouse() as engine:
            is_up = partial(heart_beats, engine)
            with image.running(program, *arguments, answers_at=is_up):
                assert is_up()
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}{path}"
    with image.running(program, *arguments, "--port", str(port), answers_at=url):
        assert httpx.get(url, trust_env=False).status_code == 200


def heart_beats(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("daemon_heartbeats"):
            return False
        return bool(connection.scalar(sa.text("SELECT count(*) FROM daemon_heartbeats")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_other_commands_do_what_they_say_one_after_the_other(
    image: Shell, tmp_path: Path
) -> None:
    """As of the days that the README speaks of, with gates that so few matches can pass."""
    params = yaml.safe_load((project_folder() / "soccer_assets/dvc/params.yaml").read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.08}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params))
    variables = {"SOCCER_PARAMS": str(file), "SOCCER_AS_OF": "2025-07-06"}
    variables = {**image.variables, **variables}
    image = replace(image, variables=variables, patience_seconds=1800)
    for entry, words in FINISHING.items():
        for command in (c for c in COMMANDS if kind(c, {entry: {}})):
            for word, stands_for in words.items():
                command = command.replace(word, stands_for)
            image.run(*shlex.split(command.replace("[", "").replace("]", "")))
