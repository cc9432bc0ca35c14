"""The column that counts what of an asset cannot be found."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("encoded", sa.Column("left_out", sa.Text))


def downgrade() -> None:
    op.drop_column("encoded", "left_out")
