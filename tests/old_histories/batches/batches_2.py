"""Drop keys by the names that a batch of SQLite gives them."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o2", "o1"

NAMES = {
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    with op.batch_alter_table("books", naming_convention=NAMES) as books:
        books.drop_constraint("fk_books_writer_id_writers", type_="foreignkey")
        books.drop_constraint("uq_books_title", type_="unique")
        books.add_column(sa.Column("pages", sa.Integer))


def downgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.drop_column("pages")
