"""Whose matches a warehouse holds

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column(
            "singleton",
            sa.Boolean(),
            server_default=sa.true(),
            nullable=False,
            comment="there is one row",
        ),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="LIVESCORES_NAME, or what stands for it"
        ),
        sa.Column(
            "since",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="when it was set",
        ),
        sa.CheckConstraint("singleton", name="source_single_row"),
        sa.PrimaryKeyConstraint("singleton"),
        schema="soccer",
        comment="Whose matches these are: a warehouse holds those of one source.",
    )


def downgrade() -> None:
    op.drop_table("source", schema="soccer")
