"""The leagues of football-data.co.uk and the files they are published in.

Ids are this project's own, for the site has none. They are kept for ever: append, never renumber.
"""

from dataclasses import dataclass
from datetime import date, timedelta

FIXTURES = "fixtures.csv"
EXTRA_FIXTURES = "new_league_fixtures.csv"


@dataclass(frozen=True)
class League:
    """One league."""

    code: str
    """The site's ``Div``, or the name of an extra league's file."""
    country: str
    tier: int
    """1 for the top division of the country."""
    name: str
    first_season: int
    """Start year of the first season published."""
    region_id: int
    """The country's."""
    extra: bool = False
    """Published as one file of all seasons, with results and closing odds only."""
    calendar_year: bool = False
    """Seasons run within one year; of a league without any published season yet."""

    @property
    def tournament_id(self) -> int:
        return self.region_id * 10 + self.tier

    def seasons_of(self, day: date) -> tuple[int, ...]:
        """Start years of the published seasons that may have a match on the British date ``day``.

        The main leagues are cut in July. One of their seasons (2019/20) ran into August, so that
        a summer's day belongs to two. Extra leagues cut as they like; the latest match so far
        was in the second January after its season began.
        """
        if self.extra:
            candidates: tuple[int, ...] = (day.year - 2, day.year - 1, day.year)
        elif day.month in (7, 8):
            candidates = (day.year - 1, day.year)
        else:
            candidates = (day.year - (day.month < 7),)
        return tuple(year for year in candidates if year >= self.first_season)

    def season_id(self, year: int) -> int:
        """The id of the season that starts in ``year``."""
        return self.tournament_id * 10000 + year

    def file(self, year: int) -> str:
        """The path of the file with the season that starts in ``year``."""
        if self.extra:
            return f"new/{self.code}.csv"
        return f"mmz4281/{year % 100:02d}{(year + 1) % 100:02d}/{self.code}.csv"


LEAGUES = (
    League("E0", "England", 1, "Premier League", 1993, 901),
    League("E1", "England", 2, "Championship", 1993, 901),
    League("E2", "England", 3, "League One", 1993, 901),
    League("E3", "England", 4, "League Two", 1993, 901),
    League("EC", "England", 5, "National League", 2005, 901),
    League("SC0", "Scotland", 1, "Premiership", 1994, 902),
    League("SC1", "Scotland", 2, "Championship", 1994, 902),
    League("SC2", "Scotland", 3, "League One", 1997, 902),
    League("SC3", "Scotland", 4, "League Two", 1997, 902),
    League("D1", "Germany", 1, "Bundesliga", 1993, 903),
    League("D2", "Germany", 2, "2. Bundesliga", 1993, 903),
    League("I1", "Italy", 1, "Serie A", 1993, 904),
    League("I2", "Italy", 2, "Serie B", 1997, 904),
    League("SP1", "Spain", 1, "La Liga", 1993, 905),
    League("SP2", "Spain", 2, "Segunda", 1996, 905),
    League("F1", "France", 1, "Ligue 1", 1993, 906),
    League("F2", "France", 2, "Ligue 2", 1996, 906),
    League("N1", "Netherlands", 1, "Eredivisie", 1993, 907),
    League("B1", "Belgium", 1, "Pro League", 1995, 908),
    League("P1", "Portugal", 1, "Primeira Liga", 1994, 909),
    League("T1", "Turkey", 1, "Super Lig", 1994, 910),
    League("G1", "Greece", 1, "Super League", 1994, 911),
    League("ARG", "Argentina", 1, "Liga Profesional", 2012, 912, extra=True, calendar_year=True),
    League("AUT", "Austria", 1, "Bundesliga", 2012, 913, extra=True),
    League("BRA", "Brazil", 1, "Serie A", 2012, 914, extra=True, calendar_year=True),
    League("CHN", "China", 1, "Super League", 2014, 915, extra=True, calendar_year=True),
    League("DNK", "Denmark", 1, "Superliga", 2012, 916, extra=True),
    League("FIN", "Finland", 1, "Veikkausliiga", 2012, 917, extra=True, calendar_year=True),
    League("IRL", "Ireland", 1, "Premier Division", 2012, 918, extra=True, calendar_year=True),
    League("JPN", "Japan", 1, "J1 League", 2012, 919, extra=True, calendar_year=True),
    League("MEX", "Mexico", 1, "Liga MX", 2012, 920, extra=True),
    League("NOR", "Norway", 1, "Eliteserien", 2012, 921, extra=True, calendar_year=True),
    League("POL", "Poland", 1, "Ekstraklasa", 2012, 922, extra=True),
    League("ROU", "Romania", 1, "Superliga", 2012, 923, extra=True),
    League("RUS", "Russia", 1, "Premier League", 2012, 924, extra=True),
    League("SWE", "Sweden", 1, "Allsvenskan", 2012, 925, extra=True, calendar_year=True),
    League("SWZ", "Switzerland", 1, "Super League", 2012, 926, extra=True),
    League("USA", "USA", 1, "MLS", 2012, 927, extra=True, calendar_year=True),
)

MAIN_BY_DIV = {league.code: league for league in LEAGUES if not league.extra}
#: new_league_fixtures.csv has no code, and its names of leagues are not those of the files.
EXTRA_BY_COUNTRY = {league.country: league for league in LEAGUES if league.extra}


def local_days(day: date) -> tuple[date, date]:
    """The British dates on which the UTC day ``day`` may have a kick-off (UTC or UTC+1)."""
    return day, day + timedelta(days=1)
