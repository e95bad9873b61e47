"""Checks with a name, without one, and of types."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o1", None


def upgrade() -> None:
    kind = sa.Enum("ebook", "paper", name="kind", native_enum=False, create_constraint=True)
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pages", sa.Integer, sa.CheckConstraint("pages < 9999")),
        sa.Column("kind", kind),
        sa.Column("is_sold", sa.Boolean(create_constraint=True, name="sold")),
        sa.Column("price", sa.Integer),
        sa.CheckConstraint("pages > 0", name="pages_positive"),
        sa.CheckConstraint("price > 0"),
    )


def downgrade() -> None:
    op.drop_table("books")
