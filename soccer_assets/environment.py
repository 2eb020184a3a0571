"""What completes the environment of the process before settings and libraries read it: ``.env``, files
with secrets in them. All of it is UTF-8, whatever the locale.
"""

import io
import os
import sys
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

import dotenv
import dotenv.parser

from soccer_assets.addresses import header_token

#: By ``difflib``: a letter or two of a name are others.
_NEAR = 0.9


class SettingsError(Exception):
    """A setting, or a file that one names, is not usable; says in one line which and why."""


def read_env_file(path: Path) -> None:
    """Complete the environment from ``.env``; what is set there stays, even if it is set to nothing.

    Raises:
        SettingsError: the file cannot be read or understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    for binding in dotenv.parser.parse_stream(io.StringIO(text)):
        if binding.error:
            raise SettingsError(f"{path}, line {binding.original.line}: not NAME=value")
    try:
        dotenv.load_dotenv(stream=io.StringIO(text))
    except ValueError:
        raise SettingsError(f"{path}: {_no_value()}") from None


def misspelt(path: Path, known: Collection[str]) -> dict[str, str]:
    """Names in ``.env`` that are nearly a known one, which may be meant -> that one."""
    given = dotenv.dotenv_values(path, interpolate=False, encoding="utf-8")
    near = {name: get_close_matches(name, known, 1, _NEAR) for name in given}
    return {name: found[0] for name, found in near.items() if found and name not in known}


def read_secret_files(names: Iterable[str]) -> None:
    """Complete the environment from files, as orchestrators hand secrets over: ``NAME_FILE`` says
    where the value of ``NAME`` is, which wins if it is set itself.

    Raises:
        SettingsError: a file cannot be read, or is empty.
    """
    for name in names:
        file = os.environ.get(f"{name}_FILE")
        if not file or os.environ.get(name):
            continue
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise SettingsError(f"{name}_FILE: {file}: {why}") from None
        if not value:
            raise SettingsError(f"{name}_FILE: {file} is empty")
        try:
            os.environ[name] = value
        except ValueError:
            raise SettingsError(f"{name}_FILE: {file}: {_no_value()}") from None


def trim(names: Iterable[str]) -> None:
    """Take blank space off the ends of what is set, for libraries and children as well: a Secret that
    was made with ``echo`` has a newline at its end, which would be of a password or a database."""
    for name in names:
        given = os.environ.get(name, "")
        if given != given.strip():
            os.environ[name] = given.strip()


def look_at_tokens(names: Iterable[str]) -> None:
    """Of libraries, which send them in headers, and show what they cannot send.

    Raises:
        SettingsError: one of them is none.
    """
    for name in names:
        if token := os.environ.get(name):
            try:
                header_token(token)
            except ValueError as error:
                raise SettingsError(f"{name}: {error}") from None


def _no_value() -> str:
    encoding = sys.getfilesystemencoding()
    return (
        f"a value that no variable can have: one with a NUL, or with letters that {encoding}, the "
        "encoding of this process, does not have (LC_ALL=C.UTF-8 has all)"
    )
