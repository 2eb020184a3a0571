"""Failed checks as alerts, with what they found."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.outbox import Alert
from soccer_assets.automation.telling import Teller

#: Checks that have a kind of their own.
_KINDS = {
    "no_day_overdue": Kind.DAYS_OVERDUE,
    "parity_with_postgres": Kind.PARITY_DIFFERS,
}
#: Metadata of a check: what is off, in words, where the rest would only say it again in figures.
FIGURES = "figures"
_SEVERITIES = {
    dg.AssetCheckSeverity.WARN: Severity.WARNING,
    dg.AssetCheckSeverity.ERROR: Severity.ERROR,
}


def tell_check(teller: Teller, check: dg.AssetCheckEvaluation, run_id: str) -> None:
    """Tell a check that failed, or close it if it passed."""
    kind = _KINDS.get(check.check_name, Kind.CHECK_FAILED)
    asset = check.asset_key.to_user_string()
    key, name = f"{asset}/{check.check_name}", f"check {check.check_name} of {asset}"
    if check.passed:
        teller.over(kind, key, f"{name} passes again")
        return
    teller.tell(
        Alert(
            kind,
            key,
            f"{name} failed",
            run_id,
            severity=_SEVERITIES[check.severity],
            facts=facts_of(check.metadata),
        )
    )


def facts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Name -> value of what a check found, one for each entry of what it lists by name."""
    values = {name: value.value for name, value in metadata.items()}
    figures = values.get(FIGURES)
    if isinstance(figures, Mapping) and figures:
        return {str(name): _text(value) for name, value in figures.items()}
    facts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            facts |= {f"{name} {part}": _text(one) for part, one in value.items()}
        else:
            facts[name] = _text(value)
    return facts


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
