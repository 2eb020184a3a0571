"""A training at a glance: one picture of a report."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soccer_assets.modelling.report import Report
from soccer_assets.modelling.train import CLASS_PRIOR, ELO_LOGIT, LOGISTIC, MARKET, MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    MODEL: "model",
    LOGISTIC: "logistic regression",
    ELO_LOGIT: "Elo, ordered logit",
    CLASS_PRIOR: "class prior",
    MARKET: "market",
}
COLOURS = {
    MODEL: "C0",
    LOGISTIC: "C1",
    ELO_LOGIT: "C2",
    CLASS_PRIOR: "0.6",
    MARKET: "C3",
}
#: Features, and slices, that are shown.
FEATURES, SLICES = 14, 24
#: Share of all matches, below which a month is hardly more than noise: the first may be a day.
MIN_MONTH = 0.01


def figure(report: Report, importances: dict[str, float], title: str) -> bytes:
    """PNG: differences to the baselines, reliability, months, kinds of matches, importances."""
    from matplotlib.figure import Figure

    # Places by hand: matplotlib's own layouts take seconds.
    page = Figure(figsize=(14, 9))
    page.suptitle(title, y=0.96)
    top = page.add_gridspec(1, 3, left=0.1, right=0.98, bottom=0.62, top=0.9, wspace=0.22)
    bottom = page.add_gridspec(
        1, 2, left=0.25, right=0.98, bottom=0.05, top=0.5, wspace=0.45, width_ratios=[1.2, 1]
    )
    against, reliability, months = (page.add_subplot(top[n]) for n in range(3))
    slices, features = (page.add_subplot(bottom[n]) for n in range(2))
    _against(against, report)
    _reliability(reliability, report)
    _months(months, report)
    _slices(slices, report)
    _importances(features, importances)
    buffer = BytesIO()
    page.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()


def _intervals(axes: "Axes", rows: pd.DataFrame, names: list[str]) -> None:
    """One row below the other: a difference with its interval, and the line where there is none."""
    places = np.arange(len(rows))[::-1]
    errors = np.abs(rows[["low", "high"]].to_numpy().T - rows["difference"].to_numpy())
    axes.axvline(0.0, color="0.7", linewidth=1)
    axes.errorbar(rows["difference"], places, xerr=errors, fmt="o", markersize=4, capsize=2)
    axes.set_yticks(places, names, fontsize=8)
    axes.locator_params(axis="x", nbins=5)


def _against(axes: "Axes", report: Report) -> None:
    rows = report.against
    _intervals(
        axes,
        rows,
        [f"{TITLES[name]}\n{n:,}" for name, n in zip(rows["baseline"], rows["n"], strict=True)],
    )
    axes.set(title="Log-loss minus the baseline's", xlabel="left of 0: the model is better")


def _reliability(axes: "Axes", report: Report) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for outcome, bins in report.reliability.groupby("outcome", sort=False):
        predicted, observed = bins["mean_probability"], bins["observed_share"]
        axes.plot(predicted, observed, marker="o", markersize=3, linewidth=1, label=outcome)
    axes.set(title="Reliability", xlabel="predicted probability", ylabel="observed share")
    axes.legend(frameon=False)


def _months(axes: "Axes", report: Report) -> None:
    months = report.months[report.months["n"] >= MIN_MONTH * report.months["n"].sum()]
    for system in COLOURS:
        if system in months and system != CLASS_PRIOR:  # far above the others
            axes.plot(
                months["month"].dt.tz_localize(None),
                months[system],
                marker="o",
                markersize=3,
                color=COLOURS[system],
                label=TITLES[system],
            )
    axes.set(title="Log-loss by month")
    shown = months["month"][:: len(months) // 7 + 1]
    axes.set_xticks(shown.dt.tz_localize(None), shown.dt.strftime("%b %y"), fontsize=8)
    axes.legend(frameon=False, fontsize=8)


def _slices(axes: "Axes", report: Report) -> None:
    rows = report.slices.head(SLICES)
    names = [f"{row.kind}: {row.slice}  ({row.n:,})" for row in rows.itertuples()]
    _intervals(axes, rows, names)
    axes.set(title="Log-loss minus that of Elo alone, by kind of match")


def _importances(axes: "Axes", importances: dict[str, float]) -> None:
    shown = list(importances.items())[:FEATURES][::-1]
    axes.barh([name for name, _ in shown], [share for _, share in shown])
    axes.tick_params(axis="y", labelsize=8)
    axes.set(title="Share of what moves the predictions")
