"""A host that sends too much, or takes for ever, over real sockets."""

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.sources.http import HttpFault, PoliteHttp
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets_tests.feed_days import DAY
from soccer_assets_tests.sources.odd_hosts import Answer, drips, head, host, says, without_end

LIMIT = 100_000
LIMITS = FeedLimits(max_bytes=LIMIT, max_seconds=1)


def ask(url: str, **options: Any) -> bytes:
    known: dict[str, Any] = {"timeout": 5, "attempts": 2, "backoff": 0.01, "limits": LIMITS}
    with PoliteHttp(url, policy=RequestPolicy(**known | options)) as http:
        return http.get("/").content


def refused(answer: Answer) -> tuple[HttpFault, int]:
    """The fault and the number of requests."""
    with host(answer) as (url, requests), pytest.raises(HttpFault) as caught:
        ask(url)
    return caught.value, len(requests)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(bytes(LIMIT + 1)), id="a long body"),
        pytest.param(without_end, id="an endless body"),
        pytest.param(says(gzip.compress(bytes(LIMIT + 1)), Content_Encoding="gzip"), id="gzip"),
        pytest.param(
            says(gzip.compress(b"") * (LIMIT // 20 + 1), Content_Encoding="gzip"),
            id="empty members",
        ),
    ],
)
def test_an_answer_beyond_the_limit_is_read_no_further_and_asked_for_once(answer: Answer) -> None:
    fault, requests = refused(answer)
    assert str(fault) == "an answer of more than 100,000 bytes"
    assert (fault.passing, fault.body, requests) == (False, None, 1)


def test_a_gzip_bomb_is_never_unpacked() -> None:
    """200 MB in 200 kB; twice packed, 200 kB in one."""
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    limits = FeedLimits(max_bytes=2_000_000)
    with host(says(bomb, Content_Encoding="gzip")) as (url, _):
        tracemalloc.start()
        try:
            with pytest.raises(HttpFault, match="more than 2,000,000 bytes"):
                ask(url, limits=limits)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000


def test_an_answer_as_large_as_the_limit_is_taken() -> None:
    body = bytes(LIMIT)
    for answer in (says(body), says(gzip.compress(body), Content_Encoding="gzip")):
        with host(answer) as (url, _):
            assert ask(url) == body


def test_every_member_of_a_gzip_counts() -> None:
    packed = gzip.compress(b"one,") + gzip.compress(b"two,") + gzip.compress(b"three")
    with host(says(packed, Content_Encoding="gzip")) as (url, _):
        assert ask(url) == b"one,two,three"


@pytest.mark.parametrize(
    ("encoding", "body", "fault"),
    [
        (
            "gzip",
            gzip.compress(b"all of it" * 1000, mtime=0)[:-9],
            "unreadable compression: it is cut off",
        ),
        ("gzip", b"nothing of the kind", "unreadable compression"),
        ("br", b"whatever", "unreadable compression: 'br', which was not asked for"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "not asked for"),
        ("deflate", zlib.compress(b"x"), "not asked for"),
    ],
)
def test_what_does_not_unpack_whole_is_a_fault(encoding: str, body: bytes, fault: str) -> None:
    found, requests = refused(says(body, Content_Encoding=encoding))
    assert fault in str(found)
    assert requests == 2


def test_of_an_error_only_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soccer_assets.sources.http.ERROR_BODY", 1000)
    fault, requests = refused(says(b"<" * 10 * LIMIT, 503))
    assert (str(fault), fault.passing, requests) == ("HTTP 503 (2 attempts)", True, 2)
    assert fault.body == b"<" * 1000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drips(), id="status line"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nX: "), id="headers"),
        pytest.param(drips(head()), id="body"),
        pytest.param(drips(head(Content_Encoding="gzip"), gzip.compress(b"")[:10]), id="gzip"),
    ],
)
def test_a_byte_now_and_then_does_not_keep_a_request_alive(answer: Answer) -> None:
    fault, requests = refused(answer)
    assert "no complete answer within 1 s" in str(fault) or "unreadable" in str(fault)
    assert requests <= 2


def test_the_token_does_not_follow_a_redirect_to_another_host() -> None:
    with (
        host(says(b"{}")) as (elsewhere, lured),
        host(says(b"", 302, Location=f"{elsewhere}/livescores/data")) as (url, asked),
        LivescoresClient(
            url, token="s3cret", policy=RequestPolicy(attempts=2, backoff=0.01)
        ) as client,
        pytest.raises(FetchFault, match="HTTP 302"),
    ):
        client.fetch(DAY)
    assert b"s3cret" in asked[0]
    assert lured == []


def test_a_fault_tells_whether_it_may_pass() -> None:
    def fault(answer: Answer) -> FetchFault:
        with (
            host(answer) as (url, _),
            LivescoresClient(
                url, policy=RequestPolicy(attempts=2, backoff=0.01, limits=LIMITS)
            ) as client,
            pytest.raises(FetchFault) as caught,
        ):
            client.fetch(DAY)
        return caught.value

    assert fault(says(b"", 500)).passing
    assert fault(drips(head())).passing
    assert fault(lambda link: None).passing
    assert not fault(says(b"", 404)).passing
    assert not fault(without_end).passing
