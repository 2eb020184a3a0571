"""What the stages make of the lake."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soccer_assets.dvc import outs
from soccer_assets.dvc.stages import dataset, details, features, finished, fixtures
from soccer_assets.features.build import build_features, feature_names
from soccer_assets.lake.manifest import Manifest, MonthFile
from soccer_assets.lake.relations import RELATIONS
from soccer_assets.lake.tables import read_table
from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.dvc.conftest import Reproduced
from soccer_assets_tests.small_lake import NOW


@pytest.fixture
def matches(reproduced: Reproduced) -> pd.DataFrame:
    table = read_table(LocalStore(reproduced.lake), reproduced.manifest, "match")
    return table.to_pandas().set_index("match_id")


@pytest.fixture
def empty_lake(tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace folder over a lake without any match, the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKE_URI", store.uri)
    (tmp_path / "lake.json").write_bytes(Manifest().to_bytes())
    (tmp_path / "params.yaml").write_bytes(DEFAULT_PARAMS.read_bytes())
    stages = ("finished", "fixtures", "features", "dataset")
    (tmp_path / "code.json").write_text(json.dumps(dict.fromkeys(stages, "this")))
    return tmp_path


def read(reproduced: Reproduced, name: str) -> pd.DataFrame:
    return pd.read_parquet(reproduced.workspace.path(f"data/{name}"))


def test_finished_matches_and_fixtures_are_those_of_the_lake(
    reproduced: Reproduced, matches: pd.DataFrame
) -> None:
    done, coming = read(reproduced, "finished"), read(reproduced, "fixtures")
    assert set(done["match_id"]) == set(matches.index[matches["status"] == "finished"])
    assert set(coming["match_id"]) == set(matches.index[matches["status"] == "scheduled"])
    assert len(done) > 900
    assert len(coming) > 300
    assert (done["kickoff"] < pd.Timestamp(NOW)).all()
    assert (coming["kickoff"] > pd.Timestamp(NOW)).all()
    for frame in (done, coming):
        assert frame["kickoff"].is_monotonic_increasing
        assert frame["kickoff"].dt.tz is not None
        assert frame["match_id"].is_unique
        assert "status" not in frame
        assert frame["is_neutral"].dtype == np.float32
        assert (frame["is_neutral"] == 0).all()
    joined = done.set_index("match_id").join(matches, rsuffix="_lake")
    assert (joined["home_score"] == joined["home_score_lake"]).all()


def test_features_are_the_one_function_on_both(reproduced: Reproduced) -> None:
    params = read_params(DEFAULT_PARAMS).features
    expected = build_features(read(reproduced, "finished"), read(reproduced, "fixtures"), params)
    found = read(reproduced, "features")
    assert list(found.columns) == list(expected.columns)
    names = feature_names(expected)
    assert found[names].to_numpy().tobytes() == expected[names].to_numpy().tobytes()
    meta = json.loads(reproduced.workspace.path("data/features_meta.json").read_text())
    done = read(reproduced, "finished")
    assert meta == {
        "features": names,
        "features_as_of": done["kickoff"].max().isoformat(),
        "finished": len(done),
        "fixtures": len(read(reproduced, "fixtures")),
        "params": params.model_dump(),
    }


def test_the_dataset_is_finished_matches_with_their_outcome_and_goals(
    reproduced: Reproduced,
) -> None:
    found = read(reproduced, "dataset").set_index("match_id")
    done = read(reproduced, "finished").set_index("match_id")
    assert found.index.tolist() == done.index.tolist()
    margin = done["home_score"] - done["away_score"]
    expected = np.where(margin > 0, 0, np.where(margin == 0, 1, 2))
    assert found["outcome"].tolist() == expected.tolist()
    assert found["outcome"].dtype == np.int8
    for side in ("home", "away"):
        assert found[f"{side}_goals"].tolist() == done[f"{side}_score"].tolist()
        assert found[f"{side}_goals"].dtype == np.int16
    features_ = read(reproduced, "features").set_index("match_id").loc[found.index]
    for name in feature_names(features_.reset_index()):
        np.testing.assert_array_equal(found[name], features_[name])
    assert "is_finished" not in found


def test_a_match_without_a_score_of_ninety_minutes_teaches_nothing(
    reproduced: Reproduced, store: LocalStore, empty_lake: Path
) -> None:
    """Known only by the score after extra time, say."""
    rows = read_table(LocalStore(reproduced.lake), reproduced.manifest, "match").to_pandas()
    lost = rows.loc[rows["status"] == "finished", "match_id"].iloc[0]
    rows["home_score"] = rows["home_score"].astype("Int64").mask(rows["match_id"] == lost)
    (empty_lake / "lake.json").write_bytes(publish(store, rows).to_bytes())
    finished.main()
    ids = set(pd.read_parquet(outs.FINISHED)["match_id"])
    assert ids == set(read(reproduced, "finished")["match_id"]) - {lost}


def publish(store: LocalStore, rows: pd.DataFrame, **beside: pd.DataFrame) -> Manifest:
    """A lake of these rows of ``match``, and of tables beside it."""
    schemas = {relation.name: relation.schema for relation in RELATIONS}
    manifest = Manifest()
    for name, its_rows in {"match": rows, **beside}.items():
        files = manifest.tables[name] = {}
        for month, part in its_rows.groupby(
            pd.to_datetime(its_rows["feed_day"]).dt.strftime("%Y-%m")
        ):
            sink = pa.BufferOutputStream()
            table = pa.Table.from_pandas(part, preserve_index=False)
            pq.write_table(
                table.cast(pa.schema([schemas[name].field(c) for c in table.column_names])), sink
            )
            body, key = sink.getvalue().to_pybytes(), f"tables/{name}/{month}.parquet"
            store.put(key, body)
            digest = sha256(body).hexdigest()
            files[str(month)] = MonthFile(key, digest, len(part), "", "", revision="one")
    return manifest


def test_statistics_odds_and_ground_are_numbers_beside_their_match(
    reproduced: Reproduced, store: LocalStore, empty_lake: Path
) -> None:
    rows = read_table(LocalStore(reproduced.lake), reproduced.manifest, "match").to_pandas()
    done = rows.loc[rows["status"] == "finished"].head(3)
    first, second, third = done["match_id"]
    rows["is_neutral"] = rows["match_id"].map({first: True, second: False})
    statistics = pd.DataFrame(
        {name: [k, None] for k, name in enumerate(details.STATISTICS)}, dtype="Int64"
    ).assign(match_id=[third, first], home_shots=[12, 0])
    odds = pd.DataFrame([priced(second, "B365", "pre", 2.0), priced(0, "Avg", "pre", 9.0)])
    for table in (statistics, odds):
        table["feed_day"] = done["feed_day"].iloc[0]
    manifest = publish(store, rows, match_statistics=statistics, match_odds=odds)
    (empty_lake / "lake.json").write_bytes(manifest.to_bytes())
    finished.main()
    fixtures.main()

    found = pd.read_parquet(outs.FINISHED).set_index("match_id")
    assert len(found) == len(read(reproduced, "finished"))
    assert list(found.columns[-9:]) == [*details.STATISTICS, *details.ODDS]
    assert set(found[["is_neutral", *details.STATISTICS, *details.ODDS]].dtypes) == {
        np.dtype("float32")
    }
    np.testing.assert_array_equal(
        found.loc[
            [first, second, third], ["is_neutral", "home_shots", "away_corners", "odds_draw"]
        ],
        [[1, 0, np.nan, np.nan], [0, np.nan, np.nan, 3.5], [np.nan, 12, 5, np.nan]],
    )
    assert found.drop(index=[first, second, third])[details.ODDS].isna().all(axis=None)
    coming = pd.read_parquet(outs.FIXTURES)
    assert coming["is_neutral"].dtype == np.float32
    assert not coming.columns.intersection([*details.STATISTICS, *details.ODDS]).size


def priced(match_id: int, bookmaker: str, phase: str, home: float) -> dict[str, object]:
    key = {"match_id": match_id, "bookmaker": bookmaker, "phase": phase}
    return key | {"odds_home": home, "odds_draw": 3.5, "odds_away": 4.0}


def test_of_several_odds_those_closest_to_the_market_count() -> None:
    order = [
        *((bookmaker, "closing") for bookmaker in ("Avg", "PS", "B365", "1XB", "WH", "Max")),
        *((bookmaker, "pre") for bookmaker in ("Avg", "PS", "B365", "1XB", "WH", "Max")),
    ]
    rows = [  # match n has all but the first n, the best of them last
        priced(n, *order[k], home=1.0 + k) for n in range(len(order)) for k in range(n, len(order))
    ][::-1]
    found = details.best_odds(pa.Table.from_pylist(rows)).set_index("match_id")["odds_home"]
    assert found.to_dict() == {n: 1.0 + n for n in range(len(order))}


def test_an_empty_lake_makes_empty_outs(empty_lake: Path) -> None:
    for stage in (finished, fixtures, features, dataset):
        stage.main()
    for path in (outs.FINISHED, outs.FIXTURES, outs.FEATURES, outs.FEATURE_STATES, outs.DATASET):
        assert [file.name for file in path.iterdir()] == ["_index.json"]
    meta = json.loads(outs.FEATURES_META.read_text())
    assert "elo_difference" in meta["features"]
    assert (meta["features_as_of"], meta["finished"], meta["fixtures"]) == (None, 0, 0)
