import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from soccer_assets.params import ServingParams
from soccer_assets.serving.schemas import ModelInfo, Prediction, PredictionPage
from soccer_assets.serving.service import VERSION_HEADER, create_app
from soccer_assets_tests.serving.conftest import HOUR, NOW, Database

TOKEN = "test-token"
JSON_TYPES: dict[str | None, Any] = {
    **{"object": dict, "array": list, "string": str, "integer": int},
    None: object,  # anything
}
AUTH = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(database: Database, clock: Clock) -> Iterator[Callable[..., TestClient]]:
    with ExitStack() as stack:

        def start(**options: Any) -> TestClient:
            options = {"token": TOKEN, "clock": clock, "retry_seconds": 0.05, **options}
            app = create_app(options.pop("engine", database.url), **options)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.text
    return [row["match_id"] for row in response.json()["predictions"]]


def wait_until_ready(client: TestClient) -> None:
    deadline = time.monotonic() + 5
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, client.get("/readyz").text
        time.sleep(0.02)


def test_lists_only_scheduled_matches_that_have_not_started(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    database.add_match(1, NOW - HOUR)  # started, though the feed has not said so yet
    database.add_match(2, NOW)  # starts this very moment
    database.add_match(3, NOW + HOUR)
    database.add_match(4, NOW + HOUR, status="postponed")
    database.add_match(5, NOW + 2 * HOUR)
    database.serve(7)
    client = start()

    response = client.get("/predictions")
    assert ids(response) == [3, 5]
    assert response.headers[VERSION_HEADER] == "7"
    page = PredictionPage.model_validate(response.json())
    assert (page.model_version, page.next) == (7, None)

    clock.now = NOW + HOUR
    assert ids(client.get("/predictions")) == [5]
    assert client.get("/predictions/1").status_code == 200  # recent, so still found by its id


def test_one_match(database: Database, start: Callable[..., TestClient]) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(7, probabilities=(0.6, 0.25, 0.15))
    client = start()

    response = client.get("/predictions/1")
    assert response.headers["content-type"] == "application/json"
    prediction = Prediction.model_validate(response.json())
    assert (prediction.p_home, prediction.p_draw, prediction.p_away) == (0.6, 0.25, 0.15)
    assert prediction.kickoff == NOW + HOUR
    assert prediction.model_version == 7

    missing = client.get("/predictions/2")
    assert missing.status_code == 404
    assert missing.json() == {"detail": "no prediction for match 2"}
    assert missing.headers[VERSION_HEADER] == "7"
    assert client.get("/predictions/arsenal").status_code == 422
    assert client.get(f"/predictions/{10**30}").status_code == 404


def test_pages_over_http(database: Database, start: Callable[..., TestClient]) -> None:
    for match_id in range(1, 24):
        database.add_match(match_id, NOW + HOUR * (1 + match_id % 4))
    database.serve(1)
    client = start()

    seen: list[int] = []
    params: dict[str, Any] = {"limit": 5}
    while True:
        response = client.get("/predictions", params=params)
        seen += ids(response)
        if (cursor := response.json()["next"]) is None:
            break
        params["cursor"] = cursor
    assert seen == sorted(range(1, 24), key=lambda match_id: (match_id % 4, match_id))


def test_a_cursor_survives_a_reload(database: Database, start: Callable[..., TestClient]) -> None:
    for match_id in (1, 2, 3):
        database.add_match(match_id, NOW + HOUR * match_id)
    database.serve(1)
    client = start()
    cursor = client.get("/predictions", params={"limit": 2}).json()["next"]
    database.serve(2)
    client.post("/reload", headers=AUTH)
    response = client.get("/predictions", params={"limit": 2, "cursor": cursor})
    assert ids(response) == [3]
    assert response.json()["model_version"] == 2


def test_filters(database: Database, start: Callable[..., TestClient]) -> None:
    day = timedelta(days=1)
    database.add_match(1, NOW + HOUR, home_team_id=101)
    database.add_match(2, NOW + day, tournament_id=9, away_team_id=101)
    database.add_match(3, NOW + 2 * day, tournament_id=9)
    database.serve(1)
    client = start()

    def listed(**params: Any) -> list[int]:
        return ids(client.get("/predictions", params=params))

    assert listed(tournament_id=9) == [2, 3]
    assert listed(team_id=101) == [1, 2]
    assert listed(team_id=101, tournament_id=9) == [2]
    assert listed(team_id=555) == []
    assert listed(**{"from": "2025-03-02"}) == [2, 3]
    assert listed(until="2025-03-02") == [1, 2]
    assert listed(**{"from": "2025-03-02", "until": "2025-03-02"}) == [2]
    assert listed(**{"from": "0001-01-01", "until": "9999-12-31"}) == [1, 2, 3]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"cursor": "nonsense"}, "`cursor` is not a cursor of this service"),
        ({"cursor": ""}, "`cursor` is not a cursor of this service"),
        ({"cursor": "A" * 65}, "at most 64 characters"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"limit": 501}, "less than or equal to 500"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2025-03-02", "until": "2025-03-01"}, "`from` is later than `until`"),
        ({"frm": "2025-03-02"}, '["query","frm"]'),
        ({"first_day": "2025-03-02"}, '["query","first_day"]'),
        ({"limit": 5, "offset": 5}, '["query","offset"]'),
        ({"team_id": [1, 2]}, "`team_id` is given more than once"),
        ({"limit": [5, 5], "odd": ["", ""]}, "`odd` is given more than once"),
    ],
)
def test_bad_queries(
    database: Database, start: Callable[..., TestClient], params: dict[str, Any], says: str
) -> None:
    database.serve(1)
    client = start()
    response = client.get("/predictions", params=params)
    assert response.status_code == 422
    assert says in response.text
    assert response.headers[VERSION_HEADER] == "1"
    document = client.get("/openapi.json").json()
    declared = document["paths"]["/predictions"]["get"]["responses"]["422"]
    assert_fits(response.json(), declared["content"]["application/json"]["schema"], document)
    for fault in response.json()["detail"]:
        assert fault["loc"][0] == "query"


