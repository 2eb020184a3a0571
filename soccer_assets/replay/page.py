"""The report of a replay: one page that needs nothing else, and its tables as parquet."""

import html
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.files import write_atomically
from soccer_assets.replay.faults import describe, parse_fault
from soccer_assets.replay.plan import Plan, read_days
from soccer_assets.replay.scores import SYSTEMS, reigns, settled_predictions, with_losses
from soccer_assets.replay.timeline import timeline
from soccer_assets.replay.world import SLACK_FILE
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import get_engine

COLOURS = {"model": "C0", "elo": "C2", "prior": "0.6", "market": "C3"}
#: Kinds of events that are marked in the pictures.
MARKED = {
    "training": ("C0", "|"),
    "promotion": ("C2", "^"),
    "rejection": ("C1", "v"),
    "rollback": ("C3", "s"),
    "alert": ("C3", "x"),
    "stale": ("C5", "."),
    "recovered": ("C2", "."),
    "check failed": ("C8", "."),
    "failed run": ("C3", "|"),
    "fault": ("0.2", "D"),
}
FOLDER = "report"


def write_report(
    instance: dg.DagsterInstance, plan: Plan, home: Path, made: RevisionReader
) -> Path:
    """Write ``index.html`` with its tables beside it; returns its path.

    Raises:
        TooLate: a prediction counts that was not made before its match began.
    """
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    days = read_days(home)
    begin = datetime.combine(plan.first, time(), UTC)
    settled = with_losses(
        settled_predictions(get_engine(get_settings()), plan.first), made, plan.first
    )
    events = timeline(instance, home / SLACK_FILE, days, begin)
    champions = reigns(settled)
    steps = pd.DataFrame([vars(day) for day in days])
    tables = {
        "predictions": settled,
        "timeline": events,
        "champions": champions,
        "days": steps.drop(columns=["seconds", "faults"], errors="ignore"),
    }
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    page = folder / "index.html"
    write_atomically(page, _page(plan, settled, events, champions, steps))
    return page


def summary(settled: pd.DataFrame) -> pd.DataFrame:
    """Each system's mean log-loss, and the model's on the same matches: ``system, matches, its
    log-loss, the model's``."""
    rows = []
    for name, title in SYSTEMS.items():
        known = settled[np.isfinite(settled[name])]
        if len(known):
            rows.append((title, len(known), known[name].mean(), known["model"].mean()))
    return pd.DataFrame(
        rows, columns=["system", "matches", "log-loss", "the model's on the same matches"]
    )


def figure(settled: pd.DataFrame, events: pd.DataFrame, steps: pd.DataFrame) -> bytes:
    """PNG: what the model has gained on the others, months, events, runs."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(14, 11))
    grid = page.add_gridspec(
        4, 1, left=0.09, right=0.98, bottom=0.05, top=0.96, hspace=0.35,
        height_ratios=[3, 2, 2, 1],
    )  # fmt: skip
    gained = page.add_subplot(grid[0])
    weeks, happened, runs = (page.add_subplot(grid[n], sharex=gained) for n in range(1, 4))
    _gained(gained, settled)
    _weeks(weeks, settled)
    _happened(happened, events)
    ticks: Any = pd.to_datetime(steps["tick"]) if len(steps) else []
    runs.bar(ticks, steps["runs"] if len(steps) else [], width=1.0, color="0.6")
    runs.set(title="Runs a step")
    buffer = BytesIO()
    page.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()


def _gained(axes: Any, settled: pd.DataFrame) -> None:
    for name, title in SYSTEMS.items():
        if name == "model":
            continue
        known = settled[np.isfinite(settled[name])]
        if known.empty:
            continue
        axes.plot(
            known["kickoff"],
            (known[name] - known["model"]).cumsum(),
            color=COLOURS[name],
            label=f"against {title} ({len(known):,} matches)",
        )
    axes.axhline(0.0, color="0.8", linewidth=1)
    _mark_reigns(axes, settled)
    axes.set(title="Log-loss saved so far by the predictions made before kick-off")
    axes.legend(frameon=False, loc="upper left")


def _mark_reigns(axes: Any, settled: pd.DataFrame) -> None:
    for row in reigns(settled).itertuples():
        axes.axvline(row.first, color="0.85", linewidth=1, zorder=0)
        axes.annotate(
            f"v{row.version}", (row.first, 1), xycoords=("data", "axes fraction"), fontsize=8,
            color="0.4", va="top",
        )  # fmt: skip


def _weeks(axes: Any, settled: pd.DataFrame) -> None:
    weekly = settled.set_index("kickoff")[list(SYSTEMS)].resample("7D").mean()
    for name, title in SYSTEMS.items():
        axes.plot(weekly.index, weekly[name], color=COLOURS[name], label=title, linewidth=1)
    axes.set(title="Log-loss by week")
    axes.legend(frameon=False, fontsize=8, ncols=4)


def _happened(axes: Any, events: pd.DataFrame) -> None:
    kinds = [kind for kind in MARKED if (events["kind"] == kind).any()]
    for place, kind in enumerate(kinds):
        colour, mark = MARKED[kind]
        at = events.loc[events["kind"] == kind, "at"]
        axes.plot(at, [place] * len(at), mark, color=colour, markersize=6)
    axes.set_yticks(range(len(kinds)), kinds, fontsize=8)
    axes.set(title="What happened")


def _page(
    plan: Plan,
    settled: pd.DataFrame,
    events: pd.DataFrame,
    champions: pd.DataFrame,
    steps: pd.DataFrame,
) -> str:
    picture = b64encode(figure(settled, events, steps)).decode()
    counts = events["kind"].value_counts().rename_axis("kind").reset_index(name="times")
    told = [
        f"{len(settled):,} matches of {plan.first} to {plan.last} are over that were predicted before "
        "they began; no other prediction counts.",
        f"History from {plan.since}; a tick every {plan.step}; file {plan.file}.",
        f"{int(steps['runs'].sum()) if len(steps) else 0:,} runs in {len(steps)} steps, at most "
        f"{int(steps['runs'].max()) if len(steps) else 0} in one.",
        *describe(parse_fault(text) for text in plan.faults),
    ]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in told)
    return _TEMPLATE.format(
        title=f"Replay of {plan.first} to {plan.last}",
        lines=lines,
        picture=picture,
        summary=_table(summary(settled).round(4)),
        champions=_table(champions.round(4)),
        counts=_table(counts),
        events=_table(events),
    )


def _table(frame: pd.DataFrame) -> str:
    shown = frame.copy()
    for name in shown:
        if isinstance(shown[name].dtype, pd.DatetimeTZDtype):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M")
    return shown.to_html(index=False, escape=True, border=0)


_TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 sans-serif; max-width: 1150px; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; font-size: 13px; }}
td, th {{ padding: 2px 10px 2px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>{title}</h1>
<ul>{lines}</ul>
<img alt="Log-loss saved, by week, events, runs" src="data:image/png;base64,{picture}">
<h2>Log-loss</h2>{summary}
<h2>Champions</h2>{champions}
<h2>Events</h2>{counts}
{events}
</body></html>
"""


def tables(folder: Path) -> Mapping[str, pd.DataFrame]:
    """The tables of a report."""
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
