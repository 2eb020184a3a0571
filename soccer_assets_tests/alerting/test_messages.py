"""What is sent is within Slack's limits, and nothing in it is obeyed."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.messages import LONGEST, digest, fitting, message, recovery
from soccer_assets.alerting.outbox import Entry

TIME = datetime(2025, 3, 1, tzinfo=UTC)
UI = "http://127.0.0.1:3000"
texts = st.one_of(st.text(max_size=6000), st.text("&<>!@ ", max_size=6000))


def entry(text: str, **more: object) -> Entry:
    told: dict[str, object] = {
        **dict.fromkeys(Entry.__dataclass_fields__),
        "alert_id": 1,
        "kind": Kind.RUN_FAILED,
        "key": "this",
        "severity": Severity.ERROR,
        "text": text,
        "facts": {},
        "scope": {},
        "first_seen": TIME,
        "last_seen": TIME,
        "count": 1,
        "state": "open",
    }
    return Entry(**(told | more))  # type: ignore[arg-type]


@given(
    text=texts, fact=texts, count=st.integers(1, 30), state=st.sampled_from(["open", "recovered"])
)
def test_no_message_is_too_long_or_has_marks_of_slacks(
    text: str, fact: str, count: int, state: str
) -> None:
    facts = {f"fact {number}": fact for number in range(count)}
    one = entry(text, facts=facts, state=state, recovery=fact, count=count, run_id="r")
    for sent in (message(one, UI), recovery(one), digest([one] * count, "of a test")):
        assert 0 < len(sent) <= LONGEST
        assert "<" not in sent
        assert ">" not in sent


@given(texts)
def test_what_fits_is_left_as_it_is(text: str) -> None:
    assert fitting("short & sweet") == "short &amp; sweet"
    assert len(fitting(text)) <= LONGEST


def test_what_is_left_out_is_marked() -> None:
    assert fitting("x" * 5000).endswith("…")
    many = {f"fact {number}": "1" for number in range(40)}
    assert "… and 25 more" in message(entry("", facts=many), UI)


def test_a_mention_in_a_fact_is_text() -> None:
    sent = message(entry("<!channel> fails", facts={"team": "<@U1> & co"}), UI)
    assert sent.splitlines() == [
        ":red_circle: &lt;!channel&gt; fails",
        "team: &lt;@U1&gt; &amp; co",
    ]


def test_a_digest_has_the_worst_first_and_what_is_over_last() -> None:
    sent = digest(
        [
            entry("over", state="recovered", recovery="went through"),
            entry("a warning", severity=Severity.WARNING),
            entry("an error", count=3),
        ],
        "of a test",
    )
    assert [line.split()[1] for line in sent.splitlines()[1:]] == [
        ":red_circle:",
        ":warning:",
        ":white_check_mark:",
    ]
    assert "(3 times, 01 Mar 00:00 to 01 Mar 00:00 UTC)" in sent
