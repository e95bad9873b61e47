"""Drop a check by its name, and add another."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "o2", "o1"


def upgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.drop_constraint("pages_positive", type_="check")
        books.create_check_constraint("price_low", sa.text("price < 1000"))
        books.create_unique_constraint("kinds", ["kind", "price"])


def downgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.drop_constraint("kinds", type_="unique")
        books.drop_constraint("price_low", type_="check")
        books.create_check_constraint("pages_positive", sa.text("pages > 0"))
