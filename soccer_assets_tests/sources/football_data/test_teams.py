"""Ids of teams and matches, and the aliases of teams."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.sources.football_data.leagues import LEAGUES
from soccer_assets.sources.football_data.teams import (
    ALIASES,
    TeamCollision,
    TeamDirectory,
    match_id,
    name_key,
    read_aliases,
    stable_id,
)

HEADER = "country,published_name,canonical_name\n"
names = st.text(min_size=1, max_size=30).filter(lambda name: name_key(name) != "")


def aliases(folder: Path, *lines: str) -> Path:
    path = folder / "aliases.csv"
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_ids_are_the_same_on_every_machine() -> None:
    assert TeamDirectory().team("England", "Arsenal").id == 1868438122136548
    assert match_id("E0", 2024, 1, 2, 1) == 2855606544553720


@given(names, names)
def test_an_id_is_a_positive_number_that_json_holds_exactly(country: str, name: str) -> None:
    team = TeamDirectory().team(country, name)
    assert 0 < team.id < 2**53
    assert team == TeamDirectory().team(country, name)


def test_names_are_compared_without_case_accents_and_spaces() -> None:
    teams = TeamDirectory()
    for one, other in [
        ("M'Gladbach", "M'gladbach"),
        ("Preußen Münster", "Preussen  Munster "),
        ("Colon Santa FE", "Colon Santa Fe"),
        ("Atlético", "Atle\u0301tico"),
    ]:
        assert teams.team("Somewhere", one).id == teams.team("Somewhere", other).id
    assert teams.team("Germany", "FC Koln").id != teams.team("Germany", "F Koln").id


def test_teams_of_two_countries_are_two_teams() -> None:
    teams = TeamDirectory()
    assert teams.team("England", "Arsenal").id != teams.team("Russia", "Arsenal").id


def test_an_alias_is_the_team_it_stands_for() -> None:
    teams = TeamDirectory()
    assert teams.team("Spain", "Atl. Madrid") == teams.team("Spain", "Ath Madrid")
    assert teams.team("Spain", "Atl. Madrid").name == "Ath Madrid"
    assert teams.team("Mexico", "Atl. Madrid").name == "Atl. Madrid"


def test_the_aliases_of_the_package_are_of_its_countries_and_lead_to_a_name() -> None:
    known = read_aliases(ALIASES)
    assert len(known) > 50
    assert {country for country, _ in known} <= {league.country for league in LEAGUES}
    for (country, key), canonical in known.items():
        assert name_key(canonical) != key
        assert (country, name_key(canonical)) not in known


def test_a_file_of_ones_own_adds_wins_and_undoes(tmp_path: Path) -> None:
    teams = TeamDirectory(
        aliases(
            tmp_path,
            "# ours",
            "Spain,Atl. Madrid,Rojiblancos",
            "Poland,Ruch,Ruch",
            '"England","Hotspur, Tottenham",Tottenham',
        )
    )
    assert teams.team("Spain", "Atl. Madrid").name == "Rojiblancos"
    assert teams.team("Poland", "Ruch").id != teams.team("Poland", "Ruch Chorzow").id
    assert teams.team("England", "Hotspur, Tottenham") == teams.team("England", "Tottenham")
    assert teams.team("Greece", "OFI").name == "OFI Crete"


def test_aliases_of_aliases_lead_to_the_last(tmp_path: Path) -> None:
    teams = TeamDirectory(aliases(tmp_path, "Spain,Ath Madrid,Atletico", "Spain,A,Atl. Madrid"))
    assert {teams.team("Spain", name).name for name in ("A", "Atl. Madrid", "Ath Madrid")} == {
        "Atletico"
    }


def test_a_circle_of_aliases_is_refused(tmp_path: Path) -> None:
    path = aliases(tmp_path, "Spain,One,Two", "Spain,Two,Three", "Spain,Three,One")
    with pytest.raises(ValueError, match="circle"):
        TeamDirectory(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nation,published_name,canonical_name\n", "line 1: the columns are"),
        (HEADER + "Spain,One\n", "line 2: needs country"),
        (HEADER + "Spain,One,\n", "line 2: needs country"),
        (HEADER + "# no\nSpain,One,Two\nSpain,ONE,Three\n", "line 4: ONE already has another name"),
    ],
)
def test_a_bad_file_of_aliases_is_named_with_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.csv {message}"):
        TeamDirectory(path)


def test_two_teams_with_one_id_are_refused() -> None:
    teams = TeamDirectory(bits=1)  # one id for all
    teams.team("England", "Arsenal")
    teams.team("England", "arsenal ")
    with pytest.raises(TeamCollision, match="same team id 1"):
        teams.team("England", "Tottenham")


@given(st.lists(st.integers(0, 2**53), min_size=2, max_size=5, unique=True))
def test_different_parts_give_different_ids(parts: list[int]) -> None:
    assert len({stable_id(*parts), stable_id(*reversed(parts))}) == 2
    assert len({stable_id(part) for part in parts}) == len(parts)