def assert_fits(body: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """A body against a schema of OpenAPI, as far as FastAPI's own answers need it."""
    if reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    if "anyOf" in schema:
        assert isinstance(body, tuple(JSON_TYPES[one["type"]] for one in schema["anyOf"]))
        return
    kind = schema.get("type")
    assert isinstance(body, JSON_TYPES[kind])
    if kind == "array":
        for item in body:
            assert_fits(item, schema["items"], document)
    elif kind == "object":
        assert set(schema.get("required", ())) <= set(body)
        for name, of_it in schema.get("properties", {}).items():
            if name in body:
                assert_fits(body[name], of_it, document)


def test_the_list_is_documented_with_its_parameters(start: Callable[..., TestClient]) -> None:
    document = start().get("/openapi.json").json()
    parameters = {
        one["name"]: one for one in document["paths"]["/predictions"]["get"]["parameters"]
    }
    assert set(parameters) == {"limit", "cursor", "from", "until", "tournament_id", "team_id"}
    assert all(one["in"] == "query" and not one["required"] for one in parameters.values())
    assert all(one["description"] for one in parameters.values())
    assert parameters["limit"]["schema"]["maximum"] == 500


def test_what_one_match_is_asked_for_with_is_not_looked_at(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    assert start().get("/predictions/1?a=1&a=2").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/readyz", "/model", "/predictions", "/predictions/1", "/predictions/9"),
        *("/predictions?limit=0", "/predictions/x", "/openapi.json", "/docs", "/nowhere"),
    ],
)
def test_head_is_answered_as_get_without_the_body(
    path: str, database: Database, start: Callable[..., TestClient]
) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(7)
    client = start()
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers == got.headers
    assert asked.headers["content-length"] == str(len(got.content))


