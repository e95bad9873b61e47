"""Drop one of them, with and without `op.f`."""

from alembic import op

revision, down_revision = "o2", "o1"


def upgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.drop_constraint(op.f("unique_books_title"), type_="unique")
        books.drop_constraint("check_books_pages", type_="check")


def downgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.create_check_constraint("check_books_pages", "pages > 0")
        books.create_unique_constraint("unique_books_title", ["title"])
