"""One clock for all processes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soccer_assets.clock import CLOCK_VARIABLE, VirtualClock, stamped_now, utc_now
from soccer_assets.settings import SettingsError

THEN = datetime(2023, 7, 1, 6, tzinfo=UTC)


@pytest.fixture
def clock(tmp_path: Path) -> VirtualClock:
    clock = VirtualClock(tmp_path / "clock")
    clock.set(THEN)
    return clock


def test_all_that_asks_reads_the_clock_in_charge(clock: VirtualClock) -> None:
    with clock.in_charge():
        assert utc_now() == stamped_now() == THEN
        assert clock.advance(timedelta(minutes=1)) == utc_now() == THEN + timedelta(minutes=1)
    assert utc_now() > THEN + timedelta(days=365)


def test_another_process_reads_it_too(clock: VirtualClock) -> None:
    with clock.in_charge():
        read = "from soccer_assets.clock import utc_now; print(utc_now().isoformat())"
        told = subprocess.run(
            [sys.executable, "-c", read], capture_output=True, text=True, check=True, env=os.environ
        )
    assert told.stdout.strip() == THEN.isoformat()


def test_it_does_not_go_back(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        clock.set(THEN - timedelta(seconds=1))
    assert clock.now() == THEN


def test_a_frozen_present_does_not_change_when_things_happen(
    monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    monkeypatch.setenv("SOCCER_AS_OF", "2001-01-01")
    assert utc_now() == datetime(2001, 1, 1, tzinfo=UTC)
    assert stamped_now() > THEN


@pytest.mark.parametrize("content", [None, "soon"])
def test_a_clock_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "clock"
    if content:
        file.write_text(content)
    monkeypatch.setenv(CLOCK_VARIABLE, str(file))
    with pytest.raises(SettingsError, match=rf"SOCCER_CLOCK: {file}"):
        utc_now()
