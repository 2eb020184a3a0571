"""The first schema

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingested_day",
        sa.Column("day", sa.Date(), nullable=False, comment="day of the feed, UTC"),
        sa.Column(
            "payload_key", sa.Text(), nullable=False, comment="archived payload that is loaded"
        ),
        sa.Column(
            "fetched_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="first fetch of that payload",
        ),
        sa.Column(
            "checked_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when the source was last asked",
        ),
        sa.Column("matches", sa.Integer(), nullable=False, comment="matches in that payload"),
        sa.PrimaryKeyConstraint("day"),
        schema="soccer",
        comment="Which day feeds are loaded, and how fresh each is.",
    )
    op.create_table(
        "match",
        sa.Column(
            "match_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the source's; stays the same when a match is moved",
        ),
        sa.Column("feed_day", sa.Date(), nullable=False, comment="day feed that shows it"),
        sa.Column(
            "kickoff",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="scheduled kick-off, UTC",
        ),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="unknown, cancelled, postponed, abandoned, scheduled, in_play, awarded, finished",
        ),
        sa.Column("region_id", sa.BigInteger(), nullable=False, comment="country or confederation"),
        sa.Column("region_name", sa.Text(), nullable=False, comment="its name"),
        sa.Column("tournament_id", sa.BigInteger(), nullable=False, comment="competition"),
        sa.Column("tournament_name", sa.Text(), nullable=False, comment="its name"),
        sa.Column(
            "season_id", sa.BigInteger(), nullable=False, comment="edition of the competition"
        ),
        sa.Column("season_name", sa.Text(), nullable=True, comment="its name"),
        sa.Column("stage_id", sa.BigInteger(), nullable=False, comment="stage of the edition"),
        sa.Column("sex", sa.SmallInteger(), nullable=False, comment="0 men, 1 women"),
        sa.Column("home_team_id", sa.BigInteger(), nullable=False, comment="home team"),
        sa.Column("home_team_name", sa.Text(), nullable=False, comment="its name at the time"),
        sa.Column("away_team_id", sa.BigInteger(), nullable=False, comment="away team"),
        sa.Column("away_team_name", sa.Text(), nullable=False, comment="its name at the time"),
        sa.Column("home_score", sa.SmallInteger(), nullable=True, comment="after 90 minutes"),
        sa.Column("away_score", sa.SmallInteger(), nullable=True, comment="after 90 minutes"),
        sa.Column(
            "home_extratime_score", sa.SmallInteger(), nullable=True, comment="after extra time"
        ),
        sa.Column(
            "away_extratime_score", sa.SmallInteger(), nullable=True, comment="after extra time"
        ),
        sa.Column(
            "home_penalty_score", sa.SmallInteger(), nullable=True, comment="of the shoot-out"
        ),
        sa.Column(
            "away_penalty_score", sa.SmallInteger(), nullable=True, comment="of the shoot-out"
        ),
        sa.Column(
            "decided_in",
            sa.Text(),
            nullable=True,
            comment="of a finished match: regular_time, extra_time, penalties",
        ),
        sa.Column(
            "vanished_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="fetch since which no day feed shows it; null while one does",
        ),
        sa.Column(
            "content_hash", sa.BigInteger(), nullable=False, comment="64-bit hash of the content"
        ),
        sa.Column(
            "first_seen_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="first fetch that had it",
        ),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="fetch that last changed it",
        ),
        sa.CheckConstraint(
            "status IN ('unknown', 'cancelled', 'postponed', 'abandoned', 'scheduled', 'in_play', 'awarded', 'finished')",
            name="match_status_known",
        ),
        sa.CheckConstraint("home_score >= 0 AND away_score >= 0", name="match_scores_possible"),
        sa.PrimaryKeyConstraint("match_id"),
        schema="soccer",
        comment="Canonical matches: typed, UTC, one row a match.",
    )
    op.create_index(
        op.f("ix_soccer_match_feed_day"), "match", ["feed_day"], unique=False, schema="soccer"
    )
    op.create_index(
        op.f("ix_soccer_match_kickoff"), "match", ["kickoff"], unique=False, schema="soccer"
    )
    op.create_table(
        "match_change",
        sa.Column(
            "change_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="rises in the order of the changes",
        ),
        sa.Column("match_id", sa.BigInteger(), nullable=False, comment="as in match"),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="fetch that brought it",
        ),
        sa.Column("field", sa.Text(), nullable=False, comment="column of match"),
        sa.Column(
            "old",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="value before, JSON",
        ),
        sa.Column(
            "new",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="value from then on, JSON",
        ),
        sa.Column(
            "payload_key", sa.Text(), nullable=False, comment="archived payload that brought it"
        ),
        sa.PrimaryKeyConstraint("change_id"),
        schema="soccer",
        comment="What the feed changed its mind about: every change of a known match.",
    )
    op.create_index(
        "match_change_by_match",
        "match_change",
        ["match_id", "changed_at"],
        unique=False,
        schema="soccer",
    )
    op.create_index(
        "match_change_by_time", "match_change", ["changed_at"], unique=False, schema="soccer"
    )
    op.create_table(
        "match_odds",
        sa.Column(
            "match_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="as in match"
        ),
        sa.Column("bookmaker", sa.Text(), nullable=False, comment="as the source abbreviates it"),
        sa.Column(
            "phase", sa.Text(), nullable=False, comment="pre: before the day, closing: last ones"
        ),
        sa.Column("odds_home", sa.Double(), nullable=False, comment="decimal"),
        sa.Column("odds_draw", sa.Double(), nullable=False, comment="decimal"),
        sa.Column("odds_away", sa.Double(), nullable=False, comment="decimal"),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="fetch that last changed it",
        ),
        sa.CheckConstraint("phase IN ('pre', 'closing')", name="match_odds_phase_known"),
        sa.CheckConstraint(
            "odds_home >= 1 AND odds_draw >= 1 AND odds_away >= 1", name="match_odds_possible"
        ),
        sa.PrimaryKeyConstraint("match_id", "bookmaker", "phase"),
        schema="soccer",
        comment="1X2 odds where the source gives them: a yardstick for scores, not a feature.",
    )
    op.create_table(
        "match_raw",
        sa.Column(
            "region_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="regionId: country or confederation",
        ),
        sa.Column(
            "region_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="regionName: its name",
        ),
        sa.Column(
            "region_code",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="regionCode: its code, such as gb-eng",
        ),
        sa.Column(
            "tournament_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="tournamentId: competition",
        ),
        sa.Column(
            "tournament_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="tournamentName: its name",
        ),
        sa.Column(
            "season_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="seasonId: edition of the competition",
        ),
        sa.Column(
            "season_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="seasonName: its name, such as 2024/2025",
        ),
        sa.Column(
            "stage_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="stageId: stage of the edition",
        ),
        sa.Column(
            "stage_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="stageName: its name",
        ),
        sa.Column(
            "sex", sa.Integer(), autoincrement=False, nullable=True, comment="sex: 0 men, 1 women"
        ),
        sa.Column(
            "match_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="id: match; stays the same when it is moved",
        ),
        sa.Column(
            "status",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="status: code, see FeedStatus",
        ),
        sa.Column(
            "start_time",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="startTime: kick-off, local",
        ),
        sa.Column(
            "start_time_utc",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="startTimeUtc: kick-off, UTC",
        ),
        sa.Column(
            "home_team_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="homeTeamId: home team",
        ),
        sa.Column(
            "home_team_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="homeTeamName: home team's name",
        ),
        sa.Column(
            "home_team_country_code",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="homeTeamCountryCode: home team's country",
        ),
        sa.Column(
            "home_team_country_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="homeTeamCountryName: home team's country",
        ),
        sa.Column(
            "home_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="homeScore: home team's goals after 90 minutes",
        ),
        sa.Column(
            "home_extratime_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="homeExtratimeScore: home team's goals after extra time",
        ),
        sa.Column(
            "home_penalty_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="homePenaltyScore: home team's goals in the shoot-out",
        ),
        sa.Column(
            "home_yellow_cards",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="homeYellowCards: home team's yellow cards",
        ),
        sa.Column(
            "home_red_cards",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="homeRedCards: home team's red cards",
        ),
        sa.Column(
            "away_team_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="awayTeamId: away team",
        ),
        sa.Column(
            "away_team_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="awayTeamName: away team's name",
        ),
        sa.Column(
            "away_team_country_code",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="awayTeamCountryCode: away team's country",
        ),
        sa.Column(
            "away_team_country_name",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="awayTeamCountryName: away team's country",
        ),
        sa.Column(
            "away_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="awayScore: away team's goals after 90 minutes",
        ),
        sa.Column(
            "away_extratime_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="awayExtratimeScore: away team's goals after extra time",
        ),
        sa.Column(
            "away_penalty_score",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="awayPenaltyScore: away team's goals in the shoot-out",
        ),
        sa.Column(
            "away_yellow_cards",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="awayYellowCards: away team's yellow cards",
        ),
        sa.Column(
            "away_red_cards",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="awayRedCards: away team's red cards",
        ),
        sa.Column(
            "period",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="period: 0 not begun, 1 to 5 halves, extra time and shoot-out, 7 over",
        ),
        sa.Column(
            "elapsed",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="elapsed: minute, or HT, FT, AET, PEN, Post, Canc, Abd, Awd",
        ),
        sa.Column(
            "winner_field",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="winnerField: 0 home, 1 away, null for a draw",
        ),
        sa.Column(
            "aggregate_winner_field",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="aggregateWinnerField: the same over two legs",
        ),
        sa.Column(
            "extra_result_field",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="extraResultField: further remark on the result",
        ),
        sa.Column(
            "score_changed_at",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="scoreChangedAt: last change of the score, UTC",
        ),
        sa.Column(
            "started_at_utc",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="startedAtUtc: real kick-off, UTC",
        ),
        sa.Column(
            "first_half_ended_at_utc",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="firstHalfEndedAtUtc: end of the first half, UTC",
        ),
        sa.Column(
            "second_half_started_at_utc",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="secondHalfStartedAtUtc: start of the second half, UTC",
        ),
        sa.Column(
            "incidents",
            postgresql.JSONB(astext_type=sa.Text()),
            autoincrement=False,
            nullable=True,
            comment="incidents: goals, cards and the like",
        ),
        sa.Column(
            "last_scorer",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="lastScorer: 0 home, 1 away: who scored last",
        ),
        sa.Column(
            "bets",
            postgresql.JSONB(astext_type=sa.Text()),
            autoincrement=False,
            nullable=True,
            comment="bets: odds the site shows",
        ),
        sa.Column(
            "has_incidents_summary",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="hasIncidentsSummary: the site has a list of incidents",
        ),
        sa.Column(
            "has_preview",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="hasPreview: the site has a preview",
        ),
        sa.Column(
            "is_lineup_confirmed",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="isLineupConfirmed: the line-ups are confirmed",
        ),
        sa.Column(
            "is_top_match",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="isTopMatch: the site features it",
        ),
        sa.Column(
            "is_stream_available",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="isStreamAvailable: the site knows a stream",
        ),
        sa.Column(
            "match_is_opta",
            sa.Boolean(),
            autoincrement=False,
            nullable=True,
            comment="matchIsOpta: covered by Opta",
        ),
        sa.Column(
            "comment_count",
            sa.Integer(),
            autoincrement=False,
            nullable=True,
            comment="commentCount: comments on the site",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="fields of the feed that have no column yet",
        ),
        sa.Column("feed_day", sa.Date(), nullable=False, comment="day feed that shows it"),
        sa.Column(
            "payload_key", sa.Text(), nullable=False, comment="archived payload it was read from"
        ),
        sa.Column(
            "content_hash", sa.BigInteger(), nullable=False, comment="64-bit hash of the content"
        ),
        sa.Column(
            "first_seen_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="first fetch that had it",
        ),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="fetch that last changed it",
        ),
        sa.PrimaryKeyConstraint("match_id"),
        schema="soccer",
        comment="Every field of the livescores feed, verbatim; one row a match.",
    )
    op.create_index(
        op.f("ix_soccer_match_raw_feed_day"),
        "match_raw",
        ["feed_day"],
        unique=False,
        schema="soccer",
    )
    op.create_table(
        "match_raw_shadow",
        sa.Column("region_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("region_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("region_code", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("tournament_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("tournament_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("season_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("season_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("stage_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("sex", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("match_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("start_time", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("start_time_utc", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("home_team_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("home_team_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("home_team_country_code", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("home_team_country_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("home_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("home_extratime_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("home_penalty_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("home_yellow_cards", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("home_red_cards", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("away_team_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("away_team_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("away_team_country_code", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("away_team_country_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("away_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("away_extratime_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("away_penalty_score", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("away_yellow_cards", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("away_red_cards", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("period", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("elapsed", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("winner_field", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("aggregate_winner_field", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("extra_result_field", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("score_changed_at", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("started_at_utc", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("first_half_ended_at_utc", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("second_half_started_at_utc", sa.Text(), autoincrement=False, nullable=True),
        sa.Column(
            "incidents", postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=True
        ),
        sa.Column("last_scorer", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column(
            "bets", postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=True
        ),
        sa.Column("has_incidents_summary", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("has_preview", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("is_lineup_confirmed", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("is_top_match", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("is_stream_available", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("match_is_opta", sa.Boolean(), autoincrement=False, nullable=True),
        sa.Column("comment_count", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column(
            "extra", postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=True
        ),
        sa.Column("feed_day", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("payload_key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "first_seen_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "changed_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("match_id", "feed_day"),
        schema="soccer",
        comment="Records of matches that several day feeds show, other than those in match_raw.",
    )
    op.create_index(
        op.f("ix_soccer_match_raw_shadow_feed_day"),
        "match_raw_shadow",
        ["feed_day"],
        unique=False,
        schema="soccer",
    )
    op.create_table(
        "match_shadow",
        sa.Column("match_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("feed_day", sa.Date(), autoincrement=False, nullable=False),
        sa.Column(
            "kickoff", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column("status", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("region_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("region_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("tournament_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tournament_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("season_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("season_name", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sex", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("home_team_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("home_team_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("away_team_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("away_team_name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("home_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("away_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("home_extratime_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("away_extratime_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("home_penalty_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("away_penalty_score", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("decided_in", sa.Text(), autoincrement=False, nullable=True),
        sa.Column(
            "vanished_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column("content_hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "first_seen_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "changed_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("match_id", "feed_day"),
        schema="soccer",
        comment="Records of matches that several day feeds show, other than those in match.",
    )
    op.create_index(
        op.f("ix_soccer_match_shadow_feed_day"),
        "match_shadow",
        ["feed_day"],
        unique=False,
        schema="soccer",
    )
    op.create_table(
        "prediction",
        sa.Column(
            "match_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="as in match"
        ),
        sa.Column(
            "model_version",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="registry version of the model",
        ),
        sa.Column(
            "kickoff",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="as scheduled when it was computed, UTC",
        ),
        sa.Column(
            "p_home",
            sa.Double(),
            nullable=False,
            comment="probability of a home win after 90 minutes",
        ),
        sa.Column(
            "p_draw", sa.Double(), nullable=False, comment="probability of a draw after 90 minutes"
        ),
        sa.Column(
            "p_away",
            sa.Double(),
            nullable=False,
            comment="probability of an away win after 90 minutes",
        ),
        sa.Column(
            "features_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="newest result known to them",
        ),
        sa.Column(
            "predicted_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when it was computed last",
        ),
        sa.CheckConstraint(
            "p_home >= 0 AND p_draw >= 0 AND p_away >= 0 AND abs(p_home + p_draw + p_away - 1) < 1e-6",
            name="prediction_simplex",
        ),
        sa.PrimaryKeyConstraint("match_id", "model_version"),
        schema="soccer",
        comment="1X2 probabilities, one row a match and model version.",
    )
    op.create_index(
        op.f("ix_soccer_prediction_kickoff"),
        "prediction",
        ["kickoff"],
        unique=False,
        schema="soccer",
    )
    op.create_table(
        "served_model",
        sa.Column(
            "singleton",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="there is one row",
        ),
        sa.Column("model_name", sa.Text(), nullable=False, comment="registered model"),
        sa.Column("version", sa.Integer(), nullable=False, comment="registry version"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="tracking run that trained it"),
        sa.Column(
            "data_revision", sa.Text(), nullable=False, comment="DVC revision it was trained on"
        ),
        sa.Column(
            "promoted_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when it became the champion",
        ),
        sa.Column(
            "metrics",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="its scores on the holdout",
        ),
        sa.Column(
            "refreshed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when its predictions were written last",
        ),
        sa.CheckConstraint("singleton", name="served_model_single_row"),
        sa.PrimaryKeyConstraint("singleton"),
        schema="soccer",
        comment="The champion whose predictions are served: one row.",
    )
    op.create_table(
        "serving_feature",
        sa.Column(
            "match_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="as in match"
        ),
        sa.Column(
            "kickoff",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="as scheduled when it was computed, UTC",
        ),
        sa.Column(
            "features",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="feature name -> value (null: no history)",
        ),
        sa.Column(
            "features_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="newest result known to them",
        ),
        sa.Column(
            "data_revision", sa.Text(), nullable=False, comment="DVC revision they come from"
        ),
        sa.PrimaryKeyConstraint("match_id"),
        schema="soccer",
        comment="Features of coming and recent matches, from the function that training uses.",
    )
    op.create_index(
        op.f("ix_soccer_serving_feature_kickoff"),
        "serving_feature",
        ["kickoff"],
        unique=False,
        schema="soccer",
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_soccer_serving_feature_kickoff"), table_name="serving_feature", schema="soccer"
    )
    op.drop_table("serving_feature", schema="soccer")
    op.drop_table("served_model", schema="soccer")
    op.drop_index(op.f("ix_soccer_prediction_kickoff"), table_name="prediction", schema="soccer")
    op.drop_table("prediction", schema="soccer")
    op.drop_index(
        op.f("ix_soccer_match_shadow_feed_day"), table_name="match_shadow", schema="soccer"
    )
    op.drop_table("match_shadow", schema="soccer")
    op.drop_index(
        op.f("ix_soccer_match_raw_shadow_feed_day"), table_name="match_raw_shadow", schema="soccer"
    )
    op.drop_table("match_raw_shadow", schema="soccer")
    op.drop_index(op.f("ix_soccer_match_raw_feed_day"), table_name="match_raw", schema="soccer")
    op.drop_table("match_raw", schema="soccer")
    op.drop_table("match_odds", schema="soccer")
    op.drop_index("match_change_by_time", table_name="match_change", schema="soccer")
    op.drop_index("match_change_by_match", table_name="match_change", schema="soccer")
    op.drop_table("match_change", schema="soccer")
    op.drop_index(op.f("ix_soccer_match_kickoff"), table_name="match", schema="soccer")
    op.drop_index(op.f("ix_soccer_match_feed_day"), table_name="match", schema="soccer")
    op.drop_table("match", schema="soccer")
    op.drop_table("ingested_day", schema="soccer")
