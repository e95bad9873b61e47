"""Rows by a session that stays open, and a table only where it is missing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

revision, down_revision = "o1", None
kept: list[Session] = []


def has_table(name: str) -> bool:
    """Whether a connection of its own, by the URL in Alembic's settings, sees a table."""
    config = op.get_context().config
    assert config
    section = config.get_section(config.config_ini_section, {})
    return sa.inspect(sa.engine_from_config(section)).has_table(name)


def upgrade() -> None:
    if has_table("books"):
        return
    books = op.create_table("books", sa.Column("id", sa.Integer, nullable=False))
    session = Session(op.get_bind())
    kept.append(session)
    session.execute(books.insert().values(id=1))
    session.commit()
    session.execute(books.insert().values(id=2))


def downgrade() -> None:
    op.drop_table("books")
