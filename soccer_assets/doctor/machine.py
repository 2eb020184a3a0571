"""What is on this computer: packages, programs, room on the disk, files of parameters."""

import shutil
from datetime import timedelta
from importlib import metadata

from packaging.requirements import Requirement

from soccer_assets.clock import utc_now
from soccer_assets.doctor.finding import Look, Wrong
from soccer_assets.features.registry import declared
from soccer_assets.files import nearest
from soccer_assets.params import read_params
from soccer_assets.settings import Settings, misspelt_settings

DISTRIBUTION = "soccer_assets"
#: A training with its data, its artifacts and DVC's copies takes about as much.
LEAST_FREE_BYTES = 2 << 30
#: Seconds: a machine that does ten things at once is slow, and not wrong.
BUSY = 30.0


def looks(settings: Settings) -> list[Look]:
    return [
        Look("parameters", lambda: parameters(settings), patience=BUSY),
        Look("packages", packages, patience=BUSY),
        Look("git", git, patience=BUSY),
        Look("disk", lambda: disk(settings), patience=BUSY),
    ]


def home(settings: Settings) -> str:
    """Whether ``SOCCER_HOME`` can be used; one that is not there yet is not made. Raises
    ``SettingsError``."""
    folder = settings.soccer_home
    there = settings.look_at_home()
    frozen = settings.soccer_as_of
    as_of = f"; SOCCER_AS_OF has it run as of {frozen:%Y-%m-%d %H:%M} UTC" if frozen else ""
    meant = misspelt_settings().items()
    unread = "".join(f"; nothing reads {name} of .env: {near} is meant?" for name, near in meant)
    made = "" if there == folder else ", not made yet"
    return f"SOCCER_HOME is {folder}{made}{as_of}{unread}"


def parameters(settings: Settings) -> str:
    """Raises ``SettingsError``. What depends on more than the file is told here: on the clock, and on
    the features, on which no training may depend by way of its parameters."""
    params = read_params(settings.params_file)
    # Not by the partitions: to import Dagster takes longer than all that is said here.
    ingestion = params.ingestion
    if ingestion.first_day > utc_now().date() + timedelta(days=ingestion.days_ahead):
        raise ingestion.is_to_come()
    known = {feature.name for feature in declared(params.features)}
    unknown = sorted(set(params.monitoring.drift.ignored) - known)
    if unknown:
        raise Wrong(f"monitoring.drift.ignored: {', '.join(unknown)}: no feature that is made")
    return f"those of {settings.params_file}"


def packages() -> str:
    """Whether what is installed is what this version asks for."""
    off = []
    needed = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            off.append(f"{one.name} is not installed")
            continue
        if not one.specifier.contains(found, prereleases=True):
            off.append(f"{one.name} {found} is not {one.specifier}")
    if off:
        raise Wrong(f"{'; '.join(off)}: pip install --no-deps -r requirements.lock")
    version = metadata.version(DISTRIBUTION)
    return f"{DISTRIBUTION} {version} with the {len(needed)} packages that it asks for"


def git() -> str:
    """DVC's workspace is a repository."""
    program = shutil.which("git")
    if program is None:
        raise Wrong("there is no git on the PATH: install git, DVC needs it")
    return program


def disk(settings: Settings) -> str:
    """Room below ``SOCCER_HOME``."""
    usage = shutil.disk_usage(nearest(settings.soccer_home))
    told = (
        f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB are free "
        f"at {settings.soccer_home}"
    )
    if usage.free < LEAST_FREE_BYTES:
        raise Wrong(f"{told}: runs need {LEAST_FREE_BYTES / 2**30:.0f} GiB")
    return told
