"""Keys without a name."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o1", None


def upgrade() -> None:
    op.create_table("writers", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(50), unique=True),
        sa.Column("writer_id", sa.Integer, sa.ForeignKey("writers.id")),
    )


def downgrade() -> None:
    op.drop_table("books")
    op.drop_table("writers")
