"""A look that fails is a line, and the looks after it go on."""

from soccer_assets.doctor.finding import Finding, Wrong, examine


def _raising(error: Exception):  # type: ignore[no-untyped-def]
    def look() -> str:
        raise error

    return look


def test_each_look_is_one_finding_whatever_becomes_of_it() -> None:
    found = list(
        examine(
            [
                ("well", lambda: "as it\nhas to be"),
                ("off", _raising(Wrong("off by\x1b[31m one"))),
                ("unforeseen", _raising(KeyError())),
                ("talkative", _raising(ValueError("x" * 1000))),
                ("after them", lambda: "fine"),
            ]
        )
    )
    assert found[:3] == [
        Finding("well", True, "as it has to be"),
        Finding("off", False, "off by�[31m one"),
        Finding("unforeseen", False, "KeyError"),
    ]
    assert not found[3].ok and len(found[3].told) == 300
    assert found[4].ok
