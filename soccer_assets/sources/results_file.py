"""A parquet or CSV file of results, read strictly: a value that is not surely what its column needs
is refused, with file, row and column.

Each different value of a column is read once, and its rows follow by their codes, so that being
strict costs little.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from soccer_assets.arrays import AnyArray
from soccer_assets.feed.fields import MAX_BIGINT, MAX_SCORE, STATISTICS
from soccer_assets.text import one_line

REQUIRED_COLUMNS = (
    "match_id",
    "date",
    "time",
    "region_id",
    "country",
    "tournament_id",
    "competition",
    "is_international",
    "women",
    "neutral",
    "home_team_id",
    "away_team_id",
    "home_team",
    "away_team",
    "home_score",
    "away_score",
    "ft_flag",
)
TEXT_COLUMNS = ("country", "competition", "home_team", "away_team")
INT_COLUMNS = ("match_id", "region_id", "tournament_id", "home_team_id", "away_team_id")
FLAG_COLUMNS = ("is_international", "women")
SCORE_COLUMNS = ("home_score", "away_score")
#: Odds, and whose they are; used where all four are there.
ODDS_COLUMNS = ("odds_h", "odds_d", "odds_a", "odds_type")
#: What a file may have besides. No cell of theirs makes a file unusable: they go on as they are, to
#: be judged one by one where matches are loaded.
OPTIONAL_COLUMNS = (*STATISTICS, *ODDS_COLUMNS)

#: A tournament's id and four digits of a year make the id of its season, which has 64 bits.
LARGEST_TOURNAMENT = (2**63 - 1) // 10_000 - 1

EPOCH_DAY = date(1970, 1, 1).toordinal()
DEFAULT_KICKOFF = 12 * 3600
NO_SCORE = -1
#: Of ``neutral``: the file does not say.
UNKNOWN = -1
FLAGS = ("F", "E", "P")

_CLOCK = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\s*", re.ASCII)
#: A time cut from a text of a date and a time one place too early, as some publish it.
_CUT_CLOCK = re.compile(r" ([01]\d|2[0-3]):([0-5])", re.ASCII)
_INT = re.compile(r"\s*([+-]?\d{1,19})(?:\.0*)?\s*", re.ASCII)
_DAY = re.compile(r"\s*(\d{4}-\d{2}-\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?\s*", re.ASCII)
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}


class ResultsFileError(ValueError):
    """A file of results cannot be used; says in one line where and why."""


@dataclass(frozen=True)
class Results:
    """The rows of a file, as plain arrays of one length."""

    columns: dict[str, AnyArray]
    """``INT_COLUMNS``, ``FLAG_COLUMNS``, ``neutral`` (0, 1, or ``UNKNOWN``), ``SCORE_COLUMNS``
    (``NO_SCORE``: none), ``day`` and ``second`` of the kick-off (since 1970 and since midnight),
    ``flag`` (place in ``FLAGS``), and ``TEXT_COLUMNS`` as codes of ``texts``, with those of
    ``OPTIONAL_COLUMNS`` that are there (an empty text: none)."""
    texts: dict[str, list[str]]
    """The texts of a column."""


def read_results(path: Path, date_format: str | None = None) -> Results:
    """Read a file.

    Args:
        path: parquet where it is called so, else CSV.
        date_format: how dates that are texts are written, as ``strptime`` has it; default: ISO.

    Raises:
        FileNotFoundError: there is no such file.
        ResultsFileError: it cannot be read, lacks a column, or has a value that cannot be used.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no results file at {path}")
    read_day = _day_reader(date_format)
    table = _read(path)
    file = _File(path, table)
    columns: dict[str, AnyArray] = {}
    texts: dict[str, list[str]] = {}
    for name in INT_COLUMNS:
        columns[name] = file.integers(name)
    for name in FLAG_COLUMNS:
        columns[name] = file.read(name, _truth, np.bool_)
    columns["neutral"] = file.read("neutral", _truth_if_any, np.int8)
    for name in SCORE_COLUMNS:
        columns[name] = file.read(name, _score, np.int16)
    for name in TEXT_COLUMNS:
        columns[name], texts[name] = file.codes(name)
    for name in table.column_names[len(REQUIRED_COLUMNS) :]:
        columns[name], texts[name] = file.cells(name)
    columns["flag"] = file.read("ft_flag", _ft_flag, np.int8)
    columns["day"] = file.read("date", read_day, np.int64)
    columns["second"] = file.read("time", _second, np.int64)
    home, away = (columns[name] == NO_SCORE for name in SCORE_COLUMNS)
    file.refuse("away_score", home != away, "the score of one team only")
    same = columns["home_team_id"] == columns["away_team_id"]
    file.refuse("away_team_id", same, "a team against itself")
    file.refuse("match_id", _repeated(columns["match_id"]), "a match_id twice")
    tournament = columns["tournament_id"]
    is_too_large = (tournament > LARGEST_TOURNAMENT) | (tournament < -LARGEST_TOURNAMENT)
    file.refuse("tournament_id", is_too_large, "too large for an id of seasons")
    return Results(columns, texts)


