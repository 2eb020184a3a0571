"""The report on judged matches, its picture and the card."""

from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.bootstrap import paired_bootstrap
from soccer_assets.modelling.card import MAX_CHARACTERS
from soccer_assets.modelling.context import with_context
from soccer_assets.modelling.holdout import losses_of, outcomes_of, probabilities_of
from soccer_assets.modelling.metrics import scorecard
from soccer_assets.modelling.pages import Pages, pages_of
from soccer_assets.modelling.report import Report, report_of
from soccer_assets.modelling.splits import weeks_of
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

SCORES = ["log_loss", "brier", "rps", "ece", "ece_top"]


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    matches = simulate_matches(4000, seed=6)
    rng = np.random.default_rng(0)
    teams = rng.permuted(np.tile(np.arange(40), (4000, 1)), axis=1)
    odds = 0.95 / rng.dirichlet([40.0, 25.0, 30.0], size=4000)
    odds[rng.random(4000) < 0.5] = np.nan
    matches = matches.assign(
        region=("R" + (matches["tournament_id"] % 3).astype(str)),
        home_team_id=teams[:, 0],
        away_team_id=teams[:, 1],
        **dict(zip(("odds_home", "odds_draw", "odds_away"), odds.T, strict=True)),
    )
    return train(matches, FEATURES, TrainingParams(candidates={"logistic": {}}, folds=1))


@pytest.fixture(scope="module")
def pages(result: TrainingResult) -> Pages:
    return pages_of(result, "f00d" * 16)


@pytest.fixture(scope="module")
def report(pages: Pages) -> Report:
    return pages.report


def test_scores_are_those_of_the_scorecard_within_their_intervals(
    report: Report, result: TrainingResult
) -> None:
    of_all = report.scores[report.scores["matches"] == "all"]
    for system, card in result.report.items():
        rows = of_all[of_all["system"] == system].set_index("score")
        assert list(rows.index) == SCORES
        assert rows["value"].to_dict() == pytest.approx({s: card.as_dict()[s] for s in SCORES})
        assert (rows["low"] < rows["high"]).all()
        assert rows["value"].between(rows["low"], rows["high"]).all()


def test_where_there_are_odds_all_are_scored_on_the_same_matches_as_the_market(
    report: Report, result: TrainingResult
) -> None:
    table = result.holdout_predictions
    priced = table.loc[table["system"] == "market", "match_id"]
    rows = report.scores[report.scores["matches"] == "with odds"]
    assert set(rows["system"]) == {
        "model",
        "class_prior",
        "elo_ordered_logit",
        "logistic",
        "market",
    }
    assert set(rows["n"]) == {len(priced)}
    assert 0 < len(priced) < result.bounds["judged"].rows
    of_model = table[(table["system"] == "model") & table["match_id"].isin(priced)]
    p, y = probabilities_of(of_model, "model"), outcomes_of(of_model, "model")
    value = rows.query("system == 'model' and score == 'ece'")["value"].item()
    assert value == pytest.approx(scorecard(p, y).ece)
    against = report.against.set_index("baseline")
    assert against.loc["market", "n"] == len(priced)
    mean = losses_of(of_model, "model").mean() - losses_of(table, "market").mean()
    assert against.loc["market", "difference"] == pytest.approx(mean)


def test_differences_have_the_intervals_of_the_gates(
    report: Report, result: TrainingResult
) -> None:
    weeks = weeks_of(result.holdout_predictions.query("system == 'model'")["kickoff"])
    theirs = paired_bootstrap(
        result.losses("model"), result.losses("class_prior"), draws=4000, blocks=weeks
    )
    ours = report.against.set_index("baseline").loc["class_prior"]
    assert ours["difference"] == pytest.approx(theirs.mean_difference)
    width = theirs.high - theirs.low
    assert ours["low"] == pytest.approx(theirs.low, abs=0.1 * width)
    assert ours["high"] == pytest.approx(theirs.high, abs=0.1 * width)


def test_every_kind_of_match_is_told_apart(report: Report, result: TrainingResult) -> None:
    slices = report.slices
    assert set(slices["kind"]) == {
        *("sex", "Elo gap", "region", "earlier matches of the league"),
        *("earlier matches of a team", "earlier matches of the season"),
    }
    judged = result.bounds["judged"].rows
    regions = slices[slices["kind"] == "region"]
    assert regions["n"].sum() == judged
    mean = (regions["log_loss"] * regions["n"]).sum() / judged
    assert mean == pytest.approx(result.report["model"].log_loss)
    assert slices["to_market"].notna().all()
    weakest = report.weakest(3)["to_market"]
    assert weakest.tolist() == sorted(slices["to_market"], reverse=True)[:3]


def test_the_loss_is_told_by_month(report: Report, result: TrainingResult) -> None:
    months = report.months
    assert months["n"].sum() == result.bounds["judged"].rows
    assert (months["month"].dt.day == 1).all()
    assert months["month"].is_monotonic_increasing
    mean = (months["model"] * months["n"]).sum() / months["n"].sum()
    assert mean == pytest.approx(result.report["model"].log_loss)
    assert "market" in months


def test_a_report_without_odds_has_no_market(result: TrainingResult) -> None:
    table = result.holdout_predictions.query("system != 'market'")
    report = report_of(table)
    assert set(report.scores["matches"]) == {"all"}
    assert "market" not in set(report.against["baseline"])
    assert report.slices["to_market"].isna().all()
    weakest = report.weakest(3)["difference"]
    assert weakest.tolist() == sorted(report.slices["difference"], reverse=True)[:3]


def test_a_picture_and_a_card_are_made_of_it(pages: Pages, result: TrainingResult) -> None:
    assert pages.figure.startswith(b"\x89PNG")
    assert len(pages.card) <= MAX_CHARACTERS
    told = " ".join(pages.card.replace("\\", "").split())  # as it is shown
    assert f"**Learnt until** {result.model.trained_until:%Y-%m-%d %H:%M} UTC" in told
    assert f"**Judged on** {result.bounds['judged'].rows:,} matches" in told
    assert f"| log-loss | {result.report['model'].log_loss:.4f} |" in told
    assert "| market |" in told
    assert f"Data revision `{'f00d' * 16}`" in told
    assert told.endswith(f"scipy {version('scipy')}.")


def test_what_is_known_before_a_match_is_counted() -> None:
    day = pd.Timedelta(days=1)
    kickoffs = pd.Timestamp("2024-01-01", tz="UTC") + np.array([0, 1, 2, 60, 61]) * day
    matches = pd.DataFrame(
        {
            "kickoff": kickoffs,
            "tournament_id": [1, 1, 2, 1, 1],
            "home_team_id": [7, 7, 8, 7, 7],
            "away_team_id": [8, 9, 9, 8, 8],
        }
    )
    found = with_context(matches)
    assert found["league_history"].tolist() == [0, 1, 0, 2, 3]
    assert found["team_history"].tolist() == [0, 0, 1, 2, 3]
    # After a break of two months a season begins.
    assert found["season_matches"].tolist() == [0, 0, 1, 0, 1]
    assert "team_history" not in with_context(matches[["kickoff", "tournament_id"]])
