"""Names by a convention, as autogenerate writes them."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o1", None


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("title", sa.String(50)),
        sa.Column("pages", sa.Integer),
        sa.CheckConstraint("pages > 0", name=op.f("check_books_pages")),
        sa.PrimaryKeyConstraint("id", name=op.f("key_books")),
        sa.UniqueConstraint("title", name=op.f("unique_books_title")),
    )


def downgrade() -> None:
    op.drop_table("books")
