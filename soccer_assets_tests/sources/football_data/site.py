"""A mirror of the site on loopback: a folder of CSVs behind a real HTTP server."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson

from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.sources.football_data.source import FootballDataSource
from soccer_assets.warehouse.rows import ParsedDay

Row = Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """What the site says instead of a file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None


class Site:
    """Serves a folder, with validators, and remembers what was asked and what was sent.

    Attributes:
        answers: by path, instead of the file.
        requests: how often each path was asked for.
        sent: how often the bytes of each path were sent.
        validators: the headers by which a client may ask whether a file has changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Answer] = {}
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.validators: tuple[str, ...] = ("ETag", "Last-Modified")
        self.url = ""

    def put(self, path: str, body: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)

    def answer(self, path: str, asked: Mapping[str, str]) -> Answer:
        self.requests[path] += 1
        self.agents.add(asked.get("User-Agent", ""))
        if path in self.answers:
            return self.answers[path]
        file = self.folder / path
        if not file.is_file():
            return Answer(404, b"<html>not found</html>")
        body = file.read_bytes()
        offered = {
            "ETag": f'"{md5(body).hexdigest()}"',
            "Last-Modified": formatdate(file.stat().st_mtime, usegmt=True),
        }
        offered = {name: offered[name] for name in self.validators}
        if "If-None-Match" in asked and "ETag" in offered:
            same = asked["If-None-Match"] == offered["ETag"]
        else:
            same = asked.get("If-Modified-Since") == offered.get("Last-Modified", "")
        if same:
            return Answer(304, headers=offered)
        self.sent[path] += 1
        return Answer(200, body, offered)

    @contextmanager
    def running(self) -> Iterator["Site"]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                answer = site.answer(self.path.lstrip("/"), self.headers)
                self.send_response(answer.status)
                for name, value in (answer.headers or {}).items():
                    self.send_header(name, value)
                if answer.status != 304:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if answer.status != 304:
                    self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            http.daemon_threads = True
            self.url = f"http://127.0.0.1:{http.server_address[1]}"
            thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()


def csv_file(rows: Sequence[Row], *, ending: str = "\r\n") -> bytes:
    """Rows as the site writes them: a column wherever any row has it, UTF-8 with a BOM."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, *([str(row.get(column, "")) for column in columns] for row in rows)]
    return ("\ufeff" + "".join(",".join(line) + ending for line in lines)).encode()


def played(
    day: date | str, home: str, away: str, score: str = "", *, div: str = "E0", **more: object
) -> Row:
    """A row of a main league; without a score it is still to come."""
    text = day if isinstance(day, str) else f"{day:%d/%m/%Y}"
    row: dict[str, object] = {"Div": div, "Date": text, "HomeTeam": home, "AwayTeam": away}
    if score:
        row["FTHG"], row["FTAG"] = score.split("-")
    return {**row, **more}


def extra(
    day: date, home: str, away: str, score: str = "", *, season: str | None = None, **more: object
) -> Row:
    """A row of an extra league; of its file of coming matches without a season."""
    row: dict[str, object] = {"Country": "Brazil", "League": "Serie A"}
    if season:
        row["Season"] = season
    row |= {"Date": f"{day:%d/%m/%Y}", "Time": "20:00", "Home": home, "Away": away}
    if score:
        row["HG"], row["AG"] = score.split("-")
    return {**row, **more}


def at(year: int, month: int, day: int, hour: int = 0) -> Callable[[], datetime]:
    """A clock that stands still, in UTC."""
    return lambda: datetime(year, month, day, hour, tzinfo=UTC)


def parsed(source: FootballDataSource, day: date) -> ParsedDay:
    """A day as it reaches the tables."""
    later = datetime.combine(day + timedelta(days=3), time(), UTC)
    return parse_day(day, source.fetch(day), payload_key="key", fetched_at=later)


def matches(source: FootballDataSource, day: date) -> list[dict[str, Any]]:
    """The rows of ``match`` of a day, each with its ``footballData``."""
    result = parsed(source, day)
    extras = {
        row["match_id"]: orjson.loads(row["extra"])["footballData"]
        for row in result.raw.to_pylist()
    }
    return [row | {"csv": extras[row["match_id"]]} for row in result.match.to_pylist()]
