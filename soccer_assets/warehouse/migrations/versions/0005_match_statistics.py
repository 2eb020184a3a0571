"""Match statistics

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "match_statistics",
        sa.Column(
            "match_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="as in match"
        ),
        sa.Column("home_shots", sa.SmallInteger(), nullable=True, comment="home team's shots"),
        sa.Column("away_shots", sa.SmallInteger(), nullable=True, comment="away team's shots"),
        sa.Column(
            "home_shots_on_target",
            sa.SmallInteger(),
            nullable=True,
            comment="home team's shots on target",
        ),
        sa.Column(
            "away_shots_on_target",
            sa.SmallInteger(),
            nullable=True,
            comment="away team's shots on target",
        ),
        sa.Column("home_corners", sa.SmallInteger(), nullable=True, comment="home team's corners"),
        sa.Column("away_corners", sa.SmallInteger(), nullable=True, comment="away team's corners"),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="fetch that last changed it",
        ),
        sa.CheckConstraint(
            "home_shots >= 0 AND away_shots >= 0 AND home_shots_on_target >= 0"
            " AND away_shots_on_target >= 0 AND home_corners >= 0 AND away_corners >= 0",
            name="match_statistics_possible",
        ),
        sa.CheckConstraint(
            "home_shots_on_target <= home_shots AND away_shots_on_target <= away_shots",
            name="match_statistics_on_target_are_shots",
        ),
        sa.PrimaryKeyConstraint("match_id"),
        schema="soccer",
        comment="Shots and corners where the source gives them, as it gave them last; null: it "
        "does not say.",
    )


def downgrade() -> None:
    op.drop_table("match_statistics", schema="soccer")