def _read(path: Path) -> pa.Table:
    """The columns that are used; those of a CSV as texts."""
    parquet = path.suffix == ".parquet"
    try:
        present = pq.read_schema(path).names if parquet else _csv_columns(path)
        missing = [column for column in REQUIRED_COLUMNS if column not in present]
        if missing:
            raise ResultsFileError(f"{path} lacks the required columns {', '.join(missing)}")
        used = [*REQUIRED_COLUMNS, *(c for c in OPTIONAL_COLUMNS if c in present)]
        twice = [column for column in used if present.count(column) > 1]
        if twice:
            raise ResultsFileError(f"{path} has twice the columns {', '.join(twice)}")
        if parquet:
            return pq.read_table(path, columns=used)
        coded = pa.dictionary(pa.int32(), pa.string())
        return pa.csv.read_csv(
            path,
            parse_options=_PARSE,
            convert_options=pa.csv.ConvertOptions(
                include_columns=used,
                column_types={**dict.fromkeys(used, coded), "match_id": pa.string()},
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowException, KeyError, UnicodeError) as error:
        kind = "parquet" if parquet else "CSV"
        reason = " ".join(str(error).split())
        raise ResultsFileError(f"{path} cannot be read as {kind}: {reason:.300}") from error


_PARSE = pa.csv.ParseOptions(newlines_in_values=True)


def _csv_columns(path: Path) -> list[str]:
    with pa.csv.open_csv(path, parse_options=_PARSE) as reader:
        return list(reader.schema.names)


class _File:
    """Reads the columns of a table, and names file, row and column of what cannot be used."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self._path = path
        self._table = table

    def read(self, name: str, one: Callable[[Any], Any], dtype: Any) -> AnyArray:
        """A column whose values ``one`` reads, or refuses with ValueError."""
        codes, values = self._coded(self._table[name])
        read = np.zeros(len(values), dtype)
        faults: dict[int, str] = {}
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            try:
                read[code] = one(values[code])
            except ValueError as error:
                faults[code] = str(error)
        if faults:
            row = int(np.isin(codes, list(faults)).argmax())
            raise self._fault(row, name, faults[int(codes[row])])
        return read[codes]

    def integers(self, name: str) -> AnyArray:
        """A column of ids."""
        column = self._table[name]
        plain = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
        if plain and not column.null_count:
            try:
                return column.cast(pa.int64()).to_numpy()
            except pa.ArrowInvalid:
                pass  # something in it has to be looked at more closely
        return self.read(name, _integer, np.int64)

    def codes(self, name: str) -> tuple[AnyArray, list[str]]:
        """A column of texts as codes, and the texts, sorted."""
        texts: list[str] = []

        def place(value: Any) -> int:
            texts.append(_text(value))
            return len(texts) - 1

        places = self.read(name, place, np.int32)
        order = np.argsort(np.array(texts, dtype=object), kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[places], [texts[k] for k in order]

    def cells(self, name: str) -> tuple[AnyArray, list[str]]:
        """A column of anything as codes, and the texts that a CSV would have."""
        column = self._table[name]
        try:
            codes, texts = self._coded(column.cast(pa.string()))
        except pa.ArrowException:
            raise self._fault(0, name, f"{column.type} is no type of numbers or texts") from None
        return codes, ["" if text in (None, "nan") else one_line(text) for text in texts]

    def refuse(self, name: str, bad: AnyArray, fault: str) -> None:
        """Raise for the first row of a column that is ``bad``."""
        if bad.any():
            raise self._fault(int(bad.argmax()), name, fault)

    def _coded(self, column: pa.ChunkedArray) -> tuple[AnyArray, list[Any]]:
        """Codes, and the values they stand for."""
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        values = [*column.dictionary.to_pylist(), None]
        codes = column.indices.cast(pa.int32()).fill_null(len(values) - 1)
        return codes.to_numpy(zero_copy_only=False), values

    def _fault(self, row: int, name: str, fault: str) -> ResultsFileError:
        return ResultsFileError(f"{self._path} row {row + 1}, column {name}: {fault}")


def _repeated(ids: AnyArray) -> AnyArray:
    """Whether an id stands in a row before."""
    again = np.ones(len(ids), np.bool_)
    again[np.unique(ids, return_index=True)[1]] = False
    return again


def _shown(value: Any) -> str:
    """For a line of text: what would not stay in it as it is, in quotes."""
    if value is None or value == "":
        return "an empty value"
    text = f"{value!s:.60}"
    return text if text == one_line(text) else repr(text)


def _integer(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and (match := _INT.fullmatch(value)):
        value = int(match[1])
    if type(value) is not int or abs(value) > MAX_BIGINT:
        raise ValueError(f"{_shown(value)} is not a whole number")
    return value


def _score(value: Any) -> int:
    if _is_empty(value):
        return NO_SCORE
    try:
        score = _integer(value)
    except ValueError:
        score = -1
    if not 0 <= score <= MAX_SCORE:
        raise ValueError(f"{_shown(value)} is not a score (0 to {MAX_SCORE}, or empty)")
    return score


def _truth(value: Any) -> bool:
    truth = _TRUTH.get(str(value).strip().lower())
    if truth is None:
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return truth


def _truth_if_any(value: Any) -> int:
    return UNKNOWN if _is_empty(value) else _truth(value)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise ValueError(f"{_shown(value)} is not a name" if value else "an empty value")
    return value


def _ft_flag(value: Any) -> int:
    if value is None or value == "":
        return FLAGS.index("F")
    if value not in FLAGS:
        raise ValueError(f"{_shown(value)} is none of {', '.join(FLAGS)}")
    return FLAGS.index(value)


def _second(value: Any) -> int:
    """Of a kick-off; of one that the file does not have, noon.

    Noon for a time that is there and cannot be read would show the result of an evening's match in
    the afternoon.
    """
    if _is_empty(value):
        return DEFAULT_KICKOFF
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60
    if clock := _CLOCK.fullmatch(str(value)):
        return int(clock[1]) * 3600 + int(clock[2]) * 60
    if cut := _CUT_CLOCK.fullmatch(str(value)):
        # Nine minutes early at most: still after the whistle when the replay shows the result.
        return int(cut[1]) * 3600 + int(cut[2]) * 600
    raise ValueError(f"{_shown(value)} is not a time like 15:00 (UTC, or empty)")


def _day_reader(date_format: str | None) -> Callable[[Any], int]:
    """Reads a date as the day since 1970."""
    if date_format is not None:
        _check_format(date_format)

    def read(value: Any) -> int:
        if isinstance(value, datetime):
            if value.time() != time():
                raise ValueError(f"{value} is not a date: its time belongs into column time")
            value = value.date()
        if isinstance(value, date):
            return value.toordinal() - EPOCH_DAY
        if value is None or value == "":
            raise ValueError("an empty value")
        try:
            if date_format is not None:
                day = datetime.strptime(str(value).strip(), date_format).date()
            elif isinstance(value, str) and (match := _DAY.fullmatch(value)):
                day = date.fromisoformat(match[1])
            else:
                raise ValueError
        except ValueError:
            asked = date_format or "YYYY-MM-DD"
            raise ValueError(
                f"{_shown(value)} is not a date like {asked}; say how dates are written with "
                "--date-format or LIVESCORES_DATE_FORMAT, such as %d/%m/%Y or %m/%d/%Y"
            ) from None
        return day.toordinal() - EPOCH_DAY

    return read


def _check_format(date_format: str) -> None:
    for day in (date(2019, 2, 1), date(2021, 11, 12)):
        try:
            same = datetime.strptime(day.strftime(date_format), date_format).date() == day
        except ValueError:
            same = False
        if not same:
            raise ResultsFileError(
                f"date format {date_format!r} does not say day, month and year, as %d/%m/%Y does"
            )
