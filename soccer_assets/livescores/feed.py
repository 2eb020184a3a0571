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
