"""A model card: what whoever uses a version has to know, on one page (Mitchell et al. 2019, "Model
cards for model reporting")."""

import pandas as pd

from soccer_assets.modelling.figure import TITLES
from soccer_assets.modelling.goals import Goals
from soccer_assets.modelling.provenance import libraries, training_code
from soccer_assets.modelling.report import Report
from soccer_assets.modelling.train import MODEL, TrainingResult
from soccer_assets.text import markdown_table

#: Of the description of a version in MLflow's registry.
MAX_CHARACTERS = 5000
SCORES = {
    "log_loss": "log-loss",
    "brier": "Brier",
    "rps": "RPS",
    "ece": "ECE, class-wise",
    "ece_top": "ECE, top label",
}
#: Scores of goals, of those that there are.
GOALS = {
    "over25_log_loss": "over 2.5",
    "both_score_log_loss": "both teams to score",
    "correct_score_log_loss": "correct score",
}
LIMITS = """- Probabilities of the result after 90 minutes; of nothing else.
- It knows how teams have done, not who plays and who is hurt.
- It is weakest where little is known: new teams and leagues, and the first matches of a season.
- The scores are of the same recipe before it had seen the judged matches, not of the version itself."""


def model_card(result: TrainingResult, report: Report, data_revision: str) -> str:
    """Markdown, at most ``MAX_CHARACTERS``."""
    judged = result.bounds["judged"]
    days = result.params.half_life_days
    half_life = "none" if days is None else f"{days:g} days"
    size = "" if result.size is None else f", size {result.size}"
    scaling = "none" if result.model.calibrator.is_identity else "vector scaling"
    _, params = result.params.learner(result.chosen)
    changed = params.model_dump(exclude_defaults=True)
    names = list(result.importances)
    parts = [
        "# 1X2 model",
        f"Home win, draw and away win of football matches: `{result.chosen}`, {result.learner}{size}, "
        f"{len(result.model.features)} features, calibration: {scaling}.",
        f"- **Learnt until** {result.model.trained_until:%Y-%m-%d %H:%M} UTC, from "
        f"{sum(part.rows for part in result.bounds.values()):,} matches, the older ones counting less "
        f"(half-life: {half_life}).\n"
        f"- **Judged on** {judged.rows:,} matches of {judged.first:%Y-%m-%d} to "
        f"{judged.last:%Y-%m-%d}, before it had seen them.",
        "## Scores, with 95 % intervals",
        markdown_table(_scores(report)),
        "## Against the baselines, log-loss on the same matches",
        markdown_table(_against(report)),
        *([] if result.goals is None else [_goals(result.goals)]),
        "## Where it is weak",
        markdown_table(_weakest(report)),
        "## Limits",
        LIMITS,
        "## Made of",
        f"- Features that matter most: {', '.join(names[:10])}.\n"
        f"- Parameters: {changed or 'the defaults'}, seed {result.params.seed}.\n"
        f"- Data revision `{data_revision}`, training code `{training_code()}`.\n"
        f"- {', '.join(f'{name} {number}' for name, number in libraries().items())}.",
    ]
    return "\n\n".join(parts)[: MAX_CHARACTERS - 1] + "\n"


def _scores(report: Report) -> pd.DataFrame:
    scores = report.scores
    rows = scores[(scores["matches"] == "all") & (scores["system"] == MODEL)]
    return pd.DataFrame(
        {
            "score": [SCORES[name] for name in rows["score"]],
            "value": [f"{value:.4f}" for value in rows["value"]],
            "interval": _intervals(rows),
        }
    )


def _against(report: Report) -> pd.DataFrame:
    rows = report.against
    return pd.DataFrame(
        {
            "baseline": [TITLES[name] for name in rows["baseline"]],
            "matches": [f"{n:,}" for n in rows["n"]],
            "difference": [f"{value:+.4f}" for value in rows["difference"]],
            "interval": _intervals(rows),
        }
    )


def _goals(goals: Goals) -> str:
    scores = goals.scores.set_index("score")
    told = [
        f"{title} {scores['value'][name]:.4f} ({scores['difference'][name]:+.4f})"
        for name, title in GOALS.items()
    ]
    return f"Goals, log-loss (against independent Poisson goals): {', '.join(told)}."


def _weakest(report: Report) -> pd.DataFrame:
    rows = report.weakest()
    columns = pd.DataFrame(
        {
            "kind of match": rows["kind"] + ": " + rows["slice"],
            "matches": [f"{n:,}" for n in rows["n"]],
            "log-loss": [f"{value:.4f}" for value in rows["log_loss"]],
            "to Elo alone": [f"{value:+.4f}" for value in rows["difference"]],
            "interval": _intervals(rows),
            "to the market": [f"{value:+.4f}" for value in rows["to_market"]],
        }
    )
    return columns if rows["to_market"].notna().any() else columns.drop(columns="to the market")


def _intervals(rows: pd.DataFrame) -> list[str]:
    sign = "+" if (rows["low"] < 0).any() else ""
    pairs = zip(rows["low"], rows["high"], strict=True)
    return [f"{low:{sign}.4f} to {high:{sign}.4f}" for low, high in pairs]
