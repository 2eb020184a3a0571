"""A look that fails, or hangs, is a line; and the looks beside it go on."""

import threading
from collections.abc import Callable

import pytest

from soccer_assets.doctor.finding import Finding, InBackground, Look, State, Wrong, examine

FOR_EVER = threading.Event().wait


def raising(error: BaseException) -> Callable[[], str]:
    def see() -> str:
        raise error

    return see


def test_each_look_is_one_finding_whatever_becomes_of_it() -> None:
    found = list(
        examine(
            [
                Look("well", lambda: "as it\nhas to be"),
                Look("off", raising(Wrong("off by\x1b[31m one"))),
                Look("unforeseen", raising(KeyError())),
                Look("several lines", raising(ValueError("the first\nand others"))),
                Look("talkative", raising(ValueError("x" * 1000))),
                Look("ended", raising(SystemExit("it was"))),
                Look("after them", lambda: "fine"),
            ],
            {},
        )
    )
    assert found[:4] == [
        Finding("well", State.OK, "as it has to be"),
        Finding("off", State.WRONG, "off by�[31m one"),
        Finding("unforeseen", State.WRONG, "KeyError"),
        Finding("several lines", State.WRONG, "the first"),
    ]
    assert found[4].state is State.WRONG
    assert len(found[4].told) == 300
    assert found[5] == Finding("ended", State.WRONG, "it was")
    assert found[6].state is State.OK


def test_looks_that_hang_are_given_up_and_cost_their_patience_once() -> None:
    # Each waits for all others: one after the other, none would come through.
    together = threading.Barrier(3)

    def meets() -> str:
        together.wait(60)
        FOR_EVER()
        return "never"

    looks = [Look(str(n), meets, patience=0.3) for n in range(3)]
    assert list(examine([*looks, Look("well", lambda: "fine")], {})) == [
        *(Finding(str(n), State.WRONG, "no answer within 0.3 s") for n in range(3)),
        Finding("well", State.OK, "fine"),
    ]
    assert together.n_waiting == 0


def test_what_hangs_has_no_thread_that_the_end_of_the_process_waits_for() -> None:
    before = set(threading.enumerate())
    hanging = InBackground(FOR_EVER)
    with pytest.raises(Wrong):
        hanging.within(0.01)
    [thread] = set(threading.enumerate()) - before
    assert thread.daemon


def test_a_look_without_what_it_needs_is_not_made_and_names_what_is_to_be_mended() -> None:
    known = {"database": State.WRONG, "schema": State.UNKNOWN, "lake": State.OK}
    asked: list[str] = []

    def look(*needs: str) -> Look:
        return Look(" ".join(needs), lambda: asked.append("made") or "fine", needs)  # type: ignore[func-returns-value]

    found = examine([look("lake"), look("lake", "schema", "database"), look("schema")], known)
    assert [(f.state, f.told) for f in found] == [
        (State.OK, "fine"),
        (State.UNKNOWN, "not looked at: first mend database"),
        (State.UNKNOWN, "not looked at: first mend schema"),
    ]
    assert asked == ["made"]


def test_secrets_are_taken_out_of_what_anything_says() -> None:
    looks = [Look("well", lambda: "of hush"), Look("off", raising(ValueError("of hush")))]
    found = examine(looks, {}, lambda text: text.replace("hush", "***"))
    assert [finding.told for finding in found] == ["of ***", "of ***"]
