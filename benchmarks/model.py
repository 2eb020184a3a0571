"""How good the model is: real matches, everything chosen before a day, scored once after it.

``python -m benchmarks.model``, or ``soccer benchmark-model``. The recipe is the platform's own: its
features, its parameters, its training. Baselines and the market are of identical matches; intervals
are of 95 %, by a bootstrap over weeks.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.attempts import attempts
from benchmarks.reference_recipe import reference_columns, reference_probabilities
from benchmarks.selection import Selection
from benchmarks.world import NoRealMatches, finished_matches
from soccer_assets.arrays import FloatArray
from soccer_assets.features.build import build_features, feature_names
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.registry import declared
from soccer_assets.modelling.bootstrap import paired_bootstrap
from soccer_assets.modelling.holdout import losses_of, probabilities_of, system_rows
from soccer_assets.modelling.metrics import ece, per_match_log_loss, rps
from soccer_assets.modelling.splits import weeks_of
from soccer_assets.modelling.train import (
    ELO_LOGIT,
    MARKET,
    MODEL,
    TrainingResult,
    train,
)
from soccer_assets.params import Params, read_params
from soccer_assets.params.training import TrainingParams
from soccer_assets.settings import DEFAULT_PARAMS, project_folder

#: Everything is chosen on matches before this moment, and scored on those from it on.
TEST_FROM = datetime(2024, 1, 1, tzinfo=UTC)
TEST_UNTIL = datetime(2025, 7, 1, tzinfo=UTC)
#: The matches on which groups of features are tried out.
SELECTION_FROM = datetime(2021, 7, 1, tzinfo=UTC)
#: The old recipe learns from so many of the latest matches: its columns are ten times as many.
REFERENCE_ROWS = 300_000
RESULTS = Path(__file__).with_name("model.json")
PAGE = Path(__file__).with_name("model.md")

#: Parts of the record that can be left out of a run.
TEST, REFERENCE = "test", "vs_reference"
ODDS, ABLATION, ATTEMPTS = "test_with_odds_history", "ablation", "attempts"
NAMES = {
    TEST: "the model",
    ODDS: "the odds of past matches",
    ABLATION: "the groups of features",
    ATTEMPTS: "what was tried on top",
}
#: Part -> the recipe it was measured with.
RECIPES = "recipes"
Row = dict[str, Any]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Progress = Callable[[str], None]


@app.command()
def main(
    ablation: Annotated[bool, typer.Option(help="Try the features group by group.")] = True,
    odds_history: Annotated[bool, typer.Option(help="Score the option, too.")] = True,
    reference: Annotated[bool, typer.Option(help="Score the old recipe, too.")] = True,
    judge: Annotated[
        bool, typer.Option(help="Judge the model anew; else what the kept record chose counts.")
    ] = True,
    output: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS,
) -> None:
    """Score the model on real matches that it has not seen, and record the figures."""
    started = time.monotonic()

    def progress(message: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s  {message}", err=True)

    folder = Path(os.environ.get("SOCCER_REAL_DATA") or project_folder() / "../shared/data")
    try:
        matches = finished_matches(folder, TEST_UNTIL)
    except NoRealMatches as absent:
        typer.echo(str(absent), err=True)
        raise typer.Exit(1) from None
    params = read_params(DEFAULT_PARAMS)
    asked = {
        TEST: judge,
        ODDS: odds_history,
        ABLATION: ablation,
        ATTEMPTS: ablation,
    }
    found = earlier_parts(output, {name for name, is_asked in asked.items() if not is_asked})
    if not judge and TEST not in found:
        typer.echo(f"{output} has no judged model: leave --no-judge out", err=True)
        raise typer.Exit(1)
    recipe = recipe_of(params)

    def keep(part: str, measured: Any) -> None:
        """At once: the parts take minutes each."""
        found[part] = measured
        found[RECIPES][part] = recipe
        record(found, output)

    if judge:
        result = judged(matches, params.features, params.training, progress)
        keep(TEST, figures(result))
    if judge and reference:
        progress("the reference's recipe")
        against = against_reference(matches, result, params.training.seed)
        keep(TEST, found[TEST] | {REFERENCE: against})
    if odds_history:
        progress("with the odds of past matches")
        with_odds = params.features.model_copy(
            update={"market": params.features.market.model_copy(update={"is_used": True})}
        )
        keep(ODDS, figures(judged(matches, with_odds, params.training, progress)))
    if ablation:
        before = matches[matches["kickoff"] < pd.Timestamp(TEST_FROM)]
        selection = Selection(
            *dataset_of(before, params.features),
            pd.Timestamp(SELECTION_FROM),
            params.training,
            found[TEST]["chosen"],
            found[TEST]["size"],
        )
        keep(ABLATION, list(ablated(selection, params.features, progress)))
        progress("what was tried on top")
        keep(ATTEMPTS, list(attempts(selection, before, params.features)))
    typer.echo(page_of(found))


def earlier_parts(output: Path, kept: Iterable[str]) -> dict[str, Any]:
    """Parts of the last record that are not measured now, each with the recipe that it is of."""
    before = json.loads(output.read_text()) if output.exists() else {}
    parts = {name: before[name] for name in sorted(kept) if name in before}
    recipes = before.get(RECIPES, {})
    return {RECIPES: {name: recipes.get(name, "") for name in parts}, **parts}


def recipe_of(params: Params) -> str:
    """What tells one recipe from another: the features and the training, as the parameters have them."""
    text = params.features.model_dump_json() + params.training.model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(found: dict[str, Any], output: Path) -> None:
    """Write what is found so far, and its page."""
    output.write_text(json.dumps(found, indent=2) + "\n")
    output.with_suffix(".md").write_text(page_of(found))


def dataset_of(matches: pd.DataFrame, features: FeatureParams) -> tuple[pd.DataFrame, list[str]]:
    """What the platform trains on, one row a match in order of kick-off, and the features' names."""
    built = build_features(matches, matches.iloc[:0], features)
    details = ["region", "home_team_id", "away_team_id", "odds_home", "odds_draw", "odds_away"]
    margin = (matches["home_score"] - matches["away_score"]).to_numpy()
    outcome = np.select([margin > 0, margin == 0], [0, 1], 2).astype(np.int8)
    scores = {
        f"{side}_goals": matches[f"{side}_score"].to_numpy(np.int16) for side in ("home", "away")
    }
    dataset = built.assign(outcome=outcome, **scores).join(matches[details])
    return dataset, feature_names(built)


