"""Split the name into first and last name, row by row, and count the changes of each row."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

customers = sa.table(
    "customers", sa.column("id"), sa.column("name"), sa.column("first"), sa.column("last")
)


def upgrade() -> None:
    op.add_column("customers", sa.Column("first", sa.String(100)))
    op.add_column("customers", sa.Column("last", sa.String(100)))
    op.add_column("customers", sa.Column("moved", sa.Integer, server_default="0", nullable=False))
    connection = op.get_bind()
    for row in connection.execute(sa.select(customers.c.id, customers.c.name)).all():
        first, last = row.name.split()
        change = customers.update().where(customers.c.id == row.id)
        connection.execute(change.values(first=first, last=last))
    op.execute("UPDATE customers SET moved = moved + 1")
    op.create_table("audit", sa.Column("line", sa.String(20), primary_key=True))
    op.execute("INSERT INTO audit (line) VALUES ('names')")


def downgrade() -> None:
    op.drop_table("audit")
    with op.batch_alter_table("customers") as batch:
        batch.drop_column("moved")
        batch.drop_column("last")
        batch.drop_column("first")
