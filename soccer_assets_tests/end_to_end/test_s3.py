"""The graph with its lake in a bucket: ``LAKE_URI=s3://...`` and nothing else changed."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import md5, sha256
from io import BytesIO
from pathlib import Path

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from soccer_assets.clock import utc_now
from soccer_assets.dvc.outs import DATASET
from soccer_assets.lake.manifest import Manifest
from soccer_assets.modelling.registry import SMOKE
from soccer_assets.resources import make_resources
from soccer_assets.settings import get_settings, project_folder
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON, S3Service
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.dvc.test_workspace import sums
from soccer_assets_tests.platform import Platform, platform

pytestmark = pytest.mark.system

FIRST_DAY, LAST_DAY = date(2024, 8, 1), date(2025, 3, 16)
LAST_MONTH = "2025-03-01"
BUCKET, PREFIX = "season-in-s3", "soccer/lake"
EVERYTHING_BUT_THE_WORKERS = (
    *("finished", "fixtures", "features", "feature_states", "features_meta", "dataset"),
    *("trained_model", "registered_model", "candidate_model", "champion_model"),
    *("serving_features", "predictions"),
    *("feature_drift", "prediction_scorecard", "data_volume", "ledger"),
    *("prediction_decay", "prediction_shift"),
)


@dataclass(frozen=True)
class SeasonInS3:
    """A platform that has run from the feed to predictions."""

    platform: Platform
    s3: S3Service

    def keys(self, folder: str) -> list[str]:
        """Below the lake's prefix."""
        pages = self.s3.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{PREFIX}/{folder}/"
        )
        found = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [key.removeprefix(f"{PREFIX}/") for key in found]

    def get(self, key: str) -> bytes:
        answer = self.s3.client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")
        body: bytes = answer["Body"].read()
        return body

    def table(self, query: str) -> pd.DataFrame:
        with self.platform.engine.connect() as connection:
            return pd.read_sql(sa.text(query), connection)

    @property
    def workspace(self) -> Path:
        return self.platform.home / "dvc"


