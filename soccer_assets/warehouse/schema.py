"""The tables, in the schema ``soccer``."""

import re

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Date, Double, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from soccer_assets.feed.fields import FIELD_NOTES, HEADER_FIELDS, MATCH_FIELDS
from soccer_assets.feed.states import Decision, MatchState

SCHEMA = "soccer"
metadata = sa.MetaData(schema=SCHEMA)
Timestamp = TIMESTAMP(timezone=True)

#: States of a match; of the records of several days, the one with the later entry wins.
STATUSES = tuple(state.value for state in MatchState)


def snake_case(field: str) -> str:
    """``homeTeamId`` -> ``home_team_id``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()


_FLAGS = {
    "hasIncidentsSummary",
    "hasPreview",
    "isLineupConfirmed",
    "isTopMatch",
    "isStreamAvailable",
    "matchIsOpta",
}
_DOCUMENTS = {"incidents", "bets"}
_NUMBERS = {
    "sex", "status", "period", "winnerField", "aggregateWinnerField", "lastScorer", "commentCount",
    *(field for field in MATCH_FIELDS if re.search(r"(Score|Cards)$", field)),
}  # fmt: skip


def raw_type(field: str) -> type[sa.types.TypeEngine] | sa.types.TypeEngine:
    """The column type that holds a feed field verbatim (times stay text, as the feed wrote them)."""
    if field == "id" or field.endswith("Id"):
        return BigInteger
    if field in _FLAGS:
        return Boolean
    if field in _DOCUMENTS:
        return JSONB
    return Integer if field in _NUMBERS else Text


def raw_column_name(field: str) -> str:
    return "match_id" if field == "id" else snake_case(field)


#: Feed field -> column of ``match_raw``. The header's stageId and the match's are the same.
RAW_FIELDS: dict[str, str] = {
    field: raw_column_name(field) for field in dict.fromkeys((*HEADER_FIELDS, *MATCH_FIELDS))
}


#: Columns about the record itself, not about the match.
BOOKKEEPING = ("content_hash", "first_seen_at", "changed_at")


def _bookkeeping() -> list[sa.Column]:
    """BOOKKEEPING of both match tables."""
    return [
        sa.Column("content_hash", BigInteger, nullable=False, comment="64-bit hash of the content"),
        sa.Column("first_seen_at", Timestamp, nullable=False, comment="first fetch that had it"),
        sa.Column("changed_at", Timestamp, nullable=False, comment="fetch that last changed it"),
    ]


match_raw = sa.Table(
    "match_raw",
    metadata,
    *(
        sa.Column(
            name,
            raw_type(field),
            primary_key=name == "match_id",
            autoincrement=False,
            comment=f"{field}: {FIELD_NOTES[field]}",
        )
        for field, name in RAW_FIELDS.items()
    ),
    sa.Column("extra", JSONB, comment="fields of the feed that have no column yet"),
    sa.Column("feed_day", Date, nullable=False, index=True, comment="day feed that shows it"),
    sa.Column("payload_key", Text, nullable=False, comment="archived payload it was read from"),
    *_bookkeeping(),
    comment="Every field of the livescores feed, verbatim; one row a match.",
)

match = sa.Table(
    "match",
    metadata,
    sa.Column(
        "match_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="the source's; stays the same when a match is moved",
    ),
    sa.Column("feed_day", Date, nullable=False, index=True, comment="day feed that shows it"),
    sa.Column("kickoff", Timestamp, nullable=False, index=True, comment="scheduled kick-off, UTC"),
    sa.Column("status", Text, nullable=False, comment=", ".join(STATUSES)),
    sa.Column("region_id", BigInteger, nullable=False, comment="country or confederation"),
    sa.Column("region_name", Text, nullable=False, comment="its name"),
    sa.Column("tournament_id", BigInteger, nullable=False, comment="competition"),
    sa.Column("tournament_name", Text, nullable=False, comment="its name"),
    sa.Column("season_id", BigInteger, nullable=False, comment="edition of the competition"),
    sa.Column("season_name", Text, comment="its name"),
    sa.Column("stage_id", BigInteger, nullable=False, comment="stage of the edition"),
    sa.Column("sex", SmallInteger, nullable=False, comment="0 men, 1 women"),
    sa.Column("home_team_id", BigInteger, nullable=False, comment="home team"),
    sa.Column("home_team_name", Text, nullable=False, comment="its name at the time"),
    sa.Column("away_team_id", BigInteger, nullable=False, comment="away team"),
    sa.Column("away_team_name", Text, nullable=False, comment="its name at the time"),
    sa.Column("is_neutral", Boolean, comment="on neutral ground; null: the source does not say"),
    sa.Column("home_score", SmallInteger, comment="after 90 minutes"),
    sa.Column("away_score", SmallInteger, comment="after 90 minutes"),
    sa.Column("home_extratime_score", SmallInteger, comment="after extra time"),
    sa.Column("away_extratime_score", SmallInteger, comment="after extra time"),
    sa.Column("home_penalty_score", SmallInteger, comment="of the shoot-out"),
    sa.Column("away_penalty_score", SmallInteger, comment="of the shoot-out"),
    sa.Column("decided_in", Text, comment="of a finished match: " + ", ".join(Decision)),
    sa.Column(
        "vanished_at",
        Timestamp,
        comment="fetch since which no day feed shows it; null while one does",
    ),
    *_bookkeeping(),
    sa.CheckConstraint(sa.column("status").in_(STATUSES), name="match_status_known"),
    sa.CheckConstraint("home_score >= 0 AND away_score >= 0", name="match_scores_possible"),
    comment="Canonical matches: typed, UTC, one row a match.",
)


def _losing_records(table: sa.Table) -> sa.Table:
    """Where the records of a match wait that another day's record outdoes: see ``load``."""
    return sa.Table(
        f"{table.name}_shadow",
        metadata,
        *(
            sa.Column(
                column.name,
                column.type,
                primary_key=column.name in ("match_id", "feed_day"),
                autoincrement=False,
                nullable=column.nullable,
                index=column.name == "feed_day",
            )
            for column in table.columns
        ),
        comment=f"Records of matches that several day feeds show, other than those in {table.name}.",
    )


