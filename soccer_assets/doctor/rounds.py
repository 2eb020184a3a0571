"""All looks, in an order in which those come first that others need."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from pydantic import SecretStr

from soccer_assets.doctor import machine, services
from soccer_assets.doctor.finding import Finding, Look, State, examine, unseen
from soccer_assets.doctor.lines import GROUPS, LINES
from soccer_assets.doctor.services import Services
from soccer_assets.doctor.workers import Workers
from soccer_assets.settings import SECRETS, Settings, SettingsError, get_settings

#: Shorter ones are parts of words, which would be told apart by what is hidden.
_SHORTEST = 3


def every_finding() -> Iterator[Finding]:
    """One finding a line, as soon as it is there, and whatever is wrong."""
    told = set()
    for finding in _findings():
        told.add(finding.name)
        yield finding
    for name in names():
        if name not in told:
            yield Finding(name, State.UNKNOWN, unseen(["settings"]))


def names() -> list[str]:
    """Names of all findings."""
    return [
        name
        for line in LINES
        for name in ([f"assets: {group}" for group in GROUPS] if line == "assets" else [line])
    ]


def _findings() -> Iterator[Finding]:
    try:
        settings = get_settings()
    except SettingsError as error:
        yield Finding("settings", State.WRONG, str(error))
        return
    hide = hiding(settings)
    known: dict[str, State] = {}

    def round_of(looks: list[Look]) -> Iterator[Finding]:
        for finding in examine(looks, known, hide):
            known[finding.name] = finding.state
            yield finding

    yield from round_of([Look("settings", lambda: machine.home(settings), patience=machine.BUSY)])
    if known["settings"] is not State.OK:
        return
    here = Services(settings)
    asked = Workers(here)
    first, second = services.looks(here)
    yield from round_of([*machine.looks(settings), *first])
    yield from round_of(second)
    with ExitStack() as stack:
        yield from _of_the_graph(here, asked, stack, known, round_of)


def _of_the_graph(
    here: Services,
    asked: Workers,
    stack: ExitStack,
    known: dict[str, State],
    round_of: Callable[[list[Look]], Iterator[Finding]],
) -> Iterator[Finding]:
    if known["database schema"] is State.OK:
        from soccer_assets.doctor import loop, records

        graph = loop.Graph(here.engine, stack)
        needs = ("parameters", *services.SCHEMA)
        yield from round_of([Look("dagster", graph.open, needs, loop.OF_DEFINITIONS)])
        yield from round_of(
            [*loop.looks(here, graph), *records.looks(here), asked.look(published=True)]
        )
        return
    # To import Dagster takes longer than all that can be said without a database.
    left = [name for name in names() if name not in {*known, "workers"}]
    yield from round_of([Look(name, str, services.SCHEMA) for name in left])
    yield from round_of([asked.look(published=False)])


def hiding(settings: Settings) -> Callable[[str], str]:
    """Takes every secret of the settings and of libraries' variables out of a text, should anything
    that was asked have repeated it."""
    values = [os.environ.get(name, "") for name in SECRETS]
    given = (getattr(settings, name) for name in type(settings).model_fields)
    values += [value.get_secret_value() for value in given if isinstance(value, SecretStr)]
    secrets = {secret for value in values for secret in _secrets_in(value)}
    ordered = sorted((one for one in secrets if len(one) >= _SHORTEST), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, "***")
        return text

    return hide


def _secrets_in(value: str) -> set[str]:
    """Of an address its login, and the password as it is and as it is written there; else the whole."""
    if "://" not in value:
        return {value}
    found = {value.partition("://")[2].rpartition("@")[0]}
    with suppress(ValueError, sa.exc.ArgumentError):
        for password in (urlsplit(value).password, sa.make_url(value).password):
            found |= {password or "", unquote(password or "")}
    return found
