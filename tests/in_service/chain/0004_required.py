"""Drop the old name; SQLite rebuilds the parent of cascading rows."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("customers") as batch:
        batch.alter_column("first", existing_type=sa.String(100), nullable=False)
        batch.alter_column("last", existing_type=sa.String(120), type_=sa.String(120))
        batch.drop_column("name")
    op.execute("UPDATE customers SET moved = moved + 1")


def downgrade() -> None:
    with op.batch_alter_table("customers") as batch:
        batch.add_column(sa.Column("name", sa.String(200), server_default="", nullable=False))
        batch.alter_column("first", existing_type=sa.String(100), nullable=True)
        batch.alter_column("last", existing_type=sa.String(120), type_=sa.String(100))
