"""The contract on the features, and what it keeps bad ones from."""

from collections.abc import Callable
from hashlib import md5
from io import BytesIO
from pathlib import Path

import dagster as dg
import numpy as np
import orjson
import pandas as pd
import pytest
import yaml

from soccer_assets.dvc.cache import object_file
from soccer_assets.dvc.revisions import Revision, put_revision
from soccer_assets.features.build import build_features
from soccer_assets.features.params import FeatureParams
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.features.matches import START, Row, frames
from soccer_assets_tests.platform import Platform, checks_of, metadata_of

Spoil = Callable[[pd.DataFrame], None]
DAY = 86_400


@pytest.fixture
def features() -> pd.DataFrame:
    """Of a league of four over 30 days, one match a day, the last five still to come."""
    rows = [
        Row(k, k * DAY, 1, k % 4, (k + 1 + k // 4 % 3) % 4, (k % 3, k % 2) if k < 25 else None)
        for k in range(30)
        if k % 4 != (k + 1 + k // 4 % 3) % 4
    ]
    return build_features(*frames(rows), FeatureParams())


def publish(here: Platform, features: pd.DataFrame, **ratings: float) -> None:
    """As if they had been made, on some machine."""
    meta = {
        "params": FeatureParams.model_validate({"ratings": ratings}).model_dump(),
        "features_as_of": features["kickoff"].max().isoformat(),
    }
    fixtures = features.loc[~features["is_finished"], ["match_id", "kickoff"]]
    outs = [
        {"path": path, "hash": "md5", "md5": digest, "size": 1}
        for path, digest in {
            "data/features": pushed_months(here, features),
            "data/fixtures": pushed_months(here, fixtures),
            "data/features_meta.json": pushed(here, orjson.dumps(meta)),
        }.items()
    ]
    lock = {"schema": "2.0", "stages": {"features": {"cmd": "make", "outs": outs}}}
    revision = Revision({"dvc.lock": yaml.safe_dump(lock)})
    put_revision(here.store, revision)
    here.instance.report_runless_asset_event(
        dg.AssetMaterialization("features", metadata={"dvc/revision": revision.name})
    )


def pushed_months(here: Platform, table: pd.DataFrame) -> str:
    """A folder of one file a month; its MD5."""
    listing = [
        {"md5": pushed(here, rows.to_parquet(index=False)), "relpath": f"{month}.parquet"}
        for month, rows in table.groupby(table["kickoff"].dt.strftime("%Y-%m"))
    ]
    return pushed(here, orjson.dumps(listing), ".dir")


def pushed(here: Platform, body: bytes, suffix: str = "") -> str:
    digest = md5(body).hexdigest() + suffix
    LocalStore(here.home / "dvc-remote").put(str(object_file(Path(), digest)), body)
    return digest


def set_column(name: str, value: float) -> Spoil:
    def spoil(features: pd.DataFrame) -> None:
        features.loc[features.index[-1], name] = value

    return spoil


BAD: dict[str, tuple[Spoil, str, str]] = {
    "outside": (set_column("league_draws", 1.5), "league_draws", "1 outside [0, 1], 0 infinite"),
    "below": (set_column("elo_home", -4001.0), "elo_home", "1 outside [-4000, 8000], 0 infinite"),
    "infinite": (set_column("season_length", np.inf), "season_length", "1 infinite"),
    "undeclared": (set_column("bookmaker", 0.0), "bookmaker", "it is not declared"),
}


def test_features_as_they_are_built_pass(midseason: Platform, features: pd.DataFrame) -> None:
    publish(midseason, features)
    result = midseason.check("features", "feature_ranges")
    assert result.success
    found = checks_of(result)["feature_ranges"]
    assert found.passed
    assert found.metadata["rows"].value == len(features)


def test_months_that_kept_the_contract_are_not_read_again_until_they_change(
    midseason: Platform, features: pd.DataFrame
) -> None:
    def looked_at() -> tuple[bool, int]:
        found = checks_of(midseason.check("features", "feature_ranges"))["feature_ranges"]
        return found.passed, found.metadata["months"].value

    early = features.assign(kickoff=features["kickoff"] - pd.Timedelta(days=90))
    early["match_id"] += 1000
    old = early["kickoff"].dt.strftime("%Y-%m").nunique()
    new = features["kickoff"].dt.strftime("%Y-%m").nunique()
    publish(midseason, pd.concat([early, features], ignore_index=True))
    assert looked_at() == (True, old + new)
    assert looked_at() == (True, 0)
    set_column("league_draws", 1.5)(features)
    publish(midseason, pd.concat([early, features], ignore_index=True))
    assert looked_at() == (False, 1)
    assert looked_at() == (False, 1)  # what is wrong stays wrong
    set_column("league_draws", 0.25)(features)
    publish(midseason, pd.concat([early, features], ignore_index=True), elo_k=21.0)
    assert looked_at() == (True, old + new)  # other parameters, another contract


@pytest.mark.parametrize(("spoil", "column", "says"), BAD.values(), ids=BAD)
def test_an_impossible_feature_fails_the_check_and_is_not_served(
    midseason: Platform, features: pd.DataFrame, spoil: Spoil, column: str, says: str
) -> None:
    spoil(features)
    publish(midseason, features)
    result = midseason.check("features", "feature_ranges", and_assets=["serving_features"])
    assert not result.success
    found = checks_of(result)["feature_ranges"]
    assert not found.passed
    assert found.blocking
    violations = found.metadata["violations"].value
    assert list(violations) == [column]
    assert says in violations[column]
    assert midseason.not_started(result) == {"serving_features"}
    assert midseason.recorded(result) == {}


def test_what_is_served_is_all_that_is_coming_and_what_was_lately(
    midseason: Platform, features: pd.DataFrame
) -> None:
    """However long ago a match should have begun; nothing else is read."""
    ahead = MIDSEASON - START
    moved = features.assign(kickoff=features["kickoff"] + ahead - pd.Timedelta(days=25))
    long_ago = features.head(3).assign(kickoff=START, match_id=[101, 102, 103])
    long_ago["is_finished"] = [True, False, True]
    lost = features.head(2).assign(kickoff=START - pd.Timedelta(days=90), match_id=[104, 105])
    publish(midseason, pd.concat([lost, long_ago, moved], ignore_index=True))
    object_file(
        midseason.home / "dvc-remote", md5(lost.to_parquet(index=False)).hexdigest()
    ).unlink()
    result = midseason.run("serving_features")
    key = metadata_of(result, "serving_features")["frame"]
    served = pd.read_parquet(BytesIO(midseason.store.get(key)))
    assert served["match_id"].tolist() == [102, *moved["match_id"]]


def test_nothing_is_trained_on_an_impossible_feature(
    midseason: Platform, features: pd.DataFrame
) -> None:
    set_column("league_draws", 1.5)(features)
    publish(midseason, features)
    result = midseason.check("features", "feature_ranges", and_assets=["trained_model"])
    assert not result.success
    assert midseason.not_started(result) == {"trained_model"}
