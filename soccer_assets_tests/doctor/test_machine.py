"""Packages, programs and room on the disk."""

from importlib import metadata
from pathlib import Path

import pytest

from soccer_assets.doctor import machine
from soccer_assets.doctor.finding import Finding, Wrong, examine
from soccer_assets.settings import Settings


def test_the_environment_of_the_tests_is_well(tmp_path: Path) -> None:
    looks = machine.looks(Settings(soccer_home=tmp_path))
    assert [finding for finding in examine(looks) if not finding.ok] == []


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
    assert "pandas" not in told and "selenium" not in told


def test_a_disk_without_room_and_a_missing_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setenv("PATH", "")
    found = {f.name: f for f in examine(machine.looks(Settings(soccer_home=tmp_path)))}
    assert not found["disk"].ok and "are free at" in found["disk"].told
    assert found["git"] == Finding(
        "git", False, "there is no git on the PATH: install git, DVC needs it"
    )


def test_parameters_that_cannot_be_are_told(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("serving: {recent_days: many}")
    settings = Settings(soccer_home=tmp_path / "home", soccer_params=file)
    found = {finding.name: finding for finding in examine(machine.looks(settings))}
    assert not found["parameters"].ok
    assert "serving.recent_days" in found["parameters"].told
