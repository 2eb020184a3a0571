"""Promotions

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "promotion",
        sa.Column(
            "promotion_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="rises in the order of the decisions",
        ),
        sa.Column(
            "decided_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when it was recorded",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="promoted, rejected, awaiting, approved, rolled_back, moved_by_hand",
        ),
        sa.Column(
            "from_version",
            sa.Integer(),
            nullable=True,
            comment="champion before; null: there was none",
        ),
        sa.Column("from_run_id", sa.Text(), nullable=True, comment="tracking run that trained it"),
        sa.Column(
            "to_version",
            sa.Integer(),
            nullable=True,
            comment="version it is about; null: the alias was removed",
        ),
        sa.Column("to_run_id", sa.Text(), nullable=True, comment="tracking run that trained it"),
        sa.Column(
            "figures",
            postgresql.JSONB(),
            nullable=False,
            comment="what was measured, as of the gate",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, in words"),
        sa.Column(
            "who",
            sa.Text(),
            nullable=False,
            comment="user, or what in the platform decided",
        ),
        sa.Column(
            "dagster_run_id",
            sa.Text(),
            nullable=True,
            comment="run that decided; null: none did",
        ),
        sa.Column(
            "decision_id",
            sa.Text(),
            nullable=False,
            comment="of the decision: one is one row, however often it is written down",
        ),
        sa.CheckConstraint(
            "kind IN ('promoted', 'rejected', 'awaiting', 'approved', 'rolled_back',"
            " 'moved_by_hand')",
            name="promotion_kind_known",
        ),
        sa.PrimaryKeyConstraint("promotion_id"),
        sa.UniqueConstraint("decision_id"),
        schema="soccer",
        comment="Who came into office and who did not, when and why. Rows are added and never "
        "changed, which the database sees to.",
    )
    op.execute(
        """
        CREATE FUNCTION soccer.refuse_change_of_promotion() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of soccer.promotion are added and never changed'
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER promotion_is_append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON soccer.promotion
            FOR EACH STATEMENT EXECUTE FUNCTION soccer.refuse_change_of_promotion()
        """
    )


def downgrade() -> None:
    op.drop_table("promotion", schema="soccer")
    op.execute("DROP FUNCTION soccer.refuse_change_of_promotion()")
