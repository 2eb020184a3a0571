"""The command that lists alerts."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import MANY
from soccer_assets.settings import get_settings

if TYPE_CHECKING:
    from soccer_assets.alerting.outbox import Entry

#: Characters of an alert's words in a line.
_WORDS = 160


@app.command()
def alerts(
    only_open: Annotated[bool, typer.Option("--open", help="Only what is not over.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind; can be given several times.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Only what was seen, or was over, since then (UTC).",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(help="At most so many, the newest first.", min=1, max=MANY)
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one alert a line.")] = False,
) -> None:
    """List the alerts in the outbox, the last seen first: also those that Slack has not been told."""
    from soccer_assets.alerting.kinds import Kind
    from soccer_assets.alerting.outbox import OPEN, find
    from soccer_assets.warehouse.connection import get_engine

    unknown = sorted(set(kind or ()) - set(Kind))
    if unknown:
        raise WrongUse(f"alerts: no kind {', '.join(unknown)}; there are: {', '.join(Kind)}")
    found = find(
        get_engine(get_settings()),
        kinds=[Kind(name) for name in kind or ()],
        state=OPEN if only_open else None,
        since=since.replace(tzinfo=UTC) if since else None,
        limit=limit,
    )
    for entry in found:
        if as_json:
            typer.echo(json.dumps(_as_json(entry)))
        else:
            console.print(_line(entry), highlight=False, markup=False, soft_wrap=True)
    if not found and not as_json:
        console.print("no alerts", highlight=False)


def _line(entry: "Entry") -> str:
    from soccer_assets.text import one_line, shortened

    times = (
        f" ({entry.count} times since {entry.first_seen:%Y-%m-%d %H:%M})" if entry.count > 1 else ""
    )
    untold = "" if entry.delivered_at else " [not delivered yet]"
    facts = "; ".join(f"{name}: {value}" for name, value in entry.facts.items())
    words = one_line(f"{entry.text}{'. ' if facts else ''}{facts}")
    return (
        f"{entry.last_seen:%Y-%m-%d %H:%M} {entry.severity} {entry.kind} {entry.state}"
        f"{untold}: {shortened(words, _WORDS)}{times}"
    )


def _as_json(entry: "Entry") -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in ((name, getattr(entry, name)) for name in entry.__dataclass_fields__)
    }
