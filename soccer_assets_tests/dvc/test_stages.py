"""What the stages make of the lake."""

import json
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from soccer_assets.dvc import outs
from soccer_assets.dvc.stages import dataset, features, finished, fixtures, io
from soccer_assets.features.build import KEY_COLUMNS, build_features, feature_names
from soccer_assets.lake.manifest import Manifest, MonthFile
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
    return tmp_path


def read(reproduced: Reproduced, name: str) -> pd.DataFrame:
    return pd.read_parquet(reproduced.workspace.path(f"data/{name}.parquet"))


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


def test_the_dataset_is_finished_matches_with_their_outcome(reproduced: Reproduced) -> None:
    found = read(reproduced, "dataset").set_index("match_id")
    done = read(reproduced, "finished").set_index("match_id")
    assert found.index.tolist() == done.index.tolist()
    margin = done["home_score"] - done["away_score"]
    expected = np.where(margin > 0, 0, np.where(margin == 0, 1, 2))
    assert found["outcome"].tolist() == expected.tolist()
    assert found["outcome"].dtype == np.int8
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


def publish(store: LocalStore, rows: pd.DataFrame) -> Manifest:
    """A lake of one month file."""
    buffer = BytesIO()
    rows.to_parquet(buffer, index=False)
    body = buffer.getvalue()
    store.put("tables/match/one.parquet", body)
    entry = MonthFile(
        "tables/match/one.parquet", sha256(body).hexdigest(), len(rows), "", "", revision="one"
    )
    return Manifest({"match": {"2023-09": entry}})


def test_an_empty_lake_makes_empty_outs(empty_lake: Path) -> None:
    for stage in (finished, fixtures, features, dataset):
        stage.main()
    for path in (outs.FINISHED, outs.FIXTURES, outs.FEATURES, outs.DATASET):
        assert len(pd.read_parquet(path)) == 0
    assert list(pd.read_parquet(outs.FEATURES).columns)[: len(KEY_COLUMNS)] == KEY_COLUMNS
    meta = json.loads(outs.FEATURES_META.read_text())
    assert (meta["features_as_of"], meta["finished"], meta["fixtures"]) == (None, 0, 0)


def test_equal_frames_are_equal_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"match_id": [3, 1], "kickoff": pd.to_datetime([1, 2], utc=True)})
    io.write_parquet(frame, tmp_path / "a" / "one.parquet")
    io.write_parquet(frame.set_index(pd.Index([7, 9])), tmp_path / "b" / "two.parquet")
    one, two = ((tmp_path / name).read_bytes() for name in ("a/one.parquet", "b/two.parquet"))
    assert one == two
    assert pq.read_schema(tmp_path / "a" / "one.parquet").metadata is None
