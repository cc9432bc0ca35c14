"""The table of ratings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "rating",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("like", sa.String(64)),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("value", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rating"),
    )
    op.create_index("ix_rating_sha256", "rating", ["sha256"])


def downgrade() -> None:
    op.drop_table("rating")
