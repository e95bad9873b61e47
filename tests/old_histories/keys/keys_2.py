"""Drop a key by the name that the database gave it, and add others without a name."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o2", "o1"

FIRST_KEYS = {
    "postgresql": "books_editor_id_fkey",
    "mysql": "books_ibfk_1",
    "mariadb": "books_ibfk_1",
}


def upgrade() -> None:
    first_key = FIRST_KEYS.get(op.get_context().dialect.name)
    if first_key:
        op.drop_constraint(first_key, "books", type_="foreignkey")
        op.add_column("books", sa.Column("isbn", sa.String(13), unique=True))
        op.create_foreign_key(None, "books", "writers", ["editor_id"], ["id"])
        op.create_unique_constraint(None, "writers", ["name", "email"])
    op.create_index(op.f("ix_books_title"), "books", ["title"])


def downgrade() -> None:
    op.drop_index(op.f("ix_books_title"), "books")
