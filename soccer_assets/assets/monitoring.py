"""Monitoring: reports whose checks, at WARN, are what the training loop listens to."""

from datetime import timedelta

import dagster as dg

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded, table
from soccer_assets.assets.features import FINISHED
from soccer_assets.assets.registry import CHAMPION
from soccer_assets.assets.serving import PREDICTIONS, SERVING_FEATURES, features_for_serving
from soccer_assets.clock import utc_now
from soccer_assets.resources import (
    LakeResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
)
from soccer_assets.resources.mlflow import champion_training
from soccer_assets.warehouse.ledger import settled, unsettled
from soccer_assets.warehouse.serving_tables import (
    read_known_of_matches,
    read_played_days,
    read_served,
)

#: So far back the warehouse is asked what is usual: the former years, and the weeks before them.
_RHYTHM_DAYS = 400
_COMPLETE_DAYS = 365
#: Of all versions' predictions, those of so many days are scored.
_SCORED_DAYS = 365


def _report_asset(name: str, deps: list, check: str | None = None, description: str = ""):  # type: ignore[no-untyped-def]
    checks = [dg.AssetCheckSpec(check, asset=name, description=description)] if check else []
    return asset_once_possible(
        name=name,
        deps=deps,
        group_name="monitoring",
        owners=OWNERS,
        kinds={"report"},
        check_specs=checks,
    )


def _trigger(passed: bool, **metadata: object) -> dg.AssetCheckResult:
    """A failed trigger asks for a retraining; it must not fail the run that found it."""
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,  # type: ignore[arg-type]
    )


