"""Real results, replayed as of a day of the past through the same graph."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
import yaml
from mlflow import MlflowClient

from soccer_assets_tests.end_to_end.shell import Shell, open_shell

pytestmark = [pytest.mark.real_data, pytest.mark.system]

SINCE, AS_OF = pd.Timestamp("2016-07-01", tz="UTC"), pd.Timestamp("2018-03-01", tz="UTC")
LAST_FIXTURE = pd.Timestamp("2018-03-16", tz="UTC")
#: Big leagues of Europe, America and Asia, and four cups with extra time and penalties.
TOURNAMENTS = [
    *("E0", "E1", "E2", "SP1", "I1", "D1", "F1", "N1", "P1", "POL", "ARG", "MEX", "JPN"),
    *("UEFA CL", "UEFA EL", "Copa Lib", "Copa Sud"),
]
SCORES = ("log_loss", "brier", "rps", "ece", "accuracy")
SYSTEMS = ("model", "elo_ordered_logit", "class_prior")


@dataclass(frozen=True)
class Replayed:
    """A replay that has ended."""

    shell: Shell
    file: pd.DataFrame
    """What was replayed, with ``kickoff`` (UTC)."""
    printed: str
    postgres_ran_on: bool

    def table(self, query: str) -> pd.DataFrame:
        with self.shell.warehouse() as engine, engine.connect() as connection:
            return pd.read_sql(sa.text(query), connection).set_index("match_id").sort_index()


def cut_to(file: Path, real_matches: Path) -> pd.DataFrame:
    """Put the matches of the replay into a file of their own; returns them with their kick-offs."""
    matches = pd.read_parquet(real_matches, filters=[("competition", "in", TOURNAMENTS)])
    clock = matches["time"].astype(object).fillna("12:00")
    day = matches["date"].dt.strftime("%Y-%m-%d")
    kickoff = pd.to_datetime(day + " " + clock, utc=True)
    cut = kickoff.between(SINCE, LAST_FIXTURE + pd.Timedelta(days=1), inclusive="left")
    matches[cut].to_parquet(file, index=False)
    return matches.assign(kickoff=kickoff)[cut].set_index("match_id").sort_index()


@pytest.fixture(scope="module")
def replayed(real_matches: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    cut_file = tmp_path_factory.mktemp("real") / "matches.parquet"
    frame = cut_to(cut_file, real_matches)
    params = tmp_path_factory.mktemp("params") / "params.yaml"
    params.write_text(
        yaml.safe_dump({"training": {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}})
    )
    with open_shell({"SOCCER_PARAMS": str(params)}) as shell:
        printed = shell.run(
            *("soccer", "replay", cut_file),
            *("--as-of", f"{AS_OF:%Y-%m-%d}", "--since", f"{SINCE:%Y-%m-%d}"),
        )
        yield Replayed(shell, frame, printed, shell.postgres_runs)


@pytest.fixture(scope="module")
def warehouse(replayed: Replayed) -> pd.DataFrame:
    return replayed.table("SELECT * FROM soccer.match")


@pytest.fixture(scope="module")
def champion(replayed: Replayed) -> dict[str, float]:
    """Metrics of the MLflow run behind the champion."""
    client = MlflowClient(f"sqlite:///{replayed.shell.home / 'mlflow' / 'mlflow.db'}")
    version = client.get_model_version_by_alias("soccer_1x2", "champion")
    assert version.run_id
    return client.get_run(version.run_id).data.metrics


def over(file: pd.DataFrame) -> pd.Series:
    """The feed shows a result once a match must have ended."""
    return file["kickoff"] + pd.Timedelta(hours=2) <= AS_OF


def test_the_replay_ends_with_tables_for_people(replayed: Replayed) -> None:
    assert "Coming matches (kick-off UTC)" in replayed.printed
    assert "Holdout of champion version 1" in replayed.printed


def test_nothing_runs_on_when_the_replay_has_ended(replayed: Replayed) -> None:
    assert not replayed.postgres_ran_on


def test_the_cut_is_worth_a_test(replayed: Replayed) -> None:
    file = replayed.file
    assert over(file).sum() > 8_000
    assert (file["kickoff"] > AS_OF).sum() > 200
    assert (file.loc[over(file), "ft_flag"] != "F").sum() > 40
    assert set(file["competition"]) == set(TOURNAMENTS)


def test_every_match_of_the_file_is_in_the_warehouse_as_it_was_played(
    replayed: Replayed, warehouse: pd.DataFrame
) -> None:
    file = replayed.file
    assert warehouse.index.equals(file.index.astype("int64"))
    for column in ("tournament_id", "region_id", "home_team_id", "away_team_id"):
        assert (warehouse[column] == file[column]).all(), column
    for side in ("home", "away"):
        assert (warehouse[f"{side}_team_name"] == file[f"{side}_team"].astype(str)).all()
    assert (warehouse["kickoff"] == file["kickoff"]).all()


def test_every_finished_match_has_exactly_its_score(
    replayed: Replayed, warehouse: pd.DataFrame
) -> None:
    """After 90 minutes: where the file's score includes extra time or penalties there is none."""
    file = replayed.file[over(replayed.file)]
    finished = warehouse[warehouse["status"] == "finished"]
    assert finished.index.equals(file.index.astype("int64"))
    regular = file["ft_flag"] == "F"
    for side in ("home", "away"):
        scores, later = finished[f"{side}_score"], finished[f"{side}_extratime_score"]
        assert (scores[regular] == file.loc[regular, f"{side}_score"]).all()
        assert scores[~regular].isna().all()
        assert (later[~regular] == file.loc[~regular, f"{side}_score"]).all()
        assert later[regular].isna().all()


def test_what_was_still_to_come_has_no_result(replayed: Replayed, warehouse: pd.DataFrame) -> None:
    coming = warehouse[~over(replayed.file)]
    assert not (coming["status"] == "finished").any()
    assert coming[["home_score", "away_score", "home_extratime_score"]].isna().all(axis=None)


def test_the_coming_real_matches_are_predicted_and_nothing_after_them_was_known(
    replayed: Replayed,
) -> None:
    file = replayed.file
    coming = file[file["kickoff"] > AS_OF]
    predictions = replayed.table("SELECT * FROM soccer.prediction")
    predicted = predictions[predictions["kickoff"] > AS_OF]
    assert predicted.index.equals(coming.index.astype("int64"))
    assert (predicted[["p_home", "p_draw", "p_away"]].sum(axis=1) - 1).abs().max() < 1e-6
    assert predicted["p_home"].std() > 0.05
    newest = file.loc[over(file) & (file["ft_flag"] == "F"), "kickoff"].max()
    assert (predicted["features_as_of"] == newest).all()


def test_the_champion_is_scored_beside_the_baselines_on_the_same_matches(
    champion: dict[str, float],
) -> None:
    wanted = {f"{system}_{score}" for system in SYSTEMS for score in (*SCORES, "n")}
    assert wanted <= set(champion)
    sizes = {champion[f"{system}_n"] for system in SYSTEMS}
    assert len(sizes) == 1
    assert sizes.pop() > 1000


def test_the_champion_beats_elo_and_elo_beats_the_class_prior(champion: dict[str, float]) -> None:
    for score in ("log_loss", "brier", "rps"):
        model, elo, prior = (champion[f"{system}_{score}"] for system in SYSTEMS)
        assert model < elo < prior, score
