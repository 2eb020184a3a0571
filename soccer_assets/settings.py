"""All settings. There is one way in: the environment of the process.

``.env`` in the project's folder is read into the environment first, for whatever is not set there
already, so that libraries (boto3's ``AWS_*``) and children find it as well; then, for a secret that
is not set, the file that its variable with ``_FILE`` behind it names. Unset variables select
the embedded default: a PostgreSQL server, a lake, a DVC remote and an MLflow registry below
``SOCCER_HOME``, and the simulated livescores feed.
"""

import os
import re
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from soccer_assets.addresses import (
    backend_address,
    broker_address,
    header_token,
    tracking_address,
    warehouse_address,
)
from soccer_assets.environment import (
    SettingsError,
    look_at_tokens,
    misspelt,
    read_env_file,
    read_secret_files,
    trim,
)
from soccer_assets.files import create_once, nearest
from soccer_assets.urls import bare, credentials, open_url, service_url

#: The parameters of the package, which ``SOCCER_PARAMS`` can name others for.
DEFAULT_PARAMS = Path(__file__).parent / "dvc" / "params.yaml"
#: Where ``soccer serve`` listens.
DEFAULT_PORT = 8008
#: Executors that give steps to other machines.
REMOTE = ("celery", "k8s")
#: What else than URLs leads to the prediction workers: the package that is needed, and the extra that
#: brings it.
RELOADING = {"celery": ("kombu", "celery"), "kubernetes": ("kubernetes", "k8s")}
#: As Kubernetes has names, of a Deployment or of a namespace and a Deployment.
DEPLOYMENT = re.compile(
    r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _is_installed(package: str) -> bool:
    """Some (kombu) put a module in their own place that no specification can be found of."""
    return sys.modules.get(package) is not None or find_spec(package) is not None


def project_folder() -> Path:
    """The checkout that this package is; the current folder when it is installed without one."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "dagster.yaml").exists() else Path.cwd()


def absolute_path(value: Path) -> Path:
    """Relative paths start in the project's folder, whatever folder a process runs in. Raises
    ValueError for one that cannot be told, or be handed to PostgreSQL and DVC."""
    path = (project_folder() / value.expanduser()).resolve()
    if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
        raise ValueError("a path whose letters are none in UTF-8, or in this process's locale")
    return path


def moment(text: str) -> datetime:
    """An ISO 8601 day or time, UTC unless it says otherwise. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("not a moment like 2025-03-01 or 2025-03-01T18:30") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _kept(check: Callable[[str], str]) -> AfterValidator:
    """What looks at a text, for one that is not shown."""
    return AfterValidator(lambda value: SecretStr(check(value.get_secret_value())))


AbsolutePath = Annotated[Path, AfterValidator(absolute_path)]
#: An address that all may see, and one that may hold a user and a password.
OpenUrl = Annotated[str, AfterValidator(open_url)]
SecretUrl = Annotated[SecretStr, _kept(service_url)]
HeaderToken = Annotated[SecretStr, _kept(header_token)]


class Settings(BaseSettings):
    """Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, populate_by_name=True
    )

    soccer_home: AbsolutePath = Field(Path(".soccer"), validate_default=True)
    soccer_params: AbsolutePath | None = None
    soccer_as_of: Annotated[datetime, BeforeValidator(moment)] | None = None
    soccer_clock: AbsolutePath | None = None
    postgres_url: Annotated[SecretStr, _kept(warehouse_address)] | None = None
    postgres_connections: int = Field(default=6, ge=6)
    postgres_statement_seconds: float = Field(default=300, gt=0)
    dagster_connections: int = Field(default=3, ge=2)
    lake_uri: str | None = None
    s3_endpoint_url: OpenUrl | None = None
    aws_region: str = Field(
        "us-east-1", validation_alias=AliasChoices("aws_region", "aws_default_region")
    )
    mlflow_tracking_uri: Annotated[SecretStr, _kept(tracking_address)] | None = None

    livescores_source: Literal["feed", "browser", "football_data", "file"] = "feed"
    livescores_name: str | None = None
    livescores_url: SecretUrl | None = None
    livescores_token: HeaderToken | None = None
    livescores_timeout_seconds: float = Field(default=30.0, gt=0)
    livescores_attempts: int = Field(default=4, ge=1)
    livescores_file: AbsolutePath | None = None
    livescores_date_format: str | None = None
    simulator_seed: int = 20
    selenium_remote_url: SecretUrl | None = None
    football_data_url: SecretUrl = SecretStr("https://www.football-data.co.uk")
    football_data_aliases: AbsolutePath | None = None

    slack_bot_token: HeaderToken | None = None
    slack_channel: str = "#soccer-assets"
    slack_api_url: OpenUrl = "https://slack.com/api"
    dagster_webserver_url: OpenUrl = "http://127.0.0.1:3000"

    require_sign_off: bool = False

    soccer_executor: Literal["in_process", "multiprocess", "celery", "k8s"] = "in_process"
    soccer_celery_broker: Annotated[SecretStr, _kept(broker_address)] | None = None
    soccer_celery_backend: Annotated[SecretStr, _kept(backend_address)] | None = None
    soccer_celery_visibility_seconds: int = Field(default=3600, ge=10)

    serving_workers: str = ""
    serving_token: HeaderToken | None = None
    serving_reload: Literal["urls", "celery", "kubernetes"] = "urls"
    serving_deployment: str | None = None
    serving_rollout_seconds: float = Field(default=600, gt=0)

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _one_store(cls, value: SecretStr | None) -> SecretStr | None:
        """The file of an SQLite store is the same for every process."""
        scheme, separator, rest = revealed(value).partition("sqlite:///")
        if scheme or not separator:
            return value
        file, mark, options = rest.partition("?")
        return SecretStr(f"{separator}{absolute_path(Path(file))}{mark}{options}")

    @field_validator("serving_workers")
    @classmethod
    def _workers_in_the_open(cls, value: str) -> str:
        """What authorises a reload is ``SERVING_TOKEN``."""
        return ",".join(open_url(url.strip()) for url in value.split(",") if url.strip())

    @field_validator("serving_deployment")
    @classmethod
    def _name_of_deployment(cls, value: str | None) -> str | None:
        if value is not None and not DEPLOYMENT.fullmatch(value):
            raise ValueError("not a name like soccer-worker or namespace/soccer-worker")
        return value

    @field_validator("lake_uri")
    @classmethod
    def _one_place(cls, value: str | None) -> str | None:
        """An absolute path or ``s3://bucket/prefix``, the same place for every process."""
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator:
            return str(absolute_path(Path(value)))
        in_bucket = scheme == "s3" and not rest.startswith("/")
        if in_bucket and rest and not set("?@") & set(rest):  # a login is AWS_* variables
            return value
        if scheme == "file" and rest.startswith(("/", "localhost/")):
            return str(absolute_path(Path(unquote(rest.removeprefix("localhost")))))
        raise ValueError("LAKE_URI must be a path, file:///path or s3://bucket/prefix")

    @model_validator(mode="after")
    def _source_is_complete(self) -> Self:
        """A source that needs a setting says so when the settings are read, not at its first day."""
        needs = {
            "browser": ("livescores_url", "selenium_remote_url"),
            "file": ("livescores_file",),
        }.get(self.livescores_source, ())
        absent = [name.upper() for name in needs if getattr(self, name) is None]
        if absent:
            raise ValueError(
                f"LIVESCORES_SOURCE={self.livescores_source} needs {' and '.join(absent)}"
            )
        if self.livescores_source == "browser" and find_spec("selenium") is None:
            raise ValueError(
                "LIVESCORES_SOURCE=browser needs Selenium: pip install 'soccer_assets[browser]'"
            )
        if self.livescores_source == "browser" and credentials(revealed(self.livescores_url)):
            raise ValueError("LIVESCORES_URL must not have a user or a password for a browser")
        return self

    @model_validator(mode="after")
    def _machines_share_everything(self) -> Self:
        """Steps on other machines find nothing in this one's home."""
        if self.soccer_executor not in REMOTE:
            return self
        asked = f"SOCCER_EXECUTOR={self.soccer_executor}"
        needs = ["postgres_url", "lake_uri", "mlflow_tracking_uri"]
        if self.soccer_executor == "celery":
            needs.insert(0, "soccer_celery_broker")
        absent = [name.upper() for name in needs if getattr(self, name) is None]
        if absent:
            raise ValueError(f"{asked} needs {', '.join(absent)}: its steps run on other machines")
        package = f"dagster_{self.soccer_executor}"
        if find_spec(package) is None:
            raise ValueError(
                f"{asked} needs {package.replace('_', '-')}: "
                f"pip install 'soccer_assets[{self.soccer_executor}]'"
            )
        return self

    @model_validator(mode="after")
    def _workers_can_be_reached(self) -> Self:
        needs = {
            "celery": ("soccer_celery_broker",),
            "kubernetes": ("serving_deployment", "serving_workers"),
        }.get(self.serving_reload, ())
        asked = f"SERVING_RELOAD={self.serving_reload}"
        absent = [name.upper() for name in needs if not getattr(self, name)]
        if absent:
            raise ValueError(f"{asked} needs {' and '.join(absent)}")
        package, extra = RELOADING.get(self.serving_reload, ("", ""))
        if package and not _is_installed(package):
            raise ValueError(f"{asked} needs {package}: pip install 'soccer_assets[{extra}]'")
        return self

    @model_validator(mode="after")
    def _workers_share_a_token(self) -> Self:
        """One that is generated in a home is known to what runs in that home alone. Only a reload
        by URL asks for one."""
        if self.serving_reload != "urls":
            return self
        hosts = {urlsplit(url).hostname for url in self.workers}
        is_elsewhere = bool(hosts - LOOPBACK) or (hosts and self.soccer_executor in REMOTE)
        if is_elsewhere and self.serving_token is None:
            raise ValueError(
                "SERVING_TOKEN is needed with these SERVING_WORKERS: what runs on another machine "
                "does not know the token that is generated here"
            )
        return self

    def environment(self) -> dict[str, str]:
        """What a child process is given beside the inherited environment, so that every setting
        means to it what it means here, in whatever folder it runs. The lake is always among it,
        for those that know no defaults."""
        given = {"LAKE_URI": self.lake} | {
            name.upper(): _text(getattr(self, name))
            for name in self.model_fields_set | {"soccer_home"}
            if getattr(self, name) is not None
        }
        # boto3 reads the second, other libraries of AWS the first.
        return {**given, "AWS_REGION": self.aws_region, "AWS_DEFAULT_REGION": self.aws_region}

    @cached_property
    def home(self) -> Path:
        """The state directory, created on first use.

        Raises:
            SettingsError: it cannot be made, or not be written to.
        """
        folder = self.soccer_home
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise SettingsError(f"SOCCER_HOME: {folder} is not a folder") from None
        except OSError as error:
            raise SettingsError(f"SOCCER_HOME: {folder}: {error.strerror}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"SOCCER_HOME: {folder} cannot be written to")
        return folder

    def look_at_home(self) -> Path:
        """The state directory, or what is there of those above it. Nothing is made.

        Raises:
            SettingsError: it cannot be used, or be made there.
        """
        folder = self.soccer_home
        try:
            there = nearest(folder)
        except OSError as error:
            raise SettingsError(f"SOCCER_HOME: {folder}: {error.strerror}") from None
        if not there.is_dir():
            raise SettingsError(f"SOCCER_HOME: {there} is not a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise SettingsError(f"SOCCER_HOME: {there} cannot be written to by this user")
        return there

    @property
    def source_name(self) -> str:
        """What the matches are of, by whatever address they come: a home holds those of one."""
        if self.livescores_name:
            return self.livescores_name
        if self.livescores_source == "football_data":
            return "football-data.co.uk"
        if self.livescores_source == "file" and self.livescores_file:
            return name_of_file(self.livescores_file)
        if self.livescores_url:
            return f"site {urlsplit(revealed(self.livescores_url)).hostname}"
        return f"simulator {self.simulator_seed}"

    @property
    def params_file(self) -> Path:
        return self.soccer_params or DEFAULT_PARAMS

    @property
    def lake(self) -> str:
        return self.lake_uri or str(self.soccer_home / "lake")

    @property
    def dvc_remote(self) -> str:
        """Whoever shares a lake shares the DVC remote, which lives in a folder of it."""
        if self.lake_uri:
            return f"{self.lake_uri.rstrip('/')}/dvc"
        return str(self.soccer_home / "dvc-remote")

    @property
    def tracking_uri(self) -> str:
        """MLflow's, without the user and password of a server: MLflow shows it in its errors."""
        given = revealed(self.mlflow_tracking_uri)
        if given:
            return bare(given) if given.startswith("http") else given
        return f"sqlite:///{self.soccer_home / 'mlflow' / 'mlflow.db'}"

    def tell_libraries(self) -> None:
        """Put into this process's environment what libraries look for there: nothing of theirs is
        kept outside the home, or sent to their makers."""
        os.environ.setdefault("MPLCONFIGDIR", str(self.soccer_home / "matplotlib"))
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ |= self._tracking_login

    @property
    def _tracking_login(self) -> dict[str, str]:
        """User and password of ``MLFLOW_TRACKING_URI``, in the variables where MLflow finds them."""
        given = revealed(self.mlflow_tracking_uri)
        login = credentials(given) if given.startswith("http") else None
        names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
        return dict(zip(names, login, strict=True)) if login else {}

    @property
    def workers(self) -> list[str]:
        return [url for url in self.serving_workers.split(",") if url]

    @property
    def serving_folder(self) -> Path:
        """Where this home's workers leave how they are found, and what they start from while
        PostgreSQL is away."""
        return self.home / "serving"

    @property
    def celery_backend(self) -> str:
        """Where step workers leave what came of a step: in the Redis that is the broker, else in
        messages to whoever asked."""
        broker = revealed(self.soccer_celery_broker)
        given = revealed(self.soccer_celery_backend)
        return given or (broker if broker.startswith("redis") else "rpc://")

    @cached_property
    def reload_token(self) -> str:
        """``SERVING_TOKEN``, or a token generated once and readable by this user alone."""
        if self.serving_token:
            return self.serving_token.get_secret_value()
        token = create_once(self.home / "serving-token", secrets.token_urlsafe(32), mode=0o600)
        return token.strip()


#: What libraries read for themselves, and send in headers.
TOKENS_OF_LIBRARIES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "MLFLOW_TRACKING_TOKEN",
)
#: What nobody may see, by its variables: the settings that are secret, and what lets libraries in.
SECRETS = (
    *(
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr.__name__ in str(field.annotation)  # bare, annotated, or one of a union
    ),
    *TOKENS_OF_LIBRARIES,
    "MLFLOW_TRACKING_PASSWORD",
)
#: What may stand in a file that its variable with ``_FILE`` behind it names.
IN_FILES = (*SECRETS, "MLFLOW_TRACKING_USERNAME")
#: Of those, libraries read more than is known here.
_OF_LIBRARIES = ("AWS_", "DAGSTER_", "MLFLOW_")
#: All that is read here, or by libraries that are configured here.
_READ = {
    *(name.upper() for name in Settings.model_fields),
    *("AWS_REGION", "AWS_DEFAULT_REGION"),
    *IN_FILES,
    *(f"{name}_FILE" for name in IN_FILES),
}


def name_of_file(file: Path) -> str:
    """A file of results goes by its name: it may be moved, and grows."""
    return f"file {file.stem}"


def revealed(secret: SecretStr | None) -> str:
    """What is kept from being shown; nothing where there is none."""
    return secret.get_secret_value() if secret else ""


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def misspelt_settings() -> dict[str, str]:
    """Names in ``.env`` that nothing here reads -> the setting that may be meant."""
    return misspelt(
        project_folder() / ".env", {n for n in _READ if not n.startswith(_OF_LIBRARIES)}
    )


def get_settings() -> Settings:
    """The settings that the environment holds now: for entry points, which hand them on.

    Raises:
        SettingsError: one of them is not usable.
    """
    read_env_file(project_folder() / ".env")
    trim(_READ)
    read_secret_files(IN_FILES)
    look_at_tokens(TOKENS_OF_LIBRARIES)
    try:
        settings = Settings()
    except ValidationError as error:
        # Not pydantic's own text: it is long, and may show what is to be kept secret.
        raise SettingsError("; ".join(map(_complaint, error.errors()))) from None
    settings.tell_libraries()
    return settings


def _complaint(error: Any) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else ""
    message = error["msg"].removeprefix("Value error, ")
    return message if not name or message.startswith(name) else f"{name}: {message}"
