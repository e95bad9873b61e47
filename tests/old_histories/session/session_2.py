"""The next one looks at the table."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o2", "o1"
repeatable = True


def upgrade() -> None:
    if "title" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("books")}:
        op.add_column("books", sa.Column("title", sa.String(20)))


def downgrade() -> None:
    op.drop_column("books", "title")
