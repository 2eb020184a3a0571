"""What odds are for

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEFORE = "1X2 odds where the source gives them: a yardstick for scores, not a feature."
SINCE = (
    "1X2 odds where the source gives them: a yardstick for scores, and of past matches a feature "
    "where that is switched on."
)


def upgrade() -> None:
    op.create_table_comment("match_odds", SINCE, existing_comment=BEFORE, schema="soccer")


def downgrade() -> None:
    op.create_table_comment("match_odds", BEFORE, existing_comment=SINCE, schema="soccer")
