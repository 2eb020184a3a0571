"""What would stop a command in the middle is told before it begins."""

import shutil
from datetime import date

from soccer_assets.cli.app import WrongUse
from soccer_assets.settings import SettingsError, get_settings


def check_days(first: date, last: date, first_name: str, last_name: str) -> None:
    """Days that the history cannot have are refused, and a history that has none."""
    from soccer_assets.automation.partitions import first_and_last_day
    from soccer_assets.params import read_params

    begins, ends = first_and_last_day(read_params(get_settings().params_file).ingestion)
    if first > last:
        raise WrongUse(f"{first_name} {first} is after {last_name} {last}")
    if first < begins:
        raise WrongUse(
            f"{first_name} {first} is before {begins}, where the history begins "
            "(ingestion.first_day of the parameters)"
        )
    if last > ends:
        raise WrongUse(
            f"{last_name} {last} is after {ends}, the last day that fixtures are asked for "
            "(ingestion.days_ahead of the parameters)"
        )


def check_surroundings() -> None:
    """What would stop the command in the middle is told before it begins."""
    from soccer_assets.params import read_params
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    _ = settings.home
    read_params(settings.params_file)
    files = {
        "file": ("LIVESCORES_FILE", settings.livescores_file),
        "football_data": ("FOOTBALL_DATA_ALIASES", settings.football_data_aliases),
    }
    name, file = files.get(settings.livescores_source, ("", None))
    if file and not file.is_file():
        raise SettingsError(f"{name}: there is no file {file}")
    get_engine(settings)


def check_source() -> None:
    """Matches of two sources are not mixed."""
    from soccer_assets.ingestion.provenance import claim
    from soccer_assets.storage.archive import PayloadArchive
    from soccer_assets.storage.opening import open_lake
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    lake = open_lake(settings.lake, settings.s3_endpoint_url, settings.aws_region)
    claim(settings.source_name, get_engine(settings), PayloadArchive(lake))


def check_training() -> None:
    """The same for what only a training needs."""
    if not shutil.which("git"):
        raise WrongUse("there is no git on the PATH: install git, DVC needs it")
