"""What a training tells people: the report, one picture of it, and the card of the model."""

from dataclasses import dataclass

from soccer_assets.modelling.card import model_card
from soccer_assets.modelling.figure import figure
from soccer_assets.modelling.report import Report, report_of
from soccer_assets.modelling.train import TrainingResult


@dataclass(frozen=True, eq=False)
class Pages:
    """All of it."""

    report: Report
    figure: bytes
    """PNG."""
    card: str
    """Markdown."""


def pages_of(result: TrainingResult, data_revision: str) -> Pages:
    """What there is to tell of a training on the data of a revision."""
    report = report_of(result.holdout_predictions, result.params.seed)
    judged = result.bounds["judged"]
    title = (
        f"{result.chosen} ({result.learner}), judged on {judged.rows:,} matches of "
        f"{judged.first:%Y-%m-%d} to {judged.last:%Y-%m-%d}"
    )
    return Pages(
        report=report,
        figure=figure(report, result.importances, title),
        card=model_card(result, report, data_revision),
    )
