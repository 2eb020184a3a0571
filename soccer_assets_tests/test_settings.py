"""Settings: one way in, the environment, which ``.env`` completes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from soccer_assets import settings as module
from soccer_assets.clock import utc_now
from soccer_assets.params import read_params
from soccer_assets.settings import (
    IN_FILES,
    SECRETS,
    TOKENS_OF_LIBRARIES,
    Settings,
    SettingsError,
    get_settings,
    revealed,
)

AWS = ("AWS_REGION", "AWS_DEFAULT_REGION")
BY_ROLLOUT = {"SERVING_RELOAD": "kubernetes", "SERVING_DEPLOYMENT": "soccer/worker"}
FILES = tuple(f"{name}_FILE" for name in IN_FILES)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder as the project's, and an environment without a setting of ours."""
    monkeypatch.setattr(module, "project_folder", lambda: tmp_path)
    kept = dict(os.environ)
    for name in (*(field.upper() for field in Settings.model_fields), *AWS, *IN_FILES, *FILES):
        os.environ.pop(name, None)
    yield tmp_path
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def env_file(project: Path) -> Callable[[str], None]:
    def write(text: str) -> None:
        (project / ".env").write_text(text)

    return write


def test_every_setting_can_stand_in_the_file(env_file: Callable[[str], None]) -> None:
    env_file(
        "export SOCCER_AS_OF=2025-03-01\nSOCCER_PARAMS='my params.yaml'\nLIVESCORES_ATTEMPTS=7\n"
    )
    assert get_settings().soccer_as_of == datetime(2025, 3, 1, tzinfo=UTC)
    assert get_settings().livescores_attempts == 7
    assert utc_now() == datetime(2025, 3, 1, tzinfo=UTC)
    assert get_settings().params_file.name == "my params.yaml"


#: Not settings of ours, but told of beside them.
OF_LIBRARIES = re.compile("AWS_|MLFLOW_HTTP_REQUEST_|MLFLOW_TRACKING_(USERNAME|PASSWORD|TOKEN)$")


def test_the_example_has_every_setting_and_no_other() -> None:
    """Each on a line of its own, to be uncommented."""
    text = (module.project_folder() / ".env.example").read_text()
    told = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)
    assert len(set(told)) == len(told)
    fields = {field.upper() for field in Settings.model_fields}
    assert fields - {*told} == set()
    assert [name for name in {*told} - fields if not OF_LIBRARIES.match(name)] == []


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lakes/one", "{project}/lakes/one"),
        ("../lake", "{project.parent}/lake"),
        ("~/lake", "{home}/lake"),
        ("/lakes/50% #1, 'x'", "/lakes/50% #1, 'x'"),
        ("file:///lakes/50%25%20%231", "/lakes/50% #1"),
        ("file://localhost/lakes/one", "/lakes/one"),
        ("s3://bucket/50% #1/lake", "s3://bucket/50% #1/lake"),
    ],
)
def test_a_lake_is_one_place_for_every_process(project: Path, given: str, meant: str) -> None:
    os.environ["LAKE_URI"] = given
    settings = get_settings()
    assert settings.lake == meant.format(project=project, home=Path.home())
    assert settings.environment()["LAKE_URI"] == settings.lake


@pytest.mark.parametrize(
    "given", ["s3://", "s3:///lake", "s3://bucket/a?b", "file://elsewhere/lake", "file://a"]
)
def test_a_lake_that_is_no_place_is_refused(project: Path, given: str) -> None:
    os.environ["LAKE_URI"] = given
    with pytest.raises(SettingsError, match="LAKE_URI must be a path, file:///path or s3://"):
        get_settings()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///mlflow/own.db?timeout=9", "sqlite:///{project}/mlflow/own.db?timeout=9"),
        ("sqlite:////var/lib/own.db", "sqlite:////var/lib/own.db"),
    ],
)
def test_a_registry_in_a_file_is_one_place_for_every_process(
    project: Path, given: str, meant: str
) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = given
    settings = get_settings()
    assert settings.tracking_uri == meant.format(project=project)
    assert settings.environment()["MLFLOW_TRACKING_URI"] == settings.tracking_uri