def outs(workspace: Path) -> dict[str, str]:
    """Path of each out of DVC -> its md5, as ``dvc.lock`` has them."""
    lock = yaml.safe_load((workspace / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


@pytest.fixture(scope="module")
def season(
    tmp_path_factory: pytest.TempPathFactory, tables: str, s3_service: S3Service
) -> Iterator[SeasonInS3]:
    home = tmp_path_factory.mktemp("s3")
    params = yaml.safe_load((project_folder() / "soccer_assets/dvc/params.yaml").read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.08}  # so few matches cannot be calibrated any better
    params_file = tmp_path_factory.mktemp("params") / "params.yaml"
    params_file.write_text(yaml.safe_dump(params))
    world = LeagueSimulator(seed=20, first_season=2024)
    environment = {
        "LAKE_URI": f"s3://{BUCKET}/{PREFIX}",
        "S3_ENDPOINT_URL": s3_service.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SOCCER_AS_OF": MIDSEASON.isoformat(),
        "SOCCER_PARAMS": str(params_file),
        "DAGSTER_EVENT_BATCH_SIZE": "500",
    }
    with (
        copy_of(tables) as url,
        FeedServer(world, clock=utc_now) as feed,
        platform(home, feed, url, environment) as here,
    ):
        here.run_job("ingest", partitions=(FIRST_DAY.isoformat(), LAST_DAY.isoformat()))
        here.run_job("export", partitions=(FIRST_DAY.isoformat(), LAST_MONTH))
        here.run(*EVERYTHING_BUT_THE_WORKERS)
        yield SeasonInS3(here, s3_service)


def test_the_archive_holds_every_day_as_the_feed_sent_it(season: SeasonInS3) -> None:
    payloads = season.keys("livescores")
    days = [FIRST_DAY + timedelta(days=k) for k in range((LAST_DAY - FIRST_DAY).days + 1)]
    assert sorted(key[:21] for key in payloads) == [f"livescores/{day:%Y/%m/%d}" for day in days]
    archived = {key[:21]: key for key in payloads}
    for day in (days[0], MIDSEASON.date(), days[-1]):
        sent = httpx.get(
            f"{season.platform.feed.url}/livescores/data",
            params={"d": f"{day:%Y%m%d}", "isSummary": "true"},
            trust_env=False,
        ).content
        assert gzip.decompress(season.get(archived[f"livescores/{day:%Y/%m/%d}"])) == sent


def test_the_manifest_names_the_tables_files_by_their_content(season: SeasonInS3) -> None:
    manifest = Manifest.from_bytes(season.get("tables/manifest.json"))
    entries = [entry for months in manifest.tables.values() for entry in months.values()]
    assert len(entries) == 2 * 8
    assert {entry.key for entry in entries} | {"tables/manifest.json"} == set(season.keys("tables"))
    for entry in entries:
        assert sha256(season.get(entry.key)).hexdigest() == entry.sha256


def test_the_tables_in_the_bucket_are_those_of_the_database(season: SeasonInS3) -> None:
    manifest = Manifest.from_bytes(season.get("tables/manifest.json"))
    for table in ("match", "match_raw"):
        files = [
            pd.read_parquet(BytesIO(season.get(entry.key)), columns=["match_id", "content_hash"])
            for entry in manifest.tables[table].values()
        ]
        lake = pd.concat(files).sort_values("match_id", ignore_index=True)
        query = f"SELECT match_id, content_hash FROM soccer.{table} ORDER BY match_id"
        pd.testing.assert_frame_equal(lake, season.table(query))
    assert season.platform.latest_check("match_parquet", "parity_with_postgres") is True


def test_the_features_for_serving_are_in_the_bucket(season: SeasonInS3) -> None:
    [key] = season.keys("serving")
    features = pd.read_parquet(BytesIO(season.get(key)))
    served = season.table("SELECT match_id FROM soccer.prediction")
    assert set(features["match_id"]) == set(served["match_id"])


def test_every_out_of_dvc_was_pushed_to_the_bucket(season: SeasonInS3) -> None:
    md5s = outs(season.workspace)
    assert set(md5s) == {
        "data/finished",
        "data/fixtures",
        "data/features",
        "data/feature_states",
        "data/features_meta.json",
        "data/dataset",
    }
    digests = {digest for path in md5s for digest in sums(season.workspace, path)}
    assert set(md5s.values()) <= digests
    pushed = {f"dvc/files/md5/{digest[:2]}/{digest[2:]}": digest for digest in digests}
    assert set(pushed) <= set(season.keys("dvc"))
    for key, digest in pushed.items():
        assert md5(season.get(key)).hexdigest() == digest.removesuffix(".dir")


def test_the_data_of_a_model_can_be_had_again_from_its_revision(
    season: SeasonInS3, tmp_path: Path
) -> None:
    """On a machine that has nothing: from the bucket alone."""
    registry = season.platform.registry
    version = registry.by_alias(SMOKE)
    assert version is not None
    revision = registry.training(version).data_revision
    assert revision in "".join(season.keys("revisions"))
    elsewhere = get_settings().model_copy(update={"soccer_home": tmp_path / "elsewhere"})
    made = make_resources(elsewhere)["dvc"].at(revision)
    assert set(made.revision.outs) == set(outs(season.workspace))
    for path, digest in outs(season.workspace).items():
        with made.open(Path(path)) as file:
            assert md5(file.read()).hexdigest() == digest.removesuffix(".dir")
    dataset = pd.read_parquet(season.workspace / "data/dataset")
    pd.testing.assert_frame_equal(made.frame(DATASET), dataset)
    assert not list(tmp_path.rglob("*.parquet"))


def test_nothing_of_the_lake_is_on_the_local_disk(season: SeasonInS3) -> None:
    """But the workspace of DVC with its cache, and MLflow, which is not told to live elsewhere; and
    what draws its plots knows of fonts."""
    home = season.platform.home
    assert {path.name for path in home.iterdir()} <= {
        "dvc",
        "matplotlib",
        "mlflow",
        "serving-token",
    }
    parquet = {path.relative_to(home).parts[0] for path in home.rglob("*.parquet")}
    assert parquet <= {"dvc", "mlflow"}
    assert not list(home.rglob("*.json.gz"))