def judged(
    matches: pd.DataFrame, features: FeatureParams, training: TrainingParams, progress: Progress
) -> TrainingResult:
    """The platform's training, which is judged on the matches from a moment on."""
    settings = training.model_copy(update={"judge_from": TEST_FROM, "judge_max_share": 0.5})
    return train(*dataset_of(matches, features), settings, progress)


def figures(result: TrainingResult) -> dict[str, Any]:
    """What is asked of the model on the judged matches."""
    table = result.holdout_predictions
    model = system_rows(table, MODEL)
    p, y = probabilities_of(table, MODEL), model["outcome"].to_numpy(np.int64)
    losses, weeks = losses_of(table, MODEL), weeks_of(model["kickoff"])
    priced = model["match_id"].isin(system_rows(table, MARKET)["match_id"]).to_numpy()
    market = losses_of(table, MARKET)
    to_market = paired_bootstrap(losses[priced], market, blocks=weeks[priced])
    to_elo = paired_bootstrap(losses, losses_of(table, ELO_LOGIT), blocks=weeks)
    return {
        "rows": len(model),
        "rows_with_odds": int(priced.sum()),
        "chosen": result.chosen,
        "size": result.size,
        "model": {
            "log_loss": float(losses.mean()),
            "log_loss_with_odds": float(losses[priced].mean()),
            "rps": float(rps(p, y)),
            "ece": float(ece(p, y)),
        },
        "market_log_loss": float(market.mean()),
        "gap_to_market": to_market.mean_difference,
        "vs_elo": to_elo.mean_difference,
        "intervals": {
            "gap_to_market": [to_market.low, to_market.high],
            "vs_elo": [to_elo.low, to_elo.high],
        },
    }


