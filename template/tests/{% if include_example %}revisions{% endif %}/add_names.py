"""Add columns for the parts of the customers' names: an example for test_data_migration.py."""

import sqlalchemy as sa
from alembic import op

revision = "add_names"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("given_name", sa.String(200), nullable=True))
    op.add_column("customers", sa.Column("family_name", sa.String(200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("customers") as table:
        table.drop_column("family_name")
        table.drop_column("given_name")
