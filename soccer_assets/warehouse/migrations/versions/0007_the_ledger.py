"""The ledger of predictions

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIMESTAMP = postgresql.TIMESTAMP(timezone=True)
_OUTCOMES = {"home": "a home win", "draw": "a draw", "away": "an away win"}
_TABLES = ("prediction_ledger", "prediction_ledger_day")


def upgrade() -> None:
    op.create_table(
        "prediction_ledger",
        sa.Column(
            "match_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="as in match"
        ),
        sa.Column(
            "entry_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="rises in the order of the entries",
        ),
        sa.Column(
            "model_version", sa.Integer(), nullable=False, comment="registry version of the model"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="tracking run that trained it"),
        sa.Column("data_revision", sa.Text(), comment="of the features it was made from"),
        sa.Column("made_at", _TIMESTAMP, nullable=False, comment="when it was made, UTC"),
        sa.Column("kickoff", _TIMESTAMP, nullable=False, comment="as known when it was made, UTC"),
        *(
            sa.Column(f"p_{outcome}", sa.Double(), nullable=False, comment=f"probability of {what}")
            for outcome, what in _OUTCOMES.items()
        ),
        sa.Column(
            "features_as_of", _TIMESTAMP, nullable=False, comment="newest result known to them"
        ),
        *(
            sa.Column(
                f"{system}_{outcome}", sa.Double(), comment=f"probability of {what}, by {who}"
            )
            for system, who in (
                ("elo", "Elo alone, as the version's training fitted it"),
                ("prior", "how often it was in the version's training"),
            )
            for outcome, what in _OUTCOMES.items()
        ),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of the row's text"),
        sa.CheckConstraint("made_at < kickoff", name="prediction_ledger_before_kickoff"),
        sa.CheckConstraint(
            "p_home >= 0 AND p_draw >= 0 AND p_away >= 0"
            " AND abs(p_home + p_draw + p_away - 1) < 1e-6",
            name="prediction_ledger_simplex",
        ),
        sa.PrimaryKeyConstraint("match_id", "entry_id"),
        schema="soccer",
        comment="Every prediction that was made before kick-off; rows are added and never changed.",
    )
    op.create_index(
        "prediction_ledger_by_time",
        "prediction_ledger",
        ["made_at"],
        schema="soccer",
        postgresql_using="brin",
    )
    op.create_table(
        "prediction_ledger_day",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC; nothing is added to it any more"),
        sa.Column("predictions", sa.Integer(), nullable=False, comment="rows made that day"),
        sa.Column(
            "manifest_sha256",
            sa.Text(),
            nullable=False,
            comment="of the day's manifest in the lake",
        ),
        sa.Column("closed_at", _TIMESTAMP, nullable=False, comment="when it was closed"),
        sa.PrimaryKeyConstraint("day"),
        schema="soccer",
        comment="Closed days of the ledger, each with its manifest; rows are added and never"
        " changed.",
    )
    op.execute(
        """
        CREATE FUNCTION soccer.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%.% is append-only: % is refused',
                TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON soccer.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION soccer.refuse_change()"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table, schema="soccer")
    op.execute("DROP FUNCTION soccer.refuse_change()")
