"""A match as the feed shows it at a moment: what is known by then, and nothing later."""

from soccer_assets.feed.fields import NEUTRAL_FIELD, FeedStatus
from soccer_assets.feed.payload import Row, local_text, match_row, utc_text, winner
from soccer_assets.simulator.leagues.match import FINAL_WHISTLE, Kind, Match
from soccer_assets.simulator.leagues.units import DAY, HOUR

CORRECTED_AFTER = 20 * HOUR  # after the final whistle
AWARDED_AFTER = 30 * HOUR  # after the final whistle
ANNOUNCED_BEFORE = DAY  # postponements and cancellations, before kick-off


def view(match: Match, now: float, on_new_day: bool) -> Row | None:
    """The match as shown at ``now`` on its first or its new day; None if not (yet) there."""
    if now < match.known_at:
        return None
    announced = now >= match.kickoff - ANNOUNCED_BEFORE
    if match.moved_to is not None and on_new_day:
        return (
            _row(match, match.moved_to, _played(match, match.moved_to, now)) if announced else None
        )
    if announced and match.kind is Kind.POSTPONED:
        return _row(match, match.kickoff, {"status": int(FeedStatus.POSTPONED)})
    if announced and match.kind is Kind.CANCELLED:
        return _row(match, match.kickoff, {"status": int(FeedStatus.CANCELLED)})
    return _row(match, match.kickoff, _played(match, match.kickoff, now))


def _row(match: Match, kickoff: int, shown: Row) -> Row:
    fixture = {
        "stageId": match.stage.id,
        "id": match.id,
        "startTime": local_text(kickoff + match.stage.utc_offset),
        "startTimeUtc": utc_text(kickoff),
        "period": 0,
        "hasIncidentsSummary": False,
        "hasPreview": False,
        "isLineupConfirmed": False,
        "isTopMatch": match.id % 7 == 0,
        "isStreamAvailable": False,
        "matchIsOpta": False,
        "commentCount": 0,
    }
    return match_row(fixture, match.home.home, match.away.away, shown) | {NEUTRAL_FIELD: False}


def _played(match: Match, kickoff: int, now: float) -> Row:
    elapsed = now - kickoff
    if elapsed < 0:
        return {"status": int(FeedStatus.SCHEDULED)}
    minute = _match_minute(elapsed)
    if match.kind is Kind.ABANDONED and minute >= match.abandoned_minute:
        row = _running(match, kickoff, match.abandoned_minute, FeedStatus.ABANDONED)
        return row | {"elapsed": "Abd"}
    if elapsed < FINAL_WHISTLE:
        return _running(match, kickoff, minute, FeedStatus.IN_PLAY)
    return _finished(match, kickoff, elapsed - FINAL_WHISTLE)


def _running(match: Match, kickoff: int, minute: int, status: FeedStatus) -> Row:
    home, away = (sum(m <= minute for m in minutes) for minutes in match.goal_minutes)
    return {
        **_clock(kickoff, minute),
        **_last_goal(match, kickoff, minute),
        "status": int(status),
        "homeScore": home,
        "awayScore": away,
        "period": 1 if minute <= 45 else 2,
        "elapsed": f"{minute}'",
    }


def _finished(match: Match, kickoff: int, since: float) -> Row:
    """``since``: seconds after the final whistle. A wrong score or a verdict changes it later."""
    row = _clock(kickoff, 90) | _last_goal(match, kickoff, 90)
    score, status, decided, elapsed = match.score, FeedStatus.FINISHED, match.score, "FT"
    if match.kind is Kind.CORRECTED and match.misreported is not None:
        if since < CORRECTED_AFTER:
            score = decided = match.misreported
        else:
            row["scoreChangedAt"] = _changed_text(kickoff + FINAL_WHISTLE + CORRECTED_AFTER)
    if match.kind is Kind.AWARDED and since >= AWARDED_AFTER:
        score = decided = match.award
        status, elapsed = FeedStatus.AWARDED, "Awd"
        row["scoreChangedAt"] = _changed_text(kickoff + FINAL_WHISTLE + AWARDED_AFTER)
    if match.extra_time is not None:
        row["homeExtratimeScore"], row["awayExtratimeScore"] = decided = match.extra_time
        elapsed = "AET"
    if match.penalties is not None:
        row["homePenaltyScore"], row["awayPenaltyScore"] = decided = match.penalties
        elapsed = "PEN"
    row |= {
        "status": int(status),
        "homeScore": score[0],
        "awayScore": score[1],
        "homeYellowCards": match.cards[0],
        "awayYellowCards": match.cards[1],
        "homeRedCards": match.cards[2],
        "awayRedCards": match.cards[3],
        "period": 7,
        "elapsed": elapsed,
        "winnerField": winner(*decided),
        "hasIncidentsSummary": True,
        "commentCount": match.id % 23,
    }
    return row


def _clock(kickoff: int, minute: int) -> Row:
    return {
        "startedAtUtc": utc_text(kickoff),
        "firstHalfEndedAtUtc": utc_text(kickoff + 47 * 60) if minute > 45 else None,
        "secondHalfStartedAtUtc": utc_text(kickoff + 62 * 60) if minute > 45 else None,
        "isLineupConfirmed": True,
    }


def _last_goal(match: Match, kickoff: int, minute: int) -> Row:
    goals = [(m, side) for side in (0, 1) for m in match.goal_minutes[side] if m <= minute]
    if not goals:
        return {}
    last, side = max(goals)
    return {"lastScorer": side, "scoreChangedAt": _changed_text(kickoff + _real_seconds(last))}


def _match_minute(elapsed: float) -> int:
    """The match clock: 45 minutes, a break of 17 with stoppage time, 45 minutes."""
    minute = int(elapsed // 60)
    if minute <= 45:
        return minute
    return min(90, max(45, minute - 17))


def _real_seconds(minute: int) -> int:
    """The first second since kick-off at which the match clock shows ``minute``."""
    return 60 * (minute if minute <= 45 else minute + 17)


def _changed_text(seconds: int) -> str:
    return utc_text(seconds).replace("T", " ")
