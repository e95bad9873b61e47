"""A table whose rows cascade with their customers, with rows in it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

customers = sa.table("customers", sa.column("id"), sa.column("email"), sa.column("name"))
notes = sa.table("notes", sa.column("id"), sa.column("customer_id"), sa.column("text"))


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, nullable=False),
        sa.Column("text", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_notes_customer", ondelete="CASCADE"
        ),
    )
    rows = [{"id": i, "email": f"{i}@example.com", "name": f"Ann{i} Other{i}"} for i in range(1, 9)]
    op.bulk_insert(customers, rows)
    source = sa.select(customers.c.id, customers.c.id, customers.c.email)
    op.execute(notes.insert().from_select(["id", "customer_id", "text"], source))
    op.create_index("ix_notes_customer_id", "notes", ["customer_id"])


def downgrade() -> None:
    op.drop_table("notes")
    op.execute("DELETE FROM customers")
