"""Stable ids for teams and matches of a site that has none.

An id is a hash of what a team or a match is known by, so that it is the same on every machine and
in every run, without a registry to keep. 53 bits fit a JSON number exactly; ids of different teams
that fall together are refused.

Aliases are read from ``team_aliases.csv``: ``country, published_name, canonical_name``, with ``#``
for comments. A file of the same form adds to it and wins over it: naming a canonical name itself
(``Poland,Ruch,Ruch``) undoes an alias.
"""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

ID_BITS = 53
ALIASES = Path(__file__).with_name("team_aliases.csv")
_COLUMNS = ["country", "published_name", "canonical_name"]

NameKey = tuple[str, str]


@dataclass(frozen=True)
class Team:
    """A team, under the name it is known by here."""

    id: int
    name: str


class TeamCollision(ValueError):
    """Two teams have the same id."""


def stable_id(*parts: object, bits: int = ID_BITS) -> int:
    """A positive integer below ``2 ** bits`` from the texts of the parts (blake2b)."""
    text = "\x1f".join(map(str, parts)).encode()
    return (int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> (64 - bits)) or 1


def match_id(code: str, season: int, home_id: int, away_id: int, meeting: int) -> int:
    """The id of the ``meeting``-th match (from 1) of two teams at one's ground in a season.

    It knows no date, so that a match that is moved stays the same match.
    """
    return stable_id("match", code, season, home_id, away_id, meeting)


def name_key(name: str) -> str:
    """What is left of a name without case, accents and repeated spaces."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def read_aliases(path: Path) -> dict[NameKey, str]:
    """The aliases of a file, by country and key of the published name.

    Raises:
        ValueError: the file is not of the form above; names the file and the line.
    """
    aliases: dict[NameKey, str] = {}
    with path.open(newline="", encoding="utf-8-sig") as lines:
        header: list[str] | None = None
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            cells = [cell.strip() for cell in next(csv.reader([line]))]
            if header is None:
                header = cells
                if header != _COLUMNS:
                    raise ValueError(f"{path} line {number}: the columns are {', '.join(_COLUMNS)}")
                continue
            if len(cells) != 3 or not all(cells):
                raise ValueError(f"{path} line {number}: needs {', '.join(_COLUMNS)}")
            country, published, canonical = cells
            key = (country, name_key(published))
            if aliases.setdefault(key, canonical) != canonical:
                raise ValueError(f"{path} line {number}: {published} already has another name")
    return aliases


class TeamDirectory:
    """Gives teams their names and ids.

    Args:
        aliases: a file that adds to, and wins over, the aliases of the package.
        bits: size of an id.

    Raises:
        ValueError: the file cannot be used, or aliases go round in a circle.
    """

    def __init__(self, aliases: Path | None = None, *, bits: int = ID_BITS) -> None:
        known = read_aliases(ALIASES) | (read_aliases(aliases) if aliases else {})
        self._canonical = {key: _resolve(key, known) for key in known}
        self._bits = bits
        self._teams: dict[NameKey, Team] = {}
        self._owners: dict[int, NameKey] = {}

    def team(self, country: str, published: str) -> Team:
        """The team of a country that the site calls ``published``.

        Raises:
            TeamCollision: another team has the same id.
        """
        team = self._teams.get((country, published))
        if team is None:
            team = self._register(country, " ".join(published.split()))
            self._teams[country, published] = team
        return team

    def _register(self, country: str, published: str) -> Team:
        name = self._canonical.get((country, name_key(published)), published)
        owner = (country, name_key(name))
        identity = stable_id("team", *owner, bits=self._bits)
        other = self._owners.setdefault(identity, owner)
        if other != owner:
            raise TeamCollision(f"{owner} and {other} have the same team id {identity}")
        return Team(identity, name)


def _resolve(key: NameKey, aliases: Mapping[NameKey, str]) -> str:
    country, seen = key[0], {key}
    name = aliases[key]
    while (following := (country, name_key(name))) in aliases:
        if name_key(aliases[following]) == following[1]:
            return aliases[following]
        if following in seen:
            raise ValueError(f"the aliases of {name} ({country}) go round in a circle")
        seen.add(following)
        name = aliases[following]
    return name
