"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("checked", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.UniqueConstraint("path", name="uq_source_path"),
    )
    op.create_table(
        "asset",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset"),
        sa.UniqueConstraint("path", name="uq_asset_path"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_asset_source_id"),
    )
    op.create_index("ix_asset_source_id", "asset", ["source_id"])
    op.create_index("ix_asset_sha256", "asset", ["sha256"])
    op.create_table(
        "encoded",
        sa.Column("asset_id", sa.Integer, nullable=False),
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "space", name="pk_encoded"),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_encoded_asset_id"),
    )
    op.create_index("ix_encoded_content", "encoded", ["space", "sha256"])
    op.create_table(
        "tombstone",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tombstone"),
    )
    op.create_table(
        "failure",
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("decoder", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_failure"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_failure_source_id"),
    )
    op.create_index("ix_failure_source_id", "failure", ["source_id"])
    op.create_table(
        "space",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("weights", sa.String(64), nullable=False),
        sa.Column("preprocessing", sa.Integer, nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_space"),
    )
    op.create_table(
        "reference",
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("asked_with", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("mean", sa.Float, nullable=False),
        sa.Column("deviation", sa.Float, nullable=False),
        sa.Column("queries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("space", "asked_with", "kind", name="pk_reference"),
    )


def downgrade() -> None:
    for table in ("reference", "space", "failure", "tombstone", "encoded", "asset", "source"):
        op.drop_table(table)
