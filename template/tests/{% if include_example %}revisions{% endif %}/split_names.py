"""Split the customers' names: an example for test_data_migration.py, never run elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "split_names"
down_revision = "0001"
branch_labels = None
depends_on = None

customers = sa.table(
    "customers",
    sa.column("id", sa.Integer),
    sa.column("name", sa.String),
    sa.column("given_name", sa.String),
    sa.column("family_name", sa.String),
)


def upgrade() -> None:
    op.add_column("customers", sa.Column("given_name", sa.String(200), nullable=True))
    op.add_column("customers", sa.Column("family_name", sa.String(200), nullable=True))
    connection = op.get_bind()
    for id, name in connection.execute(sa.select(customers.c.id, customers.c.name)).all():
        given_name, _, family_name = name.partition(" ")
        values = {"given_name": given_name, "family_name": family_name or None}
        connection.execute(customers.update().where(customers.c.id == id).values(values))


def downgrade() -> None:
    op.drop_column("customers", "family_name")
    op.drop_column("customers", "given_name")
