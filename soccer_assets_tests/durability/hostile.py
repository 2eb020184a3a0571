"""Days of a feed that wants to do harm, and of one that merely changes, as hypothesis strategies."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import orjson
from hypothesis import strategies as st

from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS, FeedStatus
from soccer_assets_tests.feed_days import DAY, a_match, a_payload, any_json

DAYS = [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)]
IDS = range(1, 7)


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = [value]
    return value


texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Co"]), max_size=4),
    st.sampled_from(
        [
            *("", "\0", "a\0b", "\\u0000", "\\\0", "\ud800", "\udfff\ud800", "\U0010ffff"),
            *("\\.", "\\N", "\n\\.\n", '"', "'", ",", "NULL", "t", "\r", "\x85\u2028", "\ufeff"),
            *("e\u0301", "\u202e", "1;2", "'; DROP TABLE soccer.match; --", "x" * 200_000),
        ]
    ),
)
numbers = st.one_of(
    st.integers(),
    st.sampled_from([2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400]),
    st.sampled_from([0.0, -0.0, 1.0, 1e308, float("nan"), float("inf"), 5e-324]),
)
moments = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(
        [
            *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"),
            *("9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"),
            *("2024-02-30T12:00:00Z", "2024-03-09", "20240309T1500", "2024-W10-6", "24:00"),
            *("2024-03-09T24:00:00Z", "2024-03-09T15:00:00.123456789+05:30", "1709996400"),
        ]
    ),
)
documents = st.one_of(
    any_json,
    st.builds(nested, st.integers(0, 400)),
    st.dictionaries(texts, st.one_of(texts, numbers), max_size=3),
    st.lists(numbers, max_size=3),
)
anything = st.one_of(texts, numbers, moments, documents, st.none(), st.booleans())
#: Prices and counts that are none, and names of bookmakers that cannot be, beside good ones.
odds = st.dictionaries(
    st.one_of(
        st.sampled_from(["B365H", "B365D", "B365A", "H", "D", "A", "CH", "CD", "CA", "PH", "PSH"]),
        st.sampled_from(["HS", "AS", "HST", "AST", "HC", "AC"]),
        texts.flatmap(lambda text: st.sampled_from([text + outcome for outcome in "HDA"])),
    ),
    st.one_of(
        texts, st.sampled_from(["2.1", "1e308", "1e999", "nan", "-3", "0.5", "1", "9.0", "٣"])
    ),
    max_size=9,
)
scores = st.integers(0, 3)


@st.composite
def good_rows(draw: st.DrawFn, day: date) -> dict[str, Any]:
    """A match as the feed may well show it."""
    match_id = draw(st.sampled_from(IDS))
    status = draw(st.sampled_from(list(FeedStatus)))
    fields: dict[str, Any] = {"status": int(status)}
    if status is FeedStatus.FINISHED:
        fields |= {"homeScore": draw(scores), "awayScore": draw(scores)}
    elif draw(st.booleans()):
        fields |= {"startTimeUtc": f"{draw(st.sampled_from(DAYS))}T18:30:00Z"}
    row = a_match(match_id, day, **fields)
    if draw(st.booleans()):
        prices = {f"B365{o}": draw(st.sampled_from(["1.5", "2.25", "4"])) for o in "HDA"}
        row["footballData"] = prices
    return row


@st.composite
def good_days(draw: st.DrawFn, day: date) -> bytes:
    """A day that the parser takes: each match once, in one of two tournaments."""
    rows = draw(st.lists(good_rows(day), max_size=4, unique_by=lambda row: row["id"]))
    cut = draw(st.integers(0, len(rows)))
    one, other = a_payload(*rows[:cut]), a_payload(*rows[cut:], tournamentId=12, sex=1)
    return orjson.dumps({"tournaments": one["tournaments"] + other["tournaments"]})


def _spoil_field(row: dict[str, Any], field: str, value: Any) -> None:
    row[field] = value


def _drop_field(row: dict[str, Any], field: str, value: Any) -> None:
    row.pop(field, None)


def _is_not_a_row(row: dict[str, Any], field: str, value: Any) -> None:
    row.clear()


harm: st.SearchStrategy[Callable[[dict[str, Any], str, Any], None]] = st.sampled_from(
    [_spoil_field, _spoil_field, _spoil_field, _drop_field, _is_not_a_row]
)


@st.composite
def hostile_documents(draw: st.DrawFn, day: date) -> Any:
    """A good day with a few things done to it."""
    payload = json.loads(draw(good_days(day)))
    for _ in range(draw(st.integers(1, 3))):
        headers = payload["tournaments"]
        rows = [row for header in headers for row in header.get("matches", []) if header]
        kind = draw(st.sampled_from(["match", "header", "extra", "odds", "twice", "whole"]))
        if kind == "match" and rows:
            row, field = draw(st.sampled_from(rows)), draw(st.sampled_from(MATCH_FIELDS))
            value = moments if field.startswith("start") else anything
            draw(harm)(row, field, draw(value))
        elif kind == "header":
            header, field = draw(st.sampled_from(headers)), draw(st.sampled_from(HEADER_FIELDS))
            draw(harm)(header, field, draw(anything))
            header.setdefault("matches", [])
        elif kind == "extra" and rows:
            draw(st.sampled_from(rows))[draw(texts)] = draw(anything)
        elif kind == "odds" and rows:
            draw(st.sampled_from(rows))["footballData"] = draw(st.one_of(odds, anything))
        elif kind == "twice" and rows:
            draw(st.sampled_from(headers))["matches"].append(dict(draw(st.sampled_from(rows))))
        elif kind == "whole":
            draw(st.sampled_from(headers))["matches"] = draw(st.one_of(st.just([]), st.just([{}])))
    return payload


def hostile_days(day: date) -> st.SearchStrategy[bytes]:
    """Bodies that are nearly a day, JSON that is none, and bytes that are no JSON."""
    return st.one_of(
        hostile_documents(day).map(_written),
        hostile_documents(day).map(_written),
        hostile_documents(day).map(_written),
        good_days(day).flatmap(lambda body: st.integers(0, len(body)).map(lambda n: body[:n])),
        documents.map(_written),
        documents.map(lambda inner: _written({"tournaments": inner})),
        documents.map(lambda inner: _written({"tournaments": [{"matches": inner}]})),
        st.binary(max_size=40),
        st.sampled_from(
            [b"[" * 100_000, b'{"tournaments":' * 5_000, b"\xef\xbb\xbf{}", b"\x1f\x8b"]
        ),
    )


def _written(document: Any) -> bytes:
    """JSON as a careless site writes it: NaN, lone surrogates and numbers of any length."""
    return json.dumps(document).encode()
