"""Neutral ground

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "match",
        sa.Column(
            "is_neutral",
            sa.Boolean(),
            nullable=True,
            comment="on neutral ground; null: the source does not say",
        ),
        schema="soccer",
    )
    op.add_column("match_shadow", sa.Column("is_neutral", sa.Boolean()), schema="soccer")


def downgrade() -> None:
    op.drop_column("match_shadow", "is_neutral", schema="soccer")
    op.drop_column("match", "is_neutral", schema="soccer")
