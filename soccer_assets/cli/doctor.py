"""``soccer doctor``."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from soccer_assets.cli.app import app, console
from soccer_assets.settings import SettingsError, get_settings

if TYPE_CHECKING:
    from soccer_assets.doctor.finding import Finding


@app.command()
def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document instead of lines.")
    ] = False,
) -> None:
    """Say what is wrong with this installation, in a line each; changes nothing.

    Looks at the settings, packages and disk, at the database, the lake, MLflow, the feed and Slack, and
    at whether the graph keeps itself fresh. Fails if anything is wrong.
    """
    findings = []
    for finding in _findings():
        findings.append(finding)
        if not as_json:
            mark = "[green]ok   [/]" if finding.ok else "[red]wrong[/]"
            console.print(f"{mark} {finding.name:<20}", end=" ", highlight=False)
            console.print(finding.told, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        document = {"ok": all(f.ok for f in findings), "findings": [asdict(f) for f in findings]}
        typer.echo(json.dumps(document, indent=2))
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _findings() -> "Iterator[Finding]":
    from soccer_assets.doctor import loop, machine, services
    from soccer_assets.doctor.finding import Finding, examine
    from soccer_assets.runner import open_instance

    try:
        settings = get_settings()
        _ = settings.home
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, f"SOCCER_HOME is {settings.home}")
    yield from examine(machine.looks(settings))
    at_hand = list(examine(services.looks(settings)))
    yield from at_hand
    if not at_hand[0].ok:  # Dagster keeps what it knows there, too
        return
    from soccer_assets.definitions import defs

    with ExitStack() as stack:
        instance = cache(lambda: stack.enter_context(open_instance()))
        yield from examine(loop.looks(settings, instance, defs))
