"""Keys whose names the database makes up, and an index by the convention of SQLAlchemy."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o1", None


def upgrade() -> None:
    op.create_table(
        "writers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(50), unique=True),
        sa.Column("name", sa.String(50), index=True),
    )
    op.create_table(
        "books",
        sa.Column("id", sa.Integer),
        sa.Column("title", sa.String(50)),
        sa.Column("writer_id", sa.Integer),
        sa.Column("editor_id", sa.Integer, sa.ForeignKey("writers.id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("title", "writer_id"),
        sa.ForeignKeyConstraint(["writer_id"], ["writers.id"]),
    )


def downgrade() -> None:
    op.drop_table("books")
    op.drop_table("writers")
