"""The vocabulary of the day feed: field names and status codes, as the site spells them.

A payload is ``{"tournaments": [{<header fields>, "matches": [{<match fields>}, ...]}, ...]}``
and is fetched with ``GET {base}/livescores/data?d=YYYYMMDD&isSummary=true``.
"""

from enum import IntEnum

FEED_PATH = "/livescores/data"

HEADER_FIELDS = (
    "regionId",
    "regionName",
    "regionCode",
    "tournamentId",
    "tournamentName",
    "seasonId",
    "seasonName",
    "stageId",
    "stageName",
    "sex",
)

MATCH_FIELDS = (
    "stageId",
    "id",
    "status",
    "startTime",
    "startTimeUtc",
    "homeTeamId",
    "homeTeamName",
    "homeTeamCountryCode",
    "homeTeamCountryName",
    "homeScore",
    "homeExtratimeScore",
    "homePenaltyScore",
    "homeYellowCards",
    "homeRedCards",
    "awayTeamId",
    "awayTeamName",
    "awayTeamCountryCode",
    "awayTeamCountryName",
    "awayScore",
    "awayExtratimeScore",
    "awayPenaltyScore",
    "awayYellowCards",
    "awayRedCards",
    "period",
    "elapsed",
    "winnerField",
    "aggregateWinnerField",
    "extraResultField",
    "scoreChangedAt",
    "startedAtUtc",
    "firstHalfEndedAtUtc",
    "secondHalfStartedAtUtc",
    "incidents",
    "lastScorer",
    "bets",
    "hasIncidentsSummary",
    "hasPreview",
    "isLineupConfirmed",
    "isTopMatch",
    "isStreamAvailable",
    "matchIsOpta",
    "commentCount",
)

# Fields that the site does not have, and that a source may add to a match.
#: Its odds and statistics: a row in the columns of football-data.co.uk, column -> text.
ROW_FIELD = "footballData"
#: Statistic of a match -> its column in such a row.
STATISTICS = {
    "home_shots": "HS",
    "away_shots": "AS",
    "home_shots_on_target": "HST",
    "away_shots_on_target": "AST",
    "home_corners": "HC",
    "away_corners": "AC",
}
#: Whether it is played on neutral ground: true or false.
NEUTRAL_FIELD = "isNeutral"
OWN_FIELDS = frozenset({ROW_FIELD, NEUTRAL_FIELD})
#: Where a source that is made from several files says what it could not tell of the day:
#: ``[{"tournamentIds": [...], "fault": "..."}, ...]``.
GAPS_FIELD = "gaps"

#: What no true score is beyond, and no number of a payload.
MAX_SCORE = 99
MAX_BIGINT = 2**63 - 1

#: What each field says. Times are text as the site wrote it; the site documents none of this, so the
#: notes are this project's reading of it.
FIELD_NOTES: dict[str, str] = {
    "regionId": "country or confederation",
    "regionName": "its name",
    "regionCode": "its code, such as gb-eng",
    "tournamentId": "competition",
    "tournamentName": "its name",
    "seasonId": "edition of the competition",
    "seasonName": "its name, such as 2024/2025",
    "stageId": "stage of the edition",
    "stageName": "its name",
    "sex": "0 men, 1 women",
    "id": "match; stays the same when it is moved",
    "status": "code, see FeedStatus",
    "startTime": "kick-off, local",
    "startTimeUtc": "kick-off, UTC",
    **{
        f"{side}{name}": text
        for side, who in (("home", "home team"), ("away", "away team"))
        for name, text in (
            ("TeamId", who),
            ("TeamName", f"{who}'s name"),
            ("TeamCountryCode", f"{who}'s country"),
            ("TeamCountryName", f"{who}'s country"),
            ("Score", f"{who}'s goals after 90 minutes"),
            ("ExtratimeScore", f"{who}'s goals after extra time"),
            ("PenaltyScore", f"{who}'s goals in the shoot-out"),
            ("YellowCards", f"{who}'s yellow cards"),
            ("RedCards", f"{who}'s red cards"),
        )
    },
    "period": "0 not begun, 1 to 5 halves, extra time and shoot-out, 7 over",
    "elapsed": "minute, or HT, FT, AET, PEN, Post, Canc, Abd, Awd",
    "winnerField": "0 home, 1 away, null for a draw",
    "aggregateWinnerField": "the same over two legs",
    "extraResultField": "further remark on the result",
    "scoreChangedAt": "last change of the score, UTC",
    "startedAtUtc": "real kick-off, UTC",
    "firstHalfEndedAtUtc": "end of the first half, UTC",
    "secondHalfStartedAtUtc": "start of the second half, UTC",
    "incidents": "goals, cards and the like",
    "lastScorer": "0 home, 1 away: who scored last",
    "bets": "odds the site shows",
    "hasIncidentsSummary": "the site has a list of incidents",
    "hasPreview": "the site has a preview",
    "isLineupConfirmed": "the line-ups are confirmed",
    "isTopMatch": "the site features it",
    "isStreamAvailable": "the site knows a stream",
    "matchIsOpta": "covered by Opta",
    "commentCount": "comments on the site",
}


class FeedStatus(IntEnum):
    """Match status codes. 1 and 6 are documented; the site does not publish the others, so they
    are this project's reading of them and are used by the embedded server."""

    SCHEDULED = 1
    POSTPONED = 2
    IN_PLAY = 3
    CANCELLED = 4
    ABANDONED = 5
    FINISHED = 6
    AWARDED = 7


class Sex(IntEnum):
    """The header's ``sex``."""

    MEN = 0
    WOMEN = 1
