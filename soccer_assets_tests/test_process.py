"""Leases of live and dead processes, and processes that are asked to end."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from dagster._utils.interrupts import capture_interrupts

from soccer_assets.process import Leases, before_the_end, end_soon_when_asked
from soccer_assets_tests.doomed_runs import FOR_EVER, Child, Household, stay_in_c


def take(folder: Path) -> None:
    Leases(folder).take("work")
    _tell("taken")
    time.sleep(FOR_EVER)


def take_and_leave_a_child(folder: Path) -> None:
    Leases(folder).take("work")
    if (child := os.fork()) == 0:
        time.sleep(FOR_EVER)
    _tell(str(child))
    time.sleep(FOR_EVER)


def _tell(what: str) -> None:
    from soccer_assets_tests import doomed_runs

    doomed_runs._tell.send(what)


@pytest.fixture
def household(tmp_path: Path) -> Household:
    return Household(tmp_path, "")


def test_a_lease_lives_and_dies_with_its_process(household: Household, tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    with household.start(take, tmp_path) as child:
        child.hear("taken")
        assert leases.is_alive("work") is True
        assert Leases(tmp_path).is_alive("work") is True  # judging does not disturb
        assert leases.dead() == []
        child.kill()
        assert leases.is_alive("work") is False
        assert leases.dead() == ["work"]
    leases.bury("work")
    assert leases.is_alive("work") is None


def test_a_stopped_process_lives(household: Household, tmp_path: Path) -> None:
    with household.start(take, tmp_path) as child:
        child.hear("taken")
        child.signal(signal.SIGSTOP)
        assert Leases(tmp_path).is_alive("work") is True


def test_a_child_that_outlives_its_parent_does_not_pass_for_it(
    household: Household, tmp_path: Path
) -> None:
    with household.start(take_and_leave_a_child, tmp_path) as child:
        orphan = child.listen.recv()
        child.kill()
        try:
            assert Leases(tmp_path).is_alive("work") is False
        finally:
            os.kill(int(orphan), signal.SIGKILL)


def test_a_process_sees_its_own_lease_until_it_gives_it_back_or_abandons_it(
    tmp_path: Path,
) -> None:
    leases = Leases(tmp_path / "made when needed")
    assert leases.is_alive("work") is None
    for name in ("work", "other"):
        leases.take(name)
        leases.take(name)  # has it already
        assert leases.is_alive(name) is True
    leases.give_back("work")
    leases.give_back("work")
    assert leases.is_alive("work") is None
    assert leases.abandon("other")
    assert not leases.abandon("other")
    assert leases.is_alive("other") is False


def test_two_that_judge_at_once_agree(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.take("work")
    leases.abandon("work")
    found = []

    def judge() -> None:
        found.extend(leases.is_alive("work") for _ in range(2000))

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {False}


# Processes that are asked to end


def stuck(last_words: Path) -> None:
    """Neither the main thread nor another one comes back to the interpreter."""
    end_soon_when_asked()
    before_the_end(lambda: last_words.write_text("said"))
    threading.Thread(target=time.sleep, args=(FOR_EVER,)).start()
    _tell("ready")
    stay_in_c()


def orderly(last_words: Path) -> None:
    end_soon_when_asked()
    before_the_end(lambda: last_words.write_text("said"))
    _tell("ready")
    time.sleep(FOR_EVER)


def asked(household: Household, what: object, number: int, words: Path) -> Child:
    with household.start(what, words) as child:
        child.hear("ready")
        child.signal(number)
        child.ends()
    return child


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_when_asked_wherever_it_is(
    household: Household, tmp_path: Path, number: int
) -> None:
    words = tmp_path / "words"
    assert asked(household, stuck, number, words).process.exitcode == 128 + number
    assert words.read_text() == "said"


def in_the_background_after_a_run() -> None:
    """As a script starts it: with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_soon_when_asked()
    with capture_interrupts():
        pass  # Dagster's, around each run
    _tell("ready")
    while True:
        time.sleep(FOR_EVER)


def test_a_process_in_the_background_ends_when_asked_and_not_by_the_keyboard(
    household: Household,
) -> None:
    with household.start(in_the_background_after_a_run) as child:
        child.hear("ready")
        child.signal(signal.SIGINT)
        time.sleep(1)
        assert child.process.is_alive()
        child.signal(signal.SIGTERM)
        child.ends()
    assert child.process.exitcode == 128 + signal.SIGTERM


def test_a_process_that_ends_by_itself_is_not_spoken_for(
    household: Household, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    child = asked(household, orderly, signal.SIGTERM, words)
    assert child.process.exitcode == 128 + signal.SIGTERM
    assert not words.exists()


def deaf(last_words: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orderly(last_words)


def test_who_started_a_process_cannot_have_made_it_deaf(
    household: Household, tmp_path: Path
) -> None:
    child = asked(household, deaf, signal.SIGTERM, tmp_path / "words")
    assert child.process.exitcode == 128 + signal.SIGTERM
