"""The report of a replay: one page that needs nothing else, and its tables as parquet."""

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa

from soccer_assets.alerting.outbox import find
from soccer_assets.files import write_atomically
from soccer_assets.replay.faults import describe, parse_fault
from soccer_assets.replay.plan import Day, Plan, read_days
from soccer_assets.replay.scores import SYSTEMS, reigns, settled_predictions
from soccer_assets.replay.timeline import DIGEST, timeline
from soccer_assets.warehouse.ledger import unsettled
from soccer_assets.warehouse.promotions import decisions
from soccer_assets.warehouse.serving_tables import read_known_of_matches

COLOURS = {"model": "C0", "elo": "C2", "prior": "0.6", "market": "C3"}
#: Kinds of events that are marked in the pictures.
MARKED = {
    "training": ("C0", "|"),
    "promotion": ("C2", "^"),
    "rejection": ("C1", "v"),
    "rollback": ("C3", "s"),
    "moved by hand": ("C4", "s"),
    "failed run": ("C3", "|"),
    "alert": ("C3", "x"),
    "warning": ("C1", "x"),
    "over": ("C2", "."),
    "fault": ("0.2", "D"),
}
FOLDER, PICTURE = "report", "season.png"
#: What is kept of an entry of the outbox.
ALERT = [
    *("kind", "key", "severity", "text", "first_seen", "last_seen", "count", "state"),
    *("recovered_at", "recovery", "delivered_at", "run_id"),
]
_ALL = 1_000_000


def write_report(
    instance: dg.DagsterInstance, engine: sa.Engine, plan: Plan, home: Path, now: datetime
) -> Path:
    """Write ``index.html`` with its tables and its picture beside it; returns its path.

    Args:
        now: by the clock of the replay.

    Raises:
        TooLate: a prediction counts that was not made before its match began.
    """
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    days = read_days(home)
    begin = datetime.combine(plan.first, time(), UTC)
    settled = settled_predictions(engine, plan.first)
    decided, outbox = decisions(engine), find(engine, limit=_ALL)
    events = timeline(instance, decided, outbox, days, begin)
    champions = reigns(decided, settled)
    steps = pd.DataFrame([vars(day) for day in days])
    tables = {
        "predictions": settled,
        "timeline": events,
        "champions": champions,
        "days": steps.drop(columns=["seconds", "faults", "open_alerts"], errors="ignore"),
        "alerts": pd.DataFrame(
            [[getattr(row, name) for name in ALERT] for row in outbox], columns=ALERT
        ),
    }
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    page = folder / "index.html"
    told = _told(plan, days, settled, _left_out(engine, settled, begin, now))
    picture = figure(settled, events, steps, champions)
    write_atomically(folder / PICTURE, picture)
    write_atomically(page, _page(plan, told, picture, settled, events, champions))
    return page


def _left_out(
    engine: sa.Engine, settled: pd.DataFrame, begin: datetime, now: datetime
) -> dict[str, int]:
    """Why matches since the beginning do not count -> how many."""
    played = read_known_of_matches(engine, begin, now)
    played = played[played["is_settled"] & ~played["no_score"]]
    waiting = unsettled(engine, now, after=begin)
    counts = {str(why): int(n) for why, n in waiting["why"].value_counts().items()}
    known = {*settled["match_id"], *waiting["match_id"]}
    return {"never predicted": int((~played["match_id"].isin(known)).sum()), **counts}


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


def figure(
    settled: pd.DataFrame, events: pd.DataFrame, steps: pd.DataFrame, champions: pd.DataFrame
) -> bytes:
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
    _mark_reigns(gained, champions)
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
    axes.set(title="Log-loss saved so far by the predictions made before kick-off")
    axes.legend(frameon=False, loc="upper left")


def _mark_reigns(axes: Any, champions: pd.DataFrame) -> None:
    for row in champions[champions["matches"] > 0].itertuples():
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


def _told(
    plan: Plan, days: Sequence[Day], settled: pd.DataFrame, left: Mapping[str, int]
) -> list[str]:
    """What can be said in a line each."""
    silent = sum(day.is_silently_wrong for day in days)
    reasons = ", ".join(f"{why} {count:,}" for why, count in left.items())
    return [
        f"{len(settled):,} matches of {plan.first} to {plan.last} are over that were predicted before "
        "they began; no other prediction counts.",
        f"Matches that do not count: {reasons}.",
        f"History from {plan.since}; a tick every {plan.step}; file {plan.file}.",
        f"The worker was wrong, and neither it nor an alert said so, after {silent} of {len(days)} "
        "steps.",
        f"{sum(day.runs for day in days):,} runs in {len(days)} steps, at most "
        f"{max((day.runs for day in days), default=0)} in one; "
        f"{sum(day.cpu_seconds for day in days):,.0f} s of CPU.",
        *describe(parse_fault(text) for text in plan.faults),
    ]


def _page(
    plan: Plan,
    told: Sequence[str],
    picture: bytes,
    settled: pd.DataFrame,
    events: pd.DataFrame,
    champions: pd.DataFrame,
) -> str:
    counts = events["kind"].value_counts().rename_axis("kind").reset_index(name="times")
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in told)
    return _TEMPLATE.format(
        title=f"Replay of {plan.first} to {plan.last}",
        lines=lines,
        picture=b64encode(picture).decode(),
        summary=_table(summary(settled).round(4)),
        champions=_table(champions.round(4)),
        counts=_table(counts),
        events=_table(events[events["kind"] != DIGEST]),
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
