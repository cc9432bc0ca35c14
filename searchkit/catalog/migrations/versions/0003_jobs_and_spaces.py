"""The table of jobs; the columns of a space that a collection needs to go back to it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LIVE = sa.text("state IN ('waiting', 'running')")
ADDED = ("model", "images", "golden", "activated")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("space", sa.String(128), nullable=False),
        sa.Column("source_id", sa.Integer),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("decoder", sa.String(64), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("suspect", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(128)),
        sa.Column("lease", sa.Float),
        sa.Column("reason", sa.Text),
        sa.Column("ended", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_job_source_id"),
    )
    op.create_index(
        "uq_job_live",
        "job",
        ["space", "kind", "path", "size", "mtime_ns"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_index("ix_job_queue", "job", ["space", "state", "kind", "priority", "id"])
    op.create_index("ix_job_source_id", "job", ["source_id"])
    with op.batch_alter_table("space") as space:
        space.add_column(sa.Column("model", sa.Text))
        space.add_column(sa.Column("images", sa.Boolean))
        space.add_column(sa.Column("golden", sa.LargeBinary))
        space.add_column(sa.Column("activated", sa.Float))


def downgrade() -> None:
    with op.batch_alter_table("space") as space:
        for column in ADDED:
            space.drop_column(column)
    op.drop_table("job")
