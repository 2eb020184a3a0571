"""The whole loop in one go: history in, a champion promoted, coming matches predicted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soccer_assets.clock import utc_now
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable
from soccer_assets.params import read_params
from soccer_assets.runner import JobFailed, Progress, run_job
from soccer_assets.settings import Settings
from soccer_assets.text import one_line, terminal
from soccer_assets.warehouse.connection import get_engine
from soccer_assets.warehouse.ingested_days import settled_days
from soccer_assets.warehouse.serving_tables import upcoming_table

if TYPE_CHECKING:
    from soccer_assets.modelling.registry import ModelRegistry

#: Systems of the scorecard, in the order they are shown.
SYSTEMS = {
    "model": "model",
    "logistic": "logistic regression",
    "elo_ordered_logit": "Elo + ordered logit",
    "class_prior": "class prior",
}
SCORES = ("n", "log_loss", "brier", "rps", "ece", "accuracy")


def run_loop(since: date, console: Console, settings: Settings) -> None:
    """From the feed to reloaded workers.

    Days that are loaded and settled, months and features that did not change, and a champion that
    exists are left as they are, so that a second run does only what time has made necessary.

    Args:
        since: first day of history.
        console: where progress goes.
        settings: those of the definitions that are run.

    Raises:
        JobFailed: a step failed.
        MlflowUnavailable: nobody knows whether there is a champion.
    """

    def progress(line: str) -> None:
        console.print(terminal(line), style="dim", highlight=False, markup=False)

    last = utc_now().date() + timedelta(days=read_params(settings.params_file).ingestion.days_ahead)
    engine = get_engine(settings)
    settled = settled_days(engine)
    open_days = [day for day in days_between(since, last) if day not in settled]
    with _phase(console, f"Feed -> archive -> PostgreSQL: {len(open_days)} days"):
        run_job(
            "ingest",
            progress,
            partitions=(str(open_days[0]), str(last)),
            config={"ingest_days": {"config": {"resume": True}}},
        )
    with _phase(console, "PostgreSQL -> lake"):
        run_job("export", progress, partitions=(f"{open_days[0]:%Y-%m}-01", f"{last:%Y-%m}-01"))
    if not _has_champion(settings, progress):
        with _phase(console, "Lake -> features -> model -> gates -> predictions -> workers"):
            left_out = run_job("retrain", progress)
        if not _has_champion(settings, progress):
            why = left_out.get("trained_model") or _last_verdict(settings)
            raise JobFailed(f"no model has earned its place yet: {why}")
    else:
        with _phase(console, "Lake -> features -> predictions -> workers (champion kept)"):
            run_job("refresh", progress)


def _has_champion(settings: Settings, progress: Progress) -> bool:
    """Whether there is one that can be used; one that cannot is told, and to be replaced."""
    registry = _registry(settings)
    version = registry.champion()
    if version is None:
        return False
    try:
        registry.load(version)
    except Unusable as fault:
        progress(f"the champion cannot be used: {fault}")
        return False
    return True


def _last_verdict(settings: Settings) -> str:
    """The unmet criteria of the newest version's last gate."""
    from soccer_assets.modelling.registry import CANDIDATE, SMOKE

    registry = _registry(settings)
    version = registry.by_alias(CANDIDATE) or registry.by_alias(SMOKE)
    verdicts = (version.verdict(gate) for gate in ("champion", "candidate")) if version else ()
    for verdict in filter(None, verdicts):
        if not verdict.passed:
            return verdict.summary()
    return "the smoke gate did not let it in"


def _registry(settings: Settings) -> "ModelRegistry":
    from soccer_assets.resources import ModelRegistryResource

    return ModelRegistryResource(settings=settings).registry


@contextmanager
def _phase(console: Console, title: str) -> Iterator[None]:
    started = time.monotonic()
    console.print(title, style="bold")
    yield
    console.print(f"done in {time.monotonic() - started:.1f} s\n", style="green", highlight=False)


def print_what_there_is(console: Console, settings: Settings) -> None:
    """The champion's scorecard and the coming matches, as far as the loop has come, if not now then
    the last time."""
    try:
        print_scorecard(console, settings)
    except (MlflowUnavailable, Unusable) as error:
        console.print(f"There is no scorecard: {error}", highlight=False, markup=False)
    print_coming_matches(console, settings)


def print_scorecard(console: Console, settings: Settings) -> None:
    """How the champion was judged, beside the baselines on the same matches, and what it is."""
    registry = _registry(settings)
    version = registry.champion()
    if version is None:
        return
    training = registry.training(version)
    table = Table(title=f"Holdout of champion version {version.number} (identical matches)")
    table.add_column("system")
    for score in SCORES:
        table.add_column(score, justify="right")
    for system, title in SYSTEMS.items():
        values = [training.metric(f"{system}_{score}") for score in SCORES]
        table.add_row(title, f"{values[0]:,.0f}", *(f"{value:.4f}" for value in values[1:]))
    console.print(table)
    console.print(
        f"The model is {training.learner or 'of an unknown kind'}, has learnt until "
        f"{training.trained_until:%Y-%m-%d %H:%M} UTC, and was judged before it had seen these matches.",
        highlight=False,
        markup=False,
    )


def print_coming_matches(console: Console, settings: Settings, limit: int = 15) -> None:
    """The next matches with their probabilities, and how old the data is."""
    coming = upcoming_table(get_engine(settings), utc_now(), limit)
    if coming.empty:
        return
    table = Table(title="Coming matches (kick-off UTC)")
    for column in ("kick-off", "league", "match"):
        table.add_column(column)
    for column in ("home", "draw", "away", "model"):
        table.add_column(column, justify="right")
    for row in coming.to_dict("records"):
        table.add_row(
            row["kickoff"],
            # As they are: a name may look like a mark of the terminal's.
            Text(one_line(row["league"])),
            Text(one_line(f"{row['home']} – {row['away']}")),
            *(f"{row[name]:.0%}" for name in ("p_home", "p_draw", "p_away")),
            f"v{row['version']}",
        )
    console.print(table)
    console.print(
        f"Newest result known to these predictions: {_data_age(settings)}", highlight=False
    )


def _data_age(settings: Settings) -> str:
    import sqlalchemy as sa

    with get_engine(settings).connect() as connection:
        newest = connection.scalar(sa.text("SELECT max(features_as_of) FROM soccer.prediction"))
    hours = (pd.Timestamp(utc_now()) - pd.Timestamp(newest)).total_seconds() / 3600
    return f"kick-off {newest:%Y-%m-%d %H:%M} UTC, {hours:.1f} hours ago"
