"""``soccer doctor``."""

import json
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from soccer_assets.cli.app import app, console

if TYPE_CHECKING:
    from soccer_assets.doctor.finding import Finding

#: The page that has a section for every line.
RUNBOOK = "docs/operations.md"


@app.command()
def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document instead of lines.")
    ] = False,
) -> None:
    """Say what is wrong with this installation, in a line each; changes nothing.

    Looks at the settings, packages and disk, at the database, the lake, MLflow, the feed and Slack,
    at whether the graph keeps itself fresh, and at what is on record. Waits for nothing longer than
    a few seconds. Fails if anything is wrong.
    """
    from soccer_assets.doctor.finding import State
    from soccer_assets.doctor.rounds import every_finding

    findings = []
    for finding in every_finding():
        findings.append(finding)
        if not as_json and finding.state is not State.UNKNOWN:
            _say(finding)
    wrong = [finding for finding in findings if finding.state is State.WRONG]
    if as_json:
        document = {"ok": not wrong, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(document, indent=2))
    else:
        _say_unknown([finding for finding in findings if finding.state is State.UNKNOWN])
        if wrong:
            line = f"{len(wrong)} of {len(findings)} wrong; what to do: {RUNBOOK}"
            console.print(line, highlight=False, markup=False)
    raise typer.Exit(1 if wrong else 0)


def _say(finding: "Finding") -> None:
    mark = "[green]ok   [/]" if finding.state == "ok" else "[red]wrong[/]"
    console.print(f"{mark} {finding.name:<18}", end=" ", highlight=False)
    console.print(finding.told, highlight=False, markup=False, soft_wrap=True)


def _say_unknown(findings: "list[Finding]") -> None:
    """Many lines that wait for the same are one."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for finding in findings:
        by_reason[finding.told].append(finding.name)
    for told, names in by_reason.items():
        line = f"?     {', '.join(names)}: {told}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
