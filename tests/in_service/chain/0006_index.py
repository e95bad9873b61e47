"""An index on a table that is in use."""

from alembic_guardrails.op import create_index_concurrently, drop_index_concurrently

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    create_index_concurrently("ix_customers_last", "customers", ["last"])


def downgrade() -> None:
    drop_index_concurrently("ix_customers_last", "customers")
