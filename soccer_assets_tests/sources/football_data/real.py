"""Real matches, written as the site's files."""

from pathlib import Path

import pandas as pd
import pytest

from soccer_assets.sources.football_data.leagues import LEAGUES
from soccer_assets_tests.conftest import REAL_DATA

#: Columns that the file of real matches has beside the publisher's.
_OURS = ["country", "league", "season", "source"]
BY_CODE = {league.code: league for league in LEAGUES}
_EXTRA_NAMES = {"HomeTeam": "Home", "AwayTeam": "Away", "FTHG": "HG", "FTAG": "AG", "FTR": "Res"}


def real_rows(columns: list[str] | None = None) -> pd.DataFrame:
    """All real matches, in the publisher's columns; the test is skipped where there are none."""
    path = REAL_DATA / "football_data_couk.parquet"
    if not path.is_file():
        pytest.skip(f"no real matches at {path} (set SOCCER_REAL_DATA)")
    frame = pd.read_parquet(path, columns=columns)
    return frame.assign(Div=frame["Div"].astype(str), league=frame["league"].astype(str))


def publish(frame: pd.DataFrame, folder: Path) -> None:
    """Write the files of real matches, in the dress that the site has worn over the years."""
    frame = frame.copy()
    for column in frame.select_dtypes("float64"):  # counts with gaps
        frame[column] = frame[column].astype("Int64")
    days = frame["Date"]
    texts = {year: {day: f"{day:%d/%m/{year}}" for day in days.unique()} for year in ("%y", "%Y")}
    for code, of_league in frame.groupby("Div"):
        league = BY_CODE[str(code)]
        if league.extra:
            rows = _extra_columns(of_league)
            _write(rows.assign(Date=rows["Date"].map(texts["%Y"])), folder / league.file(0))
            continue
        for season, rows in of_league.groupby("season"):
            # Before 2019/20 the years have two digits and the text is Windows-1252.
            old = int(season) < 2019
            rows = rows.assign(Date=rows["Date"].map(texts["%y" if old else "%Y"]))
            _write(rows, folder / league.file(int(season)), old=old)


def _extra_columns(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.groupby("season")["Date"].transform("max").dt.year
    season = rows["season"].astype(str)
    season = season.where(last == rows["season"], season + "/" + last.astype(str))
    first = {"Country": rows["country"], "League": rows["league"], "Season": season}
    rest = rows.drop(columns=["Div", *_OURS]).rename(columns=_EXTRA_NAMES)
    return pd.concat([pd.DataFrame(first), rest], axis=1)


def _write(rows: pd.DataFrame, path: Path, old: bool = False) -> None:
    rows = rows.drop(columns=_OURS, errors="ignore").dropna(axis=1, how="all")
    if old:  # with an unnamed column, and empty rows at the end
        rows.insert(rows.shape[1], "", None, allow_duplicates=True)
    text = rows.to_csv(index=False, lineterminator="\r\n")
    if old:
        text += ("," * (rows.shape[1] - 1) + "\r\n") * 3
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("cp1252" if old else "utf-8-sig"))
