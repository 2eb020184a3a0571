"""Where everything lives, read from the environment (and ``.env``) once per process.

Unset variables select the embedded default: a PostgreSQL server, a lake, a DVC remote and an
MLflow registry below ``SOCCER_HOME``, and the simulated livescores feed.
"""

import ipaddress
import secrets
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from soccer_assets.files import create_once

#: Where ``soccer serve`` listens.
DEFAULT_PORT = 8008


def project_folder() -> Path:
    """The checkout that this package is; the current folder when it is installed without one."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "dagster.yaml").exists() else Path.cwd()


def _default_home() -> Path:
    return project_folder() / ".soccer"


class Settings(BaseSettings):
    """Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    soccer_home: Path = Field(default_factory=_default_home)
    postgres_url: SecretStr | None = None
    lake_uri: str | None = None
    s3_endpoint_url: str | None = None
    aws_region: str = "us-east-1"
    mlflow_tracking_uri: str | None = None

    livescores_source: Literal["feed", "browser", "football_data", "file"] = "feed"
    livescores_url: str | None = None
    livescores_token: SecretStr | None = None
    livescores_timeout_seconds: float = Field(default=30.0, gt=0)
    livescores_attempts: int = Field(default=4, ge=1)
    livescores_file: Path | None = None
    simulator_seed: int = 20
    selenium_remote_url: SecretStr | None = None
    football_data_url: str = "https://www.football-data.co.uk"
    football_data_aliases: Path | None = None

    slack_bot_token: SecretStr | None = None
    slack_channel: str = "#soccer-assets"
    slack_api_url: str = "https://slack.com/api/"
    dagster_webserver_url: str = "http://127.0.0.1:3000"

    serving_workers: str = ""
    serving_token: SecretStr | None = None

    @field_validator("soccer_home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("postgres_url")
    @classmethod
    def _with_driver(cls, value: SecretStr | None) -> SecretStr | None:
        """Name the driver: a bare ``postgresql://`` means psycopg 3 to newer SQLAlchemy."""
        if value is None:
            return None
        scheme, separator, rest = value.get_secret_value().partition("://")
        if scheme not in ("postgres", "postgresql", "postgresql+psycopg2") or not separator:
            raise ValueError("POSTGRES_URL must start with postgresql://")
        return SecretStr(f"postgresql+psycopg2://{rest}")

    @field_validator("lake_uri")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value and "://" in value and not value.startswith(("s3://", "file://")):
            raise ValueError("LAKE_URI must be a path, file:// or s3://bucket/prefix")
        return value

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
        return self

    @cached_property
    def home(self) -> Path:
        """The state directory, created on first use."""
        self.soccer_home.mkdir(parents=True, exist_ok=True)
        return self.soccer_home

    @property
    def lake(self) -> str:
        return self.lake_uri or str(self.soccer_home / "lake")

    @property
    def dvc_remote(self) -> str:
        """The DVC remote lives beside the lake, in a prefix of its own."""
        if self.lake_uri and self.lake_uri.startswith("s3://"):
            return f"{self.lake_uri.rstrip('/')}/dvc"
        return str(self.soccer_home / "dvc-remote")

    @property
    def tracking_uri(self) -> str:
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri
        return f"sqlite:///{self.soccer_home / 'mlflow' / 'mlflow.db'}"

    @property
    def workers(self) -> list[str]:
        return [url.strip().rstrip("/") for url in self.serving_workers.split(",") if url.strip()]

    @cached_property
    def reload_token(self) -> str:
        """``SERVING_TOKEN``, or a token generated once and readable by this user alone."""
        if self.serving_token:
            return self.serving_token.get_secret_value()
        token = create_once(self.home / "serving-token", secrets.token_urlsafe(32), mode=0o600)
        return token.strip()


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    return Settings()
