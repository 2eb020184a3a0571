"""Features for serving stay in the lake, where those who read them do

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("serving_feature", schema="soccer")
    op.alter_column(
        "served_model",
        "data_revision",
        schema="soccer",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="data revision it was trained on",
    )


def downgrade() -> None:
    op.alter_column(
        "served_model",
        "data_revision",
        schema="soccer",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="DVC revision it was trained on",
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