@_report_asset("feature_drift", [SERVING_FEATURES, CHAMPION])
def feature_drift(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Live features against the champion's training data: PSI, Wasserstein distance, gaps. To be
    looked at: it asks for nothing, for it sees little that matters."""
    from soccer_assets.monitoring.drift import drift_report

    thresholds = params.read().monitoring
    with registry.opened(context) as models:
        reference = champion_training(models)[1].reference()
    live = features_for_serving(context, lake)
    report = drift_report(reference, live, thresholds.drift)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.live_rows,
            "share_drifted": report.share_drifted,
            "drifted": report.drifted_features,
            "features": table(report.features.head(20).round(4)),
        },
    )


@_report_asset("prediction_scorecard", [PREDICTIONS, FINISHED])
def prediction_scorecard(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: ModelRegistryResource,
) -> dg.MaterializeResult:
    """Proper scores of the champion's settled predictions, made before kick-off, and of all versions'
    of a year beside the class prior, Elo and the odds; why the others are not settled."""
    from soccer_assets.monitoring.scorecard import score_settled

    with registry.opened(context) as models:
        version, training = champion_training(models)
        promised = training.metric("model_log_loss")
    now = utc_now()
    score = score_settled(settled(warehouse.engine, version.number))
    # The ledger grows for ever, and this is read after every result.
    year = score_settled(settled(warehouse.engine, after=now - timedelta(days=_SCORED_DAYS)))
    waiting = unsettled(warehouse.engine, now, version.number)
    overall = score.overall.as_dict() if score.overall else {}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": score.settled,
            "unsettled": len(waiting),
            "unsettled_because": waiting["why"].value_counts().to_dict(),
            "predicted_before_kickoff": score.settled + len(waiting),
            "champion_version": version.number,
            "holdout_log_loss": promised,
            **overall,
            **score.against,
            "weekly": table(score.weekly.round(4)),
            "daily": table(year.daily.tail(31).round(4)),
            "leagues": table(year.leagues.head(30).round(4)),
            "versions": table(year.versions.round(4)),
        },
    )


@_report_asset(
    "prediction_decay",
    [PREDICTIONS, FINISHED],
    "decay",
    "Settled predictions are as good as the champion promised.",
)
def prediction_decay(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """E-processes on the champion's settled predictions that were made before kick-off: against Elo,
    its promise, home wins, closing odds, and by league."""
    from soccer_assets.monitoring.decay import Promise, decay_report
    from soccer_assets.monitoring.judged import judged_frame

    with registry.opened(context) as models:
        version, training = champion_training(models)
        holdout = training.holdout()
    report = decay_report(
        settled(warehouse.engine, version.number, training.trained_until.to_pydatetime()),
        Promise.of(judged_frame(holdout)),
        params.read().monitoring.decay,
    )
    rung = report.tests[report.tests["rung"]]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.settled,
            "champion_version": version.number,
            "largest_e_value": float(report.tests["e_value"].max()),
            "tests": table(report.tests.round(4)),
        },
        check_results=[
            _trigger(
                report.holds,
                champion_version=version.number,
                tests=report.rung,
                settled=report.settled,
                alarms=table(rung.round(4)),
                e_value=float(report.tests["e_value"].max()),
                since=str(rung["since"].min()) if len(rung) else "",
            )
        ],
    )


@_report_asset(
    "prediction_shift",
    [PREDICTIONS],
    "shift",
    "What comes in is of the world that the champion learnt from.",
)
def prediction_shift(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """What is predicted by group of leagues against the judged matches; leagues that fell silent; too
    few matches; matches without odds, score or kick-off; a frozen feed."""
    from soccer_assets.modelling.holdout import PROBABILITY_COLUMNS, system_rows
    from soccer_assets.modelling.train import MODEL
    from soccer_assets.monitoring import shift

    with registry.opened(context) as models:
        _, training = champion_training(models)
        judged = system_rows(training.holdout(), MODEL)
    limits = params.read().monitoring.shift
    now, engine = utc_now(), warehouse.engine
    window = timedelta(days=limits.window_days)
    live = read_served(engine, now)
    live = live[live["kickoff"] < now + window]
    for rows in (judged, live):
        rows["group"] = shift.groups_of(rows)
        rows["entropy"] = shift.entropy(rows[PROBABILITY_COLUMNS].to_numpy(dtype=float))
    rhythm = timedelta(days=limits.former_years * shift.YEAR_DAYS + _RHYTHM_DAYS)
    ahead = timedelta(days=limits.ahead_days + 1)
    played = read_played_days(engine, now - rhythm, now + ahead)
    calendar = shift.Calendar(played["tournament_id"], played["day"], played["matches"])
    known = read_known_of_matches(engine, now - window - timedelta(days=_COMPLETE_DAYS), now)
    is_late = known["kickoff"] >= now - window
    is_due = known["kickoff"] < now - timedelta(hours=24)
    report = shift.report_of(
        shift.shifted_means(
            judged,
            live,
            {"p_home": limits.home_margin, "entropy": limits.entropy_margin},
            limits.min_matches,
        ),
        shift.silent_leagues(calendar, now, limits),
        shift.volume(calendar, now, limits),
        shift.missing_shares(
            known[~is_late],
            known[is_late & is_due],
            ["no_odds", "no_score", "no_kickoff"],
            limits,
        ),
        shift.frozen_feed(known["kickoff"], known["is_settled"], now, limits),
    )
    rung = report.tests[report.tests["rung"]]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(live),
            "tests": table(report.tests.round(4)),
        },
        check_results=[
            _trigger(
                report.holds,
                tests=report.rung,
                matches=len(live),
                alarms=table(rung.round(4)),
                since=str(rung["since"].dropna().min()) if rung["since"].notna().any() else "",
            )
        ],
    )


@_report_asset(
    "data_volume",
    [FINISHED, CHAMPION],
    "volume",
    "Few finished matches have come in since the champion was trained.",
)
def data_volume(
    context: dg.AssetExecutionContext,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Finished matches gained since the champion's training."""
    from soccer_assets.monitoring.volume import volume_gain

    thresholds = params.read().monitoring
    with registry.opened(context) as models:
        _, training = champion_training(models)
    now = recorded(context, FINISHED, "dagster/row_count")
    gain = volume_gain(
        now, training.finished_matches, thresholds.volume_min_share, thresholds.volume_min_rows
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": gain.rows_now,
            "gained": gain.gained,
            "required": gain.required,
            "share": gain.share,
        },
        check_results=[_trigger(not gain.enough, gained=gain.gained, required=gain.required)],
    )