def test_what_libraries_read_for_themselves_reaches_them(env_file: Callable[[str], None]) -> None:
    env_file("AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=hush\n")
    get_settings()
    from boto3.session import Session

    credentials = Session().get_credentials()
    assert (credentials.access_key, credentials.secret_key) == ("key", "hush")


def test_libraries_keep_their_files_in_the_home_and_send_nothing(project: Path) -> None:
    os.environ.pop("MPLCONFIGDIR", None)
    os.environ.pop("MLFLOW_DISABLE_TELEMETRY", None)
    get_settings()
    assert os.environ["MPLCONFIGDIR"] == str(project / ".soccer" / "matplotlib")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("exported", ["2", ""])
def test_what_is_exported_wins_even_if_it_is_nothing(
    env_file: Callable[[str], None], exported: str
) -> None:
    os.environ["LIVESCORES_ATTEMPTS"] = exported
    env_file("LIVESCORES_ATTEMPTS=7\n")
    assert get_settings().livescores_attempts == int(exported or 4)


def test_a_child_in_any_folder_means_the_same(
    project: Path, env_file: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All that this process was told, by export or by file, relative paths too."""
    (project / "own.yaml").write_text("ingestion: {days_back: 9}")
    env_file(
        "SOCCER_HOME=my state\nSOCCER_PARAMS=own.yaml\nSOCCER_AS_OF=2025-03-01\n"
        "LAKE_URI=s3://bucket/prefix\nAWS_DEFAULT_REGION=eu-north-1\nAWS_ACCESS_KEY_ID=key\n"
        "POSTGRES_URL=postgres://u:p%40@h/d?sslmode=require\n"
    )
    mine = get_settings()
    script = (
        "from soccer_assets.settings import Settings\n"
        "from soccer_assets.params import read_params\n"
        "settings = Settings()\n"
        "print(repr(settings.model_dump()), read_params(settings.params_file).ingestion.days_back)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={**os.environ, **mine.environment()},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert told.strip() == f"{mine.model_dump()!r} 9"
    assert mine.home == project / "my state"


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
    ],
)
def test_the_region_has_two_names_and_one_meaning(
    project: Path, given: dict[str, str], region: str
) -> None:
    os.environ |= given
    assert get_settings().aws_region == region
    child = get_settings().environment()
    assert {child[name] for name in AWS} == {region}


SECRET = "hush"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"POSTGRES_URL": f"mysql://user:{SECRET}@host/db"}, "POSTGRES_URL: must start with"),
        ({"SOCCER_AS_OF": "yesterday"}, "SOCCER_AS_OF: not a moment like 2025-03-01"),
        ({"LIVESCORES_ATTEMPTS": "many"}, "LIVESCORES_ATTEMPTS: .*integer"),
        ({"LIVESCORES_TIMEOUT_SECONDS": "0"}, "LIVESCORES_TIMEOUT_SECONDS: .*greater than 0"),
        ({"LIVESCORES_SOURCE": SECRET}, "LIVESCORES_SOURCE: .*'football_data'"),
        ({"LAKE_URI": f"ftp://{SECRET}@host"}, "LAKE_URI must be a path"),
        ({"LIVESCORES_ATTEMPTS": "0", "SIMULATOR_SEED": "x"}, "LIVESCORES_ATTEMPTS.*; SIMULATOR_"),
        ({"SOCCER_EXECUTOR": SECRET}, "SOCCER_EXECUTOR: .*'in_process'.*'celery' or 'k8s'"),
        ({"SOCCER_CELERY_BROKER": f"kafka://u:{SECRET}@host"}, "SOCCER_CELERY_BROKER: must start"),
        ({"SOCCER_CELERY_BROKER": f"amqp://u:{SECRET}/x@h//"}, "SOCCER_CELERY_BROKER: not an addr"),
        ({"SOCCER_CELERY_BACKEND": f"redis://:{SECRET}#x@h/0"}, "SOCCER_CELERY_BACKEND: not an ad"),
        ({"POSTGRES_URL": f"postgresql://u:p@{SECRET}@h/d"}, "POSTGRES_URL: not an address"),
        ({"POSTGRES_URL": f"postgresql://u:{SECRET}@h/d?foo=x"}, 'POSTGRES_URL: invalid .* "foo"'),
        ({"MLFLOW_TRACKING_URI": f"postgresql://u:p@{SECRET}@h/d"}, "MLFLOW_TRACKING_URI: not an"),
        ({"MLFLOW_TRACKING_URI": SECRET}, "MLFLOW_TRACKING_URI: must start with http://, https:/"),
        ({"LIVESCORES_TOKEN": f"{SECRET}\nx"}, "LIVESCORES_TOKEN: has characters that no HTTP"),
        ({"SLACK_BOT_TOKEN": f"{SECRET}\x01"}, "SLACK_BOT_TOKEN: has characters"),
        ({"SERVING_TOKEN": f"{SECRET}é"}, "SERVING_TOKEN: has characters"),
        ({"LAKE_URI": f"s3:///{SECRET}"}, "LAKE_URI must be a path"),
    ],
)
def test_a_bad_value_is_told_in_one_line_that_does_not_repeat_it(
    project: Path, given: dict[str, str], complaint: str
) -> None:
    os.environ |= given
    with pytest.raises(SettingsError, match=f"^{complaint}") as raised:
        get_settings()
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_line_of_the_file_that_is_none_is_named(env_file: Callable[[str], None]) -> None:
    env_file("SOCCER_AS_OF=2025-03-01\n'LIVESCORES_TOKEN hush\n")
    with pytest.raises(SettingsError, match=r"\.env, line 2: not NAME=value$"):
        get_settings()


def test_a_file_that_cannot_be_read_is_named(project: Path) -> None:
    (project / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        get_settings()


def test_a_home_that_is_a_file_is_refused(project: Path) -> None:
    (project / "state").write_text("")
    os.environ["SOCCER_HOME"] = "state"
    with pytest.raises(SettingsError, match=r"^SOCCER_HOME: .*/state is not a folder$"):
        _ = get_settings().home


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ingestion: {days_back: -1}", "ingestion.days_back: .*greater than or equal to 0"),
        ("ingestion: {dayz: 1}", "ingestion.dayz: Extra inputs"),
        ("- a list", ": Input should be a valid dictionary"),
        ("a: [", ": not YAML: "),
        (None, ": No such file"),
    ],
)
def test_parameters_that_are_none_are_told_in_one_line(
    project: Path, text: str | None, complaint: str
) -> None:
    if text is not None:
        (project / "own.yaml").write_text(text)
    os.environ["SOCCER_PARAMS"] = "own.yaml"
    with pytest.raises(SettingsError, match=rf"^parameters .*/own\.yaml.*{complaint}") as raised:
        read_params(get_settings().params_file)
    assert "\n" not in str(raised.value)


def test_a_browser_without_selenium_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVESCORES_SOURCE", "browser")
    monkeypatch.setenv("LIVESCORES_URL", "https://feed.example")
    monkeypatch.setenv("SELENIUM_REMOTE_URL", "http://grid:4444")
    assert get_settings().livescores_source == "browser"
    monkeypatch.setitem(sys.modules, "selenium", None)
    with pytest.raises(SettingsError) as raised:
        get_settings()
    assert str(raised.value) == (
        "LIVESCORES_SOURCE=browser needs Selenium: pip install 'soccer_assets[browser]'"
    )


SHARED = {
    "POSTGRES_URL": "postgresql://u:p@host/db",
    "LAKE_URI": "s3://bucket/lake",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
}


@pytest.mark.parametrize("executor", ["celery", "k8s"])
def test_steps_on_other_machines_need_what_all_share(project: Path, executor: str) -> None:
    os.environ |= {"SOCCER_EXECUTOR": executor, "SOCCER_CELERY_BROKER": "amqp://u:hush@broker//"}
    with pytest.raises(SettingsError, match="POSTGRES_URL, LAKE_URI, MLFLOW_TRACKING_URI") as told:
        get_settings()
    assert "\n" not in str(told.value)
    os.environ |= SHARED
    assert get_settings().soccer_executor == executor


def test_celery_needs_a_broker(project: Path) -> None:
    os.environ |= {**SHARED, "SOCCER_EXECUTOR": "celery"}
    with pytest.raises(SettingsError, match=r"^SOCCER_EXECUTOR=celery needs SOCCER_CELERY_BROKER"):
        get_settings()


@pytest.mark.parametrize("executor", ["celery", "k8s"])
def test_an_engine_without_its_package_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    os.environ |= {**SHARED, "SOCCER_EXECUTOR": executor, "SOCCER_CELERY_BROKER": "amqp://broker"}
    monkeypatch.setitem(sys.modules, f"dagster_{executor}", None)
    with pytest.raises(SettingsError) as told:
        get_settings()
    assert str(told.value) == (
        f"SOCCER_EXECUTOR={executor} needs dagster-{executor}: "
        f"pip install 'soccer_assets[{executor}]'"
    )


@pytest.mark.parametrize(
    ("broker", "backend", "used"),
    [
        ("amqp://u:p@broker//", None, "rpc://"),
        ("redis://:p@broker/0", None, "redis://:p@broker/0"),
        ("amqp://u:p@broker//", "redis://other/1", "redis://other/1"),
    ],
)
def test_what_came_of_steps_is_kept_where_the_broker_can(
    project: Path, broker: str, backend: str | None, used: str
) -> None:
    os.environ |= {"SOCCER_CELERY_BROKER": broker, "SOCCER_CELERY_BACKEND": backend or ""}
    assert get_settings().celery_backend == used


@pytest.mark.parametrize(
    ("given", "is_needed"),
    [
        ({"SERVING_WORKERS": "http://worker-1:8008"}, True),
        ({"SERVING_WORKERS": "http://127.0.0.1:8008,http://worker-2:8008"}, True),
        ({"SERVING_WORKERS": "http://127.0.0.1:8008,http://[::1]:8009"}, False),
        ({"SERVING_WORKERS": "http://localhost:8008", "SOCCER_EXECUTOR": "k8s"}, True),
        ({"SERVING_WORKERS": "http://predictions", **BY_ROLLOUT}, False),
        ({"SOCCER_EXECUTOR": "k8s"}, False),
        ({}, False),
    ],
)
def test_a_token_for_workers_elsewhere_is_given_and_not_made_here(
    project: Path, given: dict[str, str], is_needed: bool
) -> None:
    os.environ |= {**SHARED, **given}
    if is_needed:
        with pytest.raises(SettingsError, match=r"^SERVING_TOKEN is needed"):
            get_settings()
        os.environ["SERVING_TOKEN"] = "given"
    assert (get_settings().reload_token == "given") is is_needed


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"SERVING_RELOAD": "celery"}, "SERVING_RELOAD=celery needs SOCCER_CELERY_BROKER"),
        (
            {"SERVING_RELOAD": "kubernetes"},
            "SERVING_RELOAD=kubernetes needs SERVING_DEPLOYMENT and SERVING_WORKERS",
        ),
        (BY_ROLLOUT, "SERVING_RELOAD=kubernetes needs SERVING_WORKERS"),
        (
            {"SERVING_DEPLOYMENT": "a/b/c"},
            "SERVING_DEPLOYMENT: not a name like soccer-worker or namespace/soccer-worker",
        ),
        ({"SERVING_DEPLOYMENT": "../secrets"}, "SERVING_DEPLOYMENT: not a name like"),
        ({"SERVING_RELOAD": "url"}, "SERVING_RELOAD: Input should be 'urls', 'celery' or "),
        ({"SERVING_ROLLOUT_SECONDS": "0"}, "SERVING_ROLLOUT_SECONDS: Input should be greater"),
    ],
)
def test_a_way_to_reload_workers_has_what_it_needs(
    project: Path, given: dict[str, str], complaint: str
) -> None:
    os.environ |= given
    with pytest.raises(SettingsError) as raised:
        get_settings()
    assert str(raised.value).startswith(complaint)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("way", "package"), [("celery", "kombu"), ("kubernetes", "kubernetes")])
def test_a_way_to_reload_workers_says_what_it_is_installed_with(
    project: Path, monkeypatch: pytest.MonkeyPatch, way: str, package: str
) -> None:
    os.environ |= {
        **BY_ROLLOUT,
        "SERVING_WORKERS": "http://predictions",
        "SOCCER_CELERY_BROKER": "amqp://broker",
        "SERVING_RELOAD": way,
    }
    import_module(package)
    assert get_settings().serving_reload == way
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=f"^SERVING_RELOAD={way} needs {package}: pip install"):
        get_settings()


def test_secrets_may_stand_in_files_of_their_own(project: Path) -> None:
    (project / "url").write_text("postgresql://u:hush@host/db\n")
    (project / "key").write_text("aws-hush\n")
    os.environ["POSTGRES_URL_FILE"] = str(project / "url")
    os.environ["AWS_SECRET_ACCESS_KEY_FILE"] = str(project / "key")
    settings = get_settings()
    assert revealed(settings.postgres_url) == "postgresql+psycopg2://u:hush@host/db"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "aws-hush"
    assert settings.environment()["POSTGRES_URL"].endswith("u:hush@host/db")


def test_so_may_the_login_of_mlflow_which_reads_it_for_itself(project: Path) -> None:
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
    for name in names:
        (project / name).write_text(f"hush-{name}\n")
        os.environ[f"{name}_FILE"] = f"{project / name}\n"
    get_settings()
    assert [os.environ[name] for name in names] == [f"hush-{name}" for name in names]


@pytest.mark.parametrize("name", TOKENS_OF_LIBRARIES)
def test_a_token_of_a_library_that_no_header_carries_is_refused(project: Path, name: str) -> None:
    os.environ[name] = f"{SECRET}\nfoo"
    with pytest.raises(SettingsError, match=f"^{name}: has characters that no HTTP") as refused:
        get_settings()
    assert SECRET not in str(refused.value)


def test_blank_space_at_the_ends_is_of_no_value(project: Path) -> None:
    """As in a Secret made with echo: neither for settings, nor for libraries and children."""
    os.environ |= {
        "POSTGRES_URL": " postgresql://u:p%20w@host/db\n",
        "SERVING_TOKEN": "hush hush\r\n",
        "LIVESCORES_URL": "http://feed.example\n",
        "LIVESCORES_ATTEMPTS": "7\n",
        "LIVESCORES_SOURCE": "feed\n",
        "LAKE_URI": " s3://bucket/lake ",
        "SOCCER_HOME": "state\n",
        "SLACK_BOT_TOKEN": " \n",
        "AWS_SECRET_ACCESS_KEY": "key\n",
        "AWS_DEFAULT_REGION": "eu-west-1\n",
    }
    settings = get_settings()
    assert revealed(settings.postgres_url) == "postgresql+psycopg2://u:p%20w@host/db"
    assert settings.reload_token == "hush hush"
    assert settings.livescores_attempts == 7
    assert settings.lake == "s3://bucket/lake"
    assert settings.home == project / "state"
    assert settings.slack_bot_token is None
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "key"
    assert settings.aws_region == "eu-west-1"


def in_an_old_locale(script: str, **variables: str | bytes) -> str:
    """What a Python prints that takes the encoding of its surroundings from ``LC_ALL=C``."""
    given = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **given, **variables},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_files_are_utf_8_whatever_the_locale(project: Path) -> None:
    (project / ".env").write_bytes("# Schlüssel\nLIVESCORES_ATTEMPTS=7\n".encode())
    (project / "own.yaml").write_bytes("# Tage zurück\ningestion: {days_back: 9}".encode())
    read = (
        "from pathlib import Path\n"
        "from soccer_assets.environment import SettingsError, read_env_file\n"
        "from soccer_assets.params import read_params\n"
        "from soccer_assets.settings import Settings\n"
        "try:\n"
        "    read_env_file(Path('.env').absolute())\n"
        "    settings = Settings()\n"
        "    print(settings.livescores_attempts, end=' ')\n"
        "    print(read_params(settings.params_file).ingestion.days_back)\n"
        "except SettingsError as error:\n"
        "    print(error)\n"
    )
    here = f"import os\nos.chdir({str(project)!r})\n"
    told = in_an_old_locale(here + read, SOCCER_PARAMS=str(project / "own.yaml"))
    assert told == "7 9"
    (project / ".env").write_bytes("SLACK_CHANNEL=#fußball\n".encode())
    told = in_an_old_locale(here + read)
    assert told.startswith(f"{project / '.env'}: a value that no variable can have")
    assert "LC_ALL=C.UTF-8" in told


def test_a_variable_cannot_hold_a_nul(project: Path, env_file: Callable[[str], None]) -> None:
    env_file(f"LIVESCORES_NAME={SECRET}\0\n")
    with pytest.raises(SettingsError, match=r"\.env: a value that no variable can have") as told:
        get_settings()
    assert SECRET not in str(told.value)
    env_file("")
    (project / "token").write_text(f"{SECRET}\0")
    os.environ["SERVING_TOKEN_FILE"] = str(project / "token")
    with pytest.raises(SettingsError, match=r"^SERVING_TOKEN_FILE: .* no variable can have"):
        get_settings()


@pytest.mark.parametrize("name", ["SOCCER_HOME", "LAKE_URI", "SOCCER_PARAMS", "LIVESCORES_FILE"])
def test_a_path_that_is_not_utf_8_is_refused(project: Path, name: str) -> None:
    os.environ[name] = os.fsdecode(b"/tmp/\xff/state")
    with pytest.raises(SettingsError, match=f"^{name}: a path whose letters are none") as refused:
        get_settings()
    assert str(refused.value).isprintable()


def test_every_secret_setting_may_stand_in_a_file() -> None:
    secret = {name.upper() for name in Settings.model_fields} & set(SECRETS)
    assert secret == {
        *("POSTGRES_URL", "MLFLOW_TRACKING_URI", "LIVESCORES_URL", "LIVESCORES_TOKEN"),
        *("SELENIUM_REMOTE_URL", "FOOTBALL_DATA_URL", "SLACK_BOT_TOKEN", "SERVING_TOKEN"),
        *("SOCCER_CELERY_BROKER", "SOCCER_CELERY_BACKEND"),
    }


def test_what_is_exported_wins_over_the_file_of_a_secret(project: Path) -> None:
    os.environ["SERVING_TOKEN"] = "exported"
    os.environ["SERVING_TOKEN_FILE"] = str(project / "is not there")
    assert get_settings().reload_token == "exported"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b" \n", "is empty"), (b"\xff", "not text")],
)
def test_a_secret_whose_file_is_of_no_use_is_told_in_one_line(
    project: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (project / "token").write_bytes(content)
    os.environ["SERVING_TOKEN_FILE"] = str(project / "token")
    with pytest.raises(SettingsError, match=rf"^SERVING_TOKEN_FILE: .*/token:? {why}$"):
        get_settings()