match_raw_shadow = _losing_records(match_raw)
match_shadow = _losing_records(match)

match_change = sa.Table(
    "match_change",
    metadata,
    sa.Column(
        "change_id",
        BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="rises in the order of the changes",
    ),
    sa.Column("match_id", BigInteger, nullable=False, comment="as in match"),
    sa.Column("changed_at", Timestamp, nullable=False, comment="fetch that brought it"),
    sa.Column("field", Text, nullable=False, comment="column of match"),
    sa.Column("old", JSONB, comment="value before, JSON"),
    sa.Column("new", JSONB, comment="value from then on, JSON"),
    sa.Column("payload_key", Text, nullable=False, comment="archived payload that brought it"),
    sa.Index("match_change_by_match", "match_id", "changed_at"),
    sa.Index("match_change_by_time", "changed_at"),
    comment="What the feed changed its mind about: every change of a known match.",
)

match_odds = sa.Table(
    "match_odds",
    metadata,
    sa.Column("match_id", BigInteger, primary_key=True, autoincrement=False, comment="as in match"),
    sa.Column("bookmaker", Text, primary_key=True, comment="as the source abbreviates it"),
    sa.Column("phase", Text, primary_key=True, comment="pre: before the day, closing: last ones"),
    sa.Column("odds_home", Double, nullable=False, comment="decimal"),
    sa.Column("odds_draw", Double, nullable=False, comment="decimal"),
    sa.Column("odds_away", Double, nullable=False, comment="decimal"),
    sa.Column("changed_at", Timestamp, nullable=False, comment="fetch that last changed it"),
    sa.CheckConstraint("phase IN ('pre', 'closing')", name="match_odds_phase_known"),
    sa.CheckConstraint(
        "odds_home >= 1 AND odds_draw >= 1 AND odds_away >= 1", name="match_odds_possible"
    ),
    comment="1X2 odds where the source gives them: a yardstick for scores, and of past matches a "
    "feature where that is switched on.",
)

