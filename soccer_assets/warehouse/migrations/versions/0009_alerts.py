"""The outbox of alerts

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_Timestamp = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column(
            "alert_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="its number",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="see docs/alerts.md"),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="with the kind: what is the same trouble"
        ),
        sa.Column("severity", sa.Text(), nullable=False, comment="info, warning or error"),
        sa.Column("text", sa.Text(), nullable=False, comment="in words, as seen last"),
        sa.Column(
            "facts", _JSON, nullable=False, server_default="{}", comment="figures, as seen last"
        ),
        sa.Column("scope", _JSON, nullable=False, server_default="{}", comment="what closes it"),
        sa.Column("run_id", sa.Text(), comment="Dagster run that it is about, the latest"),
        sa.Column("first_seen", _Timestamp, nullable=False, comment="when it began"),
        sa.Column("last_seen", _Timestamp, nullable=False, comment="when it was seen last"),
        sa.Column(
            "count", sa.Integer(), nullable=False, server_default="1", comment="times it was seen"
        ),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="open, recovered, or event: nothing that lasts",
        ),
        sa.Column("recovered_at", _Timestamp, comment="when it was over"),
        sa.Column("recovery", sa.Text(), comment="how it ended"),
        sa.Column("channel", sa.Text(), comment="where its message is"),
        sa.Column(
            "slack_ts",
            sa.Text(),
            comment="its message, by Slack's name; null: in a digest, or a log",
        ),
        sa.Column("delivered_at", _Timestamp, comment="when it was told first; null: not yet"),
        sa.Column("told_at", _Timestamp, comment="when it was told last"),
        sa.Column("told_state", sa.Text(), comment="state as told last"),
        sa.Column("told_severity", sa.Text(), comment="severity as told last"),
        sa.Column(
            "told_count",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="count as told last",
        ),
        sa.Column("told_facts", _JSON, comment="facts as told last"),
        sa.Column(
            "tellings",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="times it was told while open",
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="times Slack refused its text",
        ),
        sa.Column(
            "claimed_until", _Timestamp, comment="somebody delivers it until then, server's time"
        ),
        sa.CheckConstraint("state IN ('open', 'recovered', 'event')", name="alert_state_known"),
        sa.CheckConstraint("severity IN ('info', 'warning', 'error')", name="alert_severity_known"),
        sa.PrimaryKeyConstraint("alert_id"),
        schema="soccer",
        comment="The outbox of alerts: what is told, how often it was seen, how much of it was told.",
    )
    op.create_index(
        "alert_same_trouble",
        "alert",
        ["kind", "key"],
        unique=True,
        schema="soccer",
        postgresql_where=sa.text("state <> 'recovered'"),
    )
    op.create_index(
        op.f("ix_soccer_alert_last_seen"), "alert", ["last_seen"], unique=False, schema="soccer"
    )


def downgrade() -> None:
    op.drop_table("alert", schema="soccer")
