"""Files over HTTP: politely, and only when they have changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soccer_assets import __version__
from soccer_assets.sources.football_data.client import FootballDataClient
from soccer_assets.sources.football_data.faults import FileFault
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.sources.football_data.site import Answer, Site

PATH = "mmz4281/2425/E0.csv"
BODY = b"Date,HomeTeam,AwayTeam\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site").running() as running:
        running.put(PATH, BODY)
        yield running


def a_client(site: Site, cache: LocalStore | None = None, **options: Any) -> FootballDataClient:
    known: dict[str, Any] = {"timeout": 5, "attempts": 3, "backoff": 0.01}
    return FootballDataClient(site.url, cache=cache, policy=RequestPolicy(**known | options))


def test_a_file_is_fetched_verbatim_by_a_client_that_says_who_it_is(site: Site) -> None:
    with a_client(site) as client:
        download = client.fetch(PATH)
    assert download is not None
    assert (download.path, download.body, download.changed) == (PATH, BODY, True)
    assert site.requests == {PATH: 1}
    assert site.agents.pop().startswith(f"soccer_assets/{__version__} ")


def test_a_mirror_may_be_in_a_folder(site: Site) -> None:
    site.put("mirror/new/ARG.csv", BODY)
    with FootballDataClient(f"{site.url}/mirror/") as client:
        assert client.fetch("new/ARG.csv") is not None


@pytest.mark.parametrize("validators", [("ETag", "Last-Modified"), ("ETag",), ("Last-Modified",)])
def test_a_file_that_has_not_changed_is_not_sent_again(
    site: Site, store: LocalStore, validators: tuple[str, ...]
) -> None:
    site.validators = validators
    for run in range(3):
        with a_client(site, store) as client:
            download = client.fetch(PATH)
            assert download is not None
            assert download.body == BODY
            assert download.changed == (run == 0)
            client.remember(download)
    assert site.requests == {PATH: 3}
    assert site.sent == {PATH: 1}


def test_a_file_that_has_changed_is_sent(site: Site, store: LocalStore) -> None:
    with a_client(site, store) as client:
        for body in (b"one,\xff\n\ntwo", b"three", b""):
            site.put(PATH, body)
            download = client.fetch(PATH)
            assert download is not None
            assert (download.body, download.changed) == (body, True)
            client.remember(download)
            again = client.fetch(PATH)
            assert again is not None
            assert (again.body, again.changed) == (body, False)


def test_the_same_bytes_are_no_change_even_when_the_site_sends_them_anew(
    site: Site, store: LocalStore
) -> None:
    with a_client(site, store) as client:
        for changed in (True, False):
            site.answers[PATH] = Answer(200, BODY, {"ETag": f'"{changed}"'})
            download = client.fetch(PATH)
            assert download is not None
            assert download.changed == changed
            client.remember(download)


@pytest.mark.parametrize("validators", [(), ("ETag",)])
def test_a_file_that_is_not_kept_is_asked_for_whole(
    site: Site, store: LocalStore, validators: tuple[str, ...]
) -> None:
    site.validators = validators
    for _ in range(2):
        with a_client(site, store) as client:
            download = client.fetch(PATH)
            assert download is not None
            if not validators:
                client.remember(download)  # there is nothing to ask with
    assert site.sent == {PATH: 2}


@pytest.mark.parametrize("status", [404, 410, 300])
def test_a_file_that_is_not_published_is_none(site: Site, status: int) -> None:
    site.answers[PATH] = Answer(status, b"<html>E0.csv? Did you mean E1.csv?</html>")
    with a_client(site) as client:
        assert client.fetch(PATH) is None
        assert client.fetch("mmz4281/9900/T1.csv") is None
    assert site.requests[PATH] == 1


def test_being_sent_on_to_a_file_of_another_name_means_that_there_is_none(site: Site) -> None:
    site.put("mmz4281/2425/E1.csv", BODY)
    site.answers[PATH] = Answer(301, headers={"Location": "/mmz4281/2425/E1.csv"})
    with a_client(site) as client:
        assert client.fetch(PATH) is None
    assert site.requests == {PATH: 1}


def test_a_site_that_has_moved_says_where(site: Site) -> None:
    site.answers[PATH] = Answer(301, headers={"Location": f"https://elsewhere.example/{PATH}"})
    with (
        a_client(site) as client,
        pytest.raises(FileFault, match=rf"{PATH}: HTTP 301.* https://elsewhere\.example/{PATH}"),
    ):
        client.fetch(PATH)


@pytest.mark.parametrize(
    ("answer", "fault", "requests"),
    [
        (Answer(500, b"oops"), "HTTP 500 (3 attempts)", 3),
        (Answer(429, b"slow down", {"Retry-After": "0"}), "HTTP 429 (3 attempts)", 3),
        (Answer(503, b"busy", {"Retry-After": "9999"}), "HTTP 503, which asks for a pause", 1),
        (Answer(403, b"no"), "HTTP 403", 1),
        (Answer(304), "HTTP 304", 1),
        (Answer(200, b"\r\n <!DOCTYPE html>"), "an HTML page instead of CSV", 1),
        (Answer(200, b"\xef\xbb\xbf<html>"), "an HTML page instead of CSV", 1),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_any_other_answer_is_a_fault_that_names_the_file(
    site: Site, answer: Answer, fault: str, requests: int
) -> None:
    site.answers[PATH] = answer
    with a_client(site) as client, pytest.raises(FileFault) as caught:
        client.fetch(PATH)
    assert str(caught.value).startswith(f"{PATH}: {fault}")
    assert caught.value.body == (answer.body or None)
    assert site.requests[PATH] == requests


def test_a_fault_that_passes_is_sat_out(site: Site) -> None:
    answers = [Answer(500), Answer(429, headers={"Retry-After": "0"})]

    class Recovering(Site):
        def answer(self, path: str, asked: Any) -> Answer:
            return answers.pop() if answers else super().answer(path, asked)

    with Recovering(site.folder).running() as recovering, a_client(recovering) as client:
        download = client.fetch(PATH)
    assert download is not None
    assert download.body == BODY


def test_a_page_of_html_leaves_what_is_kept_alone(site: Site, store: LocalStore) -> None:
    with a_client(site, store) as client:
        download = client.fetch(PATH)
        assert download is not None
        client.remember(download)
        site.answers[PATH] = Answer(200, b"<html>", {"ETag": '"new"'})
        with pytest.raises(FileFault, match="HTML"):
            client.fetch(PATH)
        del site.answers[PATH]
        again = client.fetch(PATH)
    assert again is not None
    assert (again.body, again.changed) == (BODY, False)