match_statistics = sa.Table(
    "match_statistics",
    metadata,
    sa.Column("match_id", BigInteger, primary_key=True, autoincrement=False, comment="as in match"),
    *(
        sa.Column(f"{side}_{name}", SmallInteger, comment=f"{side} team's {what}")
        for name, what in (
            ("shots", "shots"),
            ("shots_on_target", "shots on target"),
            ("corners", "corners"),
        )
        for side in ("home", "away")
    ),
    sa.Column("changed_at", Timestamp, nullable=False, comment="fetch that last changed it"),
    sa.CheckConstraint(
        "home_shots >= 0 AND away_shots >= 0 AND home_shots_on_target >= 0"
        " AND away_shots_on_target >= 0 AND home_corners >= 0 AND away_corners >= 0",
        name="match_statistics_possible",
    ),
    sa.CheckConstraint(
        "home_shots_on_target <= home_shots AND away_shots_on_target <= away_shots",
        name="match_statistics_on_target_are_shots",
    ),
    comment="Shots and corners where the source gives them, as it gave them last; null: it does not "
    "say.",
)

source = sa.Table(
    "source",
    metadata,
    sa.Column(
        "singleton", Boolean, primary_key=True, server_default=sa.true(), comment="there is one row"
    ),
    sa.Column("name", Text, nullable=False, comment="LIVESCORES_NAME, or what stands for it"),
    sa.Column(
        "since", Timestamp, nullable=False, server_default=sa.func.now(), comment="when it was set"
    ),
    sa.CheckConstraint("singleton", name="source_single_row"),
    comment="Whose matches these are: a warehouse holds those of one source.",
)

ingested_day = sa.Table(
    "ingested_day",
    metadata,
    sa.Column("day", Date, primary_key=True, comment="day of the feed, UTC"),
    sa.Column("payload_key", Text, nullable=False, comment="archived payload that is loaded"),
    sa.Column("fetched_at", Timestamp, nullable=False, comment="first fetch of that payload"),
    sa.Column("checked_at", Timestamp, nullable=False, comment="when the source was last asked"),
    sa.Column("matches", Integer, nullable=False, comment="matches in that payload"),
    comment="Which day feeds are loaded, and how fresh each is.",
)

_OUTCOMES = {"home": "a home win", "draw": "a draw", "away": "an away win"}

prediction = sa.Table(
    "prediction",
    metadata,
    sa.Column("match_id", BigInteger, primary_key=True, autoincrement=False, comment="as in match"),
    sa.Column(
        "model_version",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="registry version of the model",
    ),
    sa.Column(
        "kickoff",
        Timestamp,
        nullable=False,
        index=True,
        comment="as scheduled when it was computed, UTC",
    ),
    sa.Column(
        "p_home", Double, nullable=False, comment="probability of a home win after 90 minutes"
    ),
    sa.Column("p_draw", Double, nullable=False, comment="probability of a draw after 90 minutes"),
    sa.Column(
        "p_away", Double, nullable=False, comment="probability of an away win after 90 minutes"
    ),
    sa.Column("features_as_of", Timestamp, nullable=False, comment="newest result known to them"),
    sa.Column("predicted_at", Timestamp, nullable=False, comment="when it was computed last"),
    sa.CheckConstraint(
        "p_home >= 0 AND p_draw >= 0 AND p_away >= 0 AND abs(p_home + p_draw + p_away - 1) < 1e-6",
        name="prediction_simplex",
    ),
    comment="1X2 probabilities, one row a match and model version.",
)

prediction_ledger = sa.Table(
    "prediction_ledger",
    metadata,
    sa.Column("match_id", BigInteger, primary_key=True, autoincrement=False, comment="as in match"),
    sa.Column(
        "entry_id",
        BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="rises in the order of the entries",
    ),
    sa.Column("model_version", Integer, nullable=False, comment="registry version of the model"),
    sa.Column("run_id", Text, nullable=False, comment="tracking run that trained it"),
    sa.Column("data_revision", Text, comment="of the features it was made from"),
    sa.Column("made_at", Timestamp, nullable=False, comment="when it was made, UTC"),
    sa.Column("kickoff", Timestamp, nullable=False, comment="as known when it was made, UTC"),
    *(
        sa.Column(f"p_{outcome}", Double, nullable=False, comment=f"probability of {what}")
        for outcome, what in _OUTCOMES.items()
    ),
    sa.Column("features_as_of", Timestamp, nullable=False, comment="newest result known to them"),
    *(
        sa.Column(f"{system}_{outcome}", Double, comment=f"probability of {what}, by {who}")
        for system, who in (
            ("elo", "Elo alone, as the version's training fitted it"),
            ("prior", "how often it was in the version's training"),
        )
        for outcome, what in _OUTCOMES.items()
    ),
    sa.Column("content_hash", Text, nullable=False, comment="SHA-256 of the row's text"),
    sa.CheckConstraint("made_at < kickoff", name="prediction_ledger_before_kickoff"),
    sa.CheckConstraint(
        "p_home >= 0 AND p_draw >= 0 AND p_away >= 0 AND abs(p_home + p_draw + p_away - 1) < 1e-6",
        name="prediction_ledger_simplex",
    ),
    # Rows of a day are together on the disk.
    sa.Index("prediction_ledger_by_time", "made_at", postgresql_using="brin"),
    comment="Every prediction that was made before kick-off; rows are added and never changed.",
)

