"""The home, packages, programs and room on the disk."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from soccer_assets.doctor import machine
from soccer_assets.doctor.finding import Finding, State, Wrong, examine
from soccer_assets.settings import Settings, SettingsError


def found(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(machine.looks(settings), {})}


def test_the_environment_of_the_tests_is_well(tmp_path: Path) -> None:
    told = found(Settings(soccer_home=tmp_path))
    assert {finding.state for finding in told.values()} == {State.OK}


def test_packages_that_are_absent_or_of_another_version_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ["numpy>=900", "no-such-thing>=1", "pandas>=2", 'selenium>=4; extra == "browser"']
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    with pytest.raises(Wrong) as wrong:
        machine.packages()
    told = str(wrong.value)
    assert f"numpy {metadata.version('numpy')} is not >=900" in told
    assert "no-such-thing is not installed" in told
    assert "pandas" not in told
    assert "selenium" not in told


def test_a_disk_without_room_and_a_missing_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setenv("PATH", "")
    told = found(Settings(soccer_home=tmp_path))
    assert told["disk"].state is State.WRONG
    assert "are free at" in told["disk"].told
    assert told["git"] == Finding(
        "git", State.WRONG, "there is no git on the PATH: install git, DVC needs it"
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("serving: {recent_days: many}", "serving.recent_days"),
        ("serving: {max_age_hours: .inf}", "serving.max_age_hours"),
        ("serving: {}\nserving: {}", "serving: given twice"),
        ("monitoring: {shift: {odd_years: 99}}", "odd_years"),
        (
            "monitoring: {drift: {ignored: [elo_home, nosuch]}}",
            "drift.ignored: nosuch: no feature that",
        ),
        ("ingestion: {first_day: 2099-01-01}", "ingestion.first_day: 2099-01-01 is after"),
    ],
)
def test_parameters_that_cannot_be_are_told(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    told = found(Settings(soccer_home=tmp_path / "home", soccer_params=file))["parameters"]
    assert told.state is State.WRONG
    assert named in told.told


def test_what_is_told_first_does_not_wait_for_dagster() -> None:
    look = "import sys, soccer_assets.doctor.rounds; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_a_home_that_is_not_there_is_looked_at_and_not_made(tmp_path: Path) -> None:
    settings = Settings(soccer_home=tmp_path / "a" / "home")
    assert machine.home(settings) == f"SOCCER_HOME is {tmp_path}/a/home, not made yet"
    assert found(settings)["disk"].state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_or_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file is not a folder"):
        machine.home(Settings(soccer_home=tmp_path / "file" / "home"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(SettingsError, match="cannot be written to by this user"):
        machine.home(Settings(soccer_home=tmp_path))


def test_a_clock_that_stands_still_is_told(tmp_path: Path) -> None:
    settings = Settings(soccer_home=tmp_path, soccer_as_of="2025-03-01")
    assert machine.home(settings).endswith("SOCCER_AS_OF has it run as of 2025-03-01 00:00 UTC")