def against_reference(matches: pd.DataFrame, result: TrainingResult, seed: int) -> dict[str, Any]:
    """The model's log-loss less the old recipe's, on identical matches."""
    table = result.holdout_predictions
    model = system_rows(table, MODEL).set_index("match_id")
    kickoffs = matches["kickoff"]
    test = (kickoffs >= pd.Timestamp(TEST_FROM)).to_numpy()
    earlier = np.flatnonzero(~test)[-REFERENCE_ROWS:]
    rows = test.copy()
    rows[earlier] = True
    columns = reference_columns(matches, rows)
    margin = (matches["home_score"] - matches["away_score"]).to_numpy()[rows]
    outcomes = np.select([margin > 0, margin == 0], [0, 1], 2)
    given = reference_probabilities(columns, outcomes, ~test[rows], seed, os.cpu_count() or 1)
    theirs: FloatArray = per_match_log_loss(given, outcomes[test[rows]])
    ours = pd.Series(losses_of(table, MODEL), index=model.index)
    weeks = weeks_of(kickoffs[test])
    compared = paired_bootstrap(
        ours.loc[matches["match_id"][test]].to_numpy(), theirs, blocks=weeks
    )
    return {
        "log_loss": float(theirs.mean()),
        "difference": compared.mean_difference,
        "interval": [compared.low, compared.high],
    }


def ablated(selection: Selection, features: FeatureParams, progress: Progress) -> Iterable[Row]:
    """Log-loss on the selection matches without each group of features, less that with all."""
    groups: dict[str, set[str]] = {}
    for feature in declared(features):
        groups.setdefault(feature.group, set()).add(feature.name)
    losses = selection.losses(selection.predicted(selection.rows))
    yield {
        "without": "nothing",
        "columns": len(selection.rows.names),
        "log_loss": float(losses.mean()),
    }
    for group, dropped in groups.items():
        progress(f"without {group}")
        found = selection.losses(selection.predicted(selection.without(dropped)))
        compared = paired_bootstrap(found, losses, blocks=selection.weeks)
        yield {
            "without": group,
            "columns": len(dropped),
            "log_loss": float(found.mean()),
            "difference": compared.mean_difference,
            "interval": [compared.low, compared.high],
        }


def page_of(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["# How good the model is", ""]
    lines += [
        f"Real matches; all choices before {TEST_FROM:%Y-%m-%d}, scored once until "
        f"{TEST_UNTIL:%Y-%m-%d}. Log-loss in nats; 95 % intervals by a bootstrap over weeks. Made by "
        "`soccer benchmark-model`.",
        "",
        "| | matches | with odds | log-loss | RPS | ECE | to the market | to Elo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, name in (
        ("test", "the model (results, shots and corners)"),
        (ODDS, "with the odds of past matches, an option"),
    ):
        if key in found:
            f = found[key]
            gap, elo = (
                f"{f[k]:+.4f} [{f['intervals'][k][0]:+.4f}, {f['intervals'][k][1]:+.4f}]"
                for k in ("gap_to_market", "vs_elo")
            )
            m = f["model"]
            lines.append(
                f"| {name} | {f['rows']:,} | {f['rows_with_odds']:,} | {m['log_loss']:.5f} | "
                f"{m['rps']:.5f} | {m['ece']:.4f} | {gap} | {elo} |"
            )
    if reference := found["test"].get("vs_reference"):
        low, high = reference["interval"]
        lines += [
            "",
            f"The old recipe (508 columns, isotonic): {reference['log_loss']:.5f}; the model against "
            f"it: {reference['difference']:+.5f} [{low:+.5f}, {high:+.5f}].",
        ]
    recipes = found.get(RECIPES, {})
    earlier = [part for part in NAMES if part in found and recipes.get(part) != recipes.get(TEST)]
    if earlier:
        parts = " and ".join(NAMES[part] for part in earlier)
        lines += ["", f"Measured with another recipe than the model: {parts}."]
    if ABLATION in found:
        lines += [
            "",
            f"What each group of features pays, on {SELECTION_FROM:%Y-%m-%d} to "
            f"{TEST_FROM:%Y-%m-%d}:",
            "",
            "| without | columns | log-loss | difference |",
            "|---|---|---|---|",
        ]
        lines += [_line(row["without"], row) for row in found[ABLATION]]
    if ATTEMPTS in found:
        lines += [
            "",
            "What was tried on top of it, on the same matches, and is not worth its price "
            "(`benchmarks/attempts.py`):",
            "",
            "| with | columns | log-loss | difference |",
            "|---|---|---|---|",
        ]
        lines += [_line(row["with"], row) for row in found[ATTEMPTS]]
    return "\n".join(lines) + "\n"


def _line(what: str, row: Row) -> str:
    told = ""
    if "difference" in row:
        low, high = row["interval"]
        told = f"{row['difference']:+.5f} [{low:+.5f}, {high:+.5f}]"
    return f"| {what} | {row.get('columns', '')} | {row['log_loss']:.5f} | {told} |"


if __name__ == "__main__":
    app()