prediction_ledger_day = sa.Table(
    "prediction_ledger_day",
    metadata,
    sa.Column("day", Date, primary_key=True, comment="UTC; nothing is added to it any more"),
    sa.Column("predictions", Integer, nullable=False, comment="rows made that day"),
    sa.Column("manifest_sha256", Text, nullable=False, comment="of the day's manifest in the lake"),
    sa.Column("closed_at", Timestamp, nullable=False, comment="when it was closed"),
    comment="Closed days of the ledger, each with its manifest; rows are added and never changed.",
)

served_model = sa.Table(
    "served_model",
    metadata,
    sa.Column(
        "singleton", Boolean, primary_key=True, server_default=sa.true(), comment="there is one row"
    ),
    sa.Column("model_name", Text, nullable=False, comment="registered model"),
    sa.Column("version", Integer, nullable=False, comment="registry version"),
    sa.Column("run_id", Text, nullable=False, comment="tracking run that trained it"),
    sa.Column("data_revision", Text, nullable=False, comment="data revision it was trained on"),
    sa.Column("promoted_at", Timestamp, nullable=False, comment="when it became the champion"),
    sa.Column("metrics", JSONB, nullable=False, comment="its scores on the holdout"),
    sa.Column(
        "refreshed_at", Timestamp, nullable=False, comment="when its predictions were written last"
    ),
    sa.CheckConstraint("singleton", name="served_model_single_row"),
    comment="The champion whose predictions are served: one row.",
)

#: What may become of a version of the model.
PROMOTION_KINDS = (
    "promoted", "rejected", "awaiting", "approved", "rolled_back", "moved_by_hand",
)  # fmt: skip

promotion = sa.Table(
    "promotion",
    metadata,
    sa.Column(
        "promotion_id",
        BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="rises in the order of the decisions",
    ),
    sa.Column("decided_at", Timestamp, nullable=False, comment="when it was recorded"),
    sa.Column("kind", Text, nullable=False, comment=", ".join(PROMOTION_KINDS)),
    sa.Column("from_version", Integer, comment="champion before; null: there was none"),
    sa.Column("from_run_id", Text, comment="tracking run that trained it"),
    sa.Column("to_version", Integer, comment="version it is about; null: the alias was removed"),
    sa.Column("to_run_id", Text, comment="tracking run that trained it"),
    sa.Column("figures", JSONB, nullable=False, comment="what was measured, as of the gate"),
    sa.Column("reason", Text, nullable=False, comment="why, in words"),
    sa.Column("who", Text, nullable=False, comment="user, or what in the platform decided"),
    sa.Column("dagster_run_id", Text, comment="run that decided; null: none did"),
    sa.Column(
        "decision_id",
        Text,
        nullable=False,
        unique=True,
        comment="of the decision: one is one row, however often it is written down",
    ),
    sa.CheckConstraint(sa.column("kind").in_(PROMOTION_KINDS), name="promotion_kind_known"),
    comment="Who came into office and who did not, when and why. Rows are added and never changed, "
    "which the database sees to.",
)

#: Advisory locks; any constants distinct from others would do. The first serialises bulk loads, the
#: others exports, migrations, decisions about the champion, and entries in the ledger with the closing
#: of its days.
LOCK_KEY = 0x50CCE7
EXPORT_LOCK_KEY = LOCK_KEY + 1
MIGRATION_LOCK_KEY = LOCK_KEY + 2
PROMOTION_LOCK_KEY = LOCK_KEY + 3
LEDGER_LOCK_KEY = LOCK_KEY + 4
