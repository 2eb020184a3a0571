"""A feed for browsers only: what the page asks for, and which proofs are taken."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.simulator.challenge import COOKIE, DIFFICULTY, BrowserChallenge, fnv1a
from soccer_assets.simulator.server import HEALTH_PATH, FeedServer
from soccer_assets_tests.feed_days import a_match, a_payload

TARGET = f"{FEED_PATH}?d=20240309&isSummary=true"


class OneMatchADay:
    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        return a_payload(a_match(1, day))


def solve(page: str) -> str:
    """The proof for a page's challenge, found without running its script."""
    found = re.search(r'challenge = "([^"]+)"', page)
    assert found
    return next(
        proof
        for number in count()
        if fnv1a(proof := f"{found[1]}.{number}") >> (32 - DIFFICULTY) == 0
    )


class Time:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def challenge(time: Time) -> BrowserChallenge:
    return BrowserChallenge(seconds=60, now=time)


@pytest.fixture
def proof(challenge: BrowserChallenge) -> str:
    return solve(challenge.page().body.decode())


def is_met(challenge: BrowserChallenge, proof: str) -> bool:
    return challenge.is_met(f"theme=dark; {COOKIE}={proof}; other=1")


def test_a_proof_of_work_is_taken(challenge: BrowserChallenge, proof: str) -> None:
    assert is_met(challenge, proof)


def test_a_proof_is_good_for_a_while_only(
    challenge: BrowserChallenge, proof: str, time: Time
) -> None:
    time.now += 59
    assert is_met(challenge, proof)
    time.now += 1
    assert not is_met(challenge, proof)


def test_the_time_of_a_proof_cannot_be_changed(challenge: BrowserChallenge, proof: str) -> None:
    expires, rest = proof.split(".", 1)
    _, signature, _ = rest.rsplit(".", 2)
    later = f'challenge = "{int(expires) + 3600}.{rest.split(".")[0]}.{signature}"'
    assert not is_met(challenge, solve(later))


def test_a_proof_for_another_server_is_refused(time: Time, proof: str) -> None:
    assert not is_met(BrowserChallenge(seconds=60, now=time), proof)


def test_a_challenge_without_the_work_is_refused(challenge: BrowserChallenge, proof: str) -> None:
    unsolved = proof.rsplit(".", 1)[0]
    wrong = next(
        text for n in count() if fnv1a(text := f"{unsolved}.{n}") >> (32 - DIFFICULTY) != 0
    )
    assert not is_met(challenge, wrong)
    assert not is_met(challenge, unsolved)


@pytest.mark.parametrize("cookies", [None, "", "feed_proof", "feed_proof=", "a=b", "=;=", "\x00é"])
def test_no_proof_is_no_proof(challenge: BrowserChallenge, cookies: str | None) -> None:
    assert not challenge.is_met(cookies)


@given(st.text())
def test_no_cookie_breaks_the_server(cookies: str) -> None:
    challenge = BrowserChallenge()
    assert not challenge.is_met(cookies)
    assert not challenge.is_met(f"{COOKIE}={cookies}")


@pytest.mark.parametrize(
    ("text", "value"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)]
)
def test_the_hash_is_fnv_1a(text: str, value: int) -> None:
    assert fnv1a(text) == value


# Over HTTP


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer(OneMatchADay(), token="s3cret", browser_only=True) as running:
        yield running


@pytest.fixture
def client(server: FeedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, follow_redirects=True) as made:
        yield made


def test_a_client_without_scripts_gets_nowhere(client: httpx.Client) -> None:
    for _ in range(3):
        response = client.get(TARGET, headers={"X-Token": "s3cret"})
        assert response.status_code == 403
        assert response.headers["content-type"].startswith("text/html")
        assert not re.search("href|src=|<form|http-equiv", response.text)
    assert not client.cookies


def test_who_did_the_work_gets_the_feed(client: httpx.Client, server: FeedServer) -> None:
    client.cookies.set(COOKIE, solve(client.get(TARGET).text))
    assert client.get(TARGET).status_code == 401
    response = client.get(TARGET, headers={"X-Token": "s3cret"})
    assert response.json() == a_payload(a_match(1))
    server.challenge = BrowserChallenge()
    assert client.get(TARGET, headers={"X-Token": "s3cret"}).status_code == 403


def test_health_and_other_paths_are_open(client: httpx.Client) -> None:
    assert client.get(HEALTH_PATH).status_code == 200
    assert client.get("/elsewhere").status_code == 404