def test_head_of_what_cannot_be_got_changes_nothing(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.serve(1)
    client = start()
    database.serve(2)
    answer = client.head("/reload", headers=AUTH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers[VERSION_HEADER] == "1"


def test_head_is_no_answer_that_is_too_old_or_broken(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    client = start()
    assert client.head("/readyz").status_code == 503
    assert client.head("/predictions").headers["retry-after"] == "5"
    database.serve(1)
    wait_until_ready(client)
    assert client.head("/readyz").status_code == 200


def test_model(database: Database, start: Callable[..., TestClient], clock: Clock) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(7, at=NOW - HOUR)
    model = ModelInfo.model_validate(start().get("/model").json())
    assert (model.name, model.version, model.run_id) == ("soccer-1x2", 7, "run-7")
    assert model.metrics == {"log_loss": 0.98}
    assert model.data_revision == "revision-7"
    assert (model.loaded_at, model.promoted_at) == (NOW, NOW - HOUR)
    assert (model.n_predictions, model.age_seconds) == (1, 3600)


def test_before_the_first_champion(database: Database, start: Callable[..., TestClient]) -> None:
    client = start(retry_seconds=0.05)
    health = client.get("/healthz").json()
    assert (health["status"], health["as_of"], health["source"]) == ("ok", None, None)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["reason"] == "no champion is served yet"
    assert ready.headers[VERSION_HEADER] == "none"
    for path in ("/predictions", "/predictions/1", "/model"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.json() == {"detail": "no predictions are loaded yet"}
        assert response.headers[VERSION_HEADER] == "none"

    database.serve(1)
    wait_until_ready(client)
    assert client.get("/readyz").json() == {
        "ready": True,
        "version": 1,
        "age_seconds": 0.0,
        "as_of": "2025-03-01T12:00:00Z",
        "source": "database",
        "reason": None,
        "last_error": None,
    }


def test_starts_without_a_database(start: Callable[..., TestClient]) -> None:
    client = start(engine="postgresql+psycopg2://someone:hunter2@127.0.0.1:1/none")
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["reason"] == "the database could not be read (OperationalError)"
    response = client.post("/reload", headers=AUTH)
    assert response.status_code == 503
    assert "hunter2" not in ready.text + response.text


def test_old_predictions_make_it_not_ready(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    database.add_match(1, NOW + 9 * HOUR)
    database.serve(1, at=NOW)
    client = start(params=ServingParams(max_age_hours=2))
    clock.now = NOW + 2 * HOUR
    assert client.get("/readyz").status_code == 200
    assert client.get("/predictions/1").json()["stale"] is False
    clock.now = NOW + 3 * HOUR
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["reason"] == "the predictions are 3.0 h old; 2.0 h is the limit"
    page = client.get("/predictions")  # it still answers who asks anyway, and says so
    assert page.status_code == 200
    told = {key: page.json()[key] for key in ("as_of", "age_seconds", "stale", "source")}
    assert told == {
        "as_of": "2025-03-01T12:00:00Z",
        "age_seconds": 3 * 3600,
        "stale": True,
        "source": "database",
    }
    one = client.get("/predictions/1").json()
    assert {key: one[key] for key in told} == told
    assert client.get("/model").json()["stale"] is True
    assert client.get("/healthz").json()["stale"] is True

    database.serve(1, at=clock.now)
    client.post("/reload", headers=AUTH)
    assert client.get("/readyz").status_code == 200


def test_a_worker_may_refuse_old_predictions(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    database.add_match(1, NOW + 9 * HOUR)
    database.serve(1, at=NOW)
    client = start(params=ServingParams(max_age_hours=2, when_stale="refuse"))
    assert client.get("/predictions/1").json()["stale"] is False
    clock.now = NOW + 3 * HOUR
    for path in ("/predictions", "/predictions/1", "/predictions/2"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.json() == {
            "detail": "the predictions are 3.0 h old; 2.0 h is the limit, and this worker refuses"
        }
        assert answer.headers["retry-after"] == "5"
    assert client.get("/readyz").status_code == 503
    assert client.get("/model").status_code == 200

    database.serve(1, at=clock.now)
    client.post("/reload", headers=AUTH)
    assert client.get("/predictions/1").status_code == 200


@pytest.mark.parametrize(("recent_days", "status"), [(30, 200), (7, 404)])
def test_predictions_outlive_their_match_as_long_as_the_parameters_say(
    database: Database, start: Callable[..., TestClient], recent_days: int, status: int
) -> None:
    database.add_match(1, NOW - timedelta(days=20), status="finished")
    database.serve(1, at=NOW)
    client = start(params=ServingParams(recent_days=recent_days))
    assert client.get("/predictions/1").status_code == status


def test_predictions_of_a_clock_that_ran_ahead_do_not_look_fresh(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    """Else they would for as long as it ran ahead."""
    database.serve(1, at=NOW + HOUR)  # clocks of machines differ a little
    client = start()
    assert client.get("/readyz").status_code == 200
    database.serve(1, at=NOW + timedelta(days=365))
    client.post("/reload", headers=AUTH)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert (
        ready.json()["reason"] == "the predictions are 8760.0 h ahead of now; 36.0 h is the limit"
    )


def test_the_age_of_predictions_of_a_clock_that_ran_ahead_counts_from_when_they_were_loaded(
    database: Database, start: Callable[..., TestClient], clock: Clock
) -> None:
    """They were written before; and no age is negative."""
    database.serve(1, at=NOW + 20 * HOUR)
    client = start()
    for hours, status in ((0, 200), (2, 200), (36, 200), (37, 503)):
        clock.now = NOW + hours * HOUR
        ready = client.get("/readyz")
        assert ready.status_code == status
        assert ready.json()["age_seconds"] == hours * 3600
        assert client.get("/model").json()["age_seconds"] == hours * 3600
    assert ready.json()["reason"] == "the predictions are 37.0 h old; 36.0 h is the limit"


def test_a_database_that_stops_answering_ends_no_more_than_the_reload(
    database: Database, start: Callable[..., TestClient]
) -> None:
    """It accepts, and then a query waits: for a lock, say, or for ever."""
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    client = start(load_seconds=1.0)
    with database.engine.begin() as holder:
        holder.execute(sa.text("LOCK TABLE soccer.served_model"))
        response = client.post("/reload", headers=AUTH)
        assert response.status_code == 503
        assert response.json()["detail"].endswith("the database does not answer in time")
        assert ids(client.get("/predictions")) == [1]
        ready = client.get("/readyz").json()
        assert (ready["ready"], ready["version"]) == (True, 1)
        assert ready["last_error"] == "the database does not answer in time"
    database.serve(2)
    assert client.post("/reload", headers=AUTH).json()["version_after"] == 2
    assert client.get("/readyz").json()["last_error"] is None


def test_reload(database: Database, start: Callable[..., TestClient]) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    client = start()
    database.serve(2, probabilities=(0.1, 0.2, 0.7))
    assert client.get("/predictions/1").json()["p_away"] == 0.2

    response = client.post("/reload", headers=AUTH)
    assert response.status_code == 200
    assert (response.json()["version_before"], response.json()["version_after"]) == (1, 2)
    assert response.headers[VERSION_HEADER] == "2"
    assert client.get("/predictions/1").json()["p_away"] == 0.7

    database.serve(1)  # a rollback is a reload like any other
    assert client.post("/reload", headers=AUTH).json()["version_after"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
def test_reload_needs_the_token(
    database: Database, start: Callable[..., TestClient], headers: dict[str, Any]
) -> None:
    database.serve(1)
    client = start()
    database.serve(2)
    response = client.post("/reload", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in response.text
    assert client.get("/model").json()["version"] == 1


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_no_reload(
    database: Database, start: Callable[..., TestClient], token: str | None
) -> None:
    database.serve(1)
    client = start(token=token)
    for headers in ({}, AUTH, {"Authorization": "Bearer "}):
        assert client.post("/reload", headers=headers).status_code == 403


def test_a_failed_reload_keeps_the_old(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    client = start()

    database.unserve()
    response = client.post("/reload", headers=AUTH)
    assert response.status_code == 503
    assert response.json() == {"detail": "reload failed: no champion is served yet"}
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE soccer.prediction RENAME TO hidden"))
    try:
        with database.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO soccer.served_model VALUES "
                    "(true, 'm', 2, 'r', 'd', now(), '{}', now())"
                )
            )
        response = client.post("/reload", headers=AUTH)
    finally:
        with database.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE soccer.hidden RENAME TO prediction"))
    assert response.status_code == 503
    assert response.headers[VERSION_HEADER] == "1"
    assert "soccer.prediction" not in response.text

    assert ids(client.get("/predictions")) == [1]
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["version"] == 1
    assert "could not be read" in ready.json()["last_error"]


def test_an_unexpected_error_is_json_with_the_version(
    database: Database, clock: Clock, start: Callable[..., TestClient]
) -> None:
    database.serve(1)
    broken = False

    def breaking_clock() -> datetime:
        if broken:
            raise RuntimeError("secret detail")
        return NOW

    client = start(clock=breaking_clock)
    broken = True
    response = client.get("/predictions")
    assert response.status_code == 500
    assert response.json() == {"detail": "internal error"}
    assert response.headers[VERSION_HEADER] == "1"


def test_the_documentation_describes_the_answers(
    database: Database, start: Callable[..., TestClient]
) -> None:
    document = start().get("/openapi.json").json()
    prediction = document["components"]["schemas"]["Prediction"]["properties"]
    assert "home win" in prediction["p_home"]["description"]
    assert {"200", "404", "422", "503"} <= set(
        document["paths"]["/predictions/{match_id}"]["get"]["responses"]
    )
    assert document["paths"]["/reload"]["post"]["security"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_pages_for_people_need_nothing_from_elsewhere(
    page: str, start: Callable[..., TestClient]
) -> None:
    client = start(engine="postgresql+psycopg2://127.0.0.1:1/none")
    answer = client.get(page)
    assert answer.status_code == 200
    needed = re.findall(r"""(?:src|href)=["']([^"']+)""", answer.text)
    assert len([name for name in needed if name.endswith(".js")]) == 1
    assert not [name for name in needed if "//" in name]
    for name in needed:
        file = client.get(name)
        assert file.status_code == 200
        assert len(file.content) > 1000
