"""A chain of healthy revisions after the initial one, and what people get wrong in them."""

from dataclasses import dataclass

HEAD = '''"""Revision {number}."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = depends_on = None
'''

# The models that go with the chain, appended to those of customers.
MODELS = """
    phone: Mapped[str] = mapped_column(String(30))
    language: Mapped[str | None] = mapped_column(String(5), server_default="en")


class Visit(Base):
    __tablename__ = "visits"
    __table_args__ = (CheckConstraint("minutes > 0", name="minutes_positive"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    minutes: Mapped[int]
    mood: Mapped[str] = mapped_column(Enum("sad", "fine", name="mood"))
    remark: Mapped[str | None] = mapped_column(String(100))
"""

CHAIN = {
    "0002": """
def upgrade():
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("mood", sa.Enum("sad", "fine", name="mood"), nullable=False),
        sa.Column("note", sa.String(50)),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_visits_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_visits"),
    )
    op.create_index("ix_visits_customer_id", "visits", ["customer_id"])


def downgrade():
    op.drop_table("visits")
    sa.Enum(name="mood").drop(op.get_bind(), checkfirst=True)
""",
    "0003": """
def upgrade():
    with op.batch_alter_table("customers") as batch:
        batch.add_column(sa.Column("phone", sa.String(30)))
        batch.add_column(sa.Column("language", sa.String(5), server_default="en"))
    op.create_index("ix_customers_name", "customers", ["name"])


def downgrade():
    op.drop_index("ix_customers_name", "customers")
    with op.batch_alter_table("customers") as batch:
        batch.drop_column("language")
        batch.drop_column("phone")
""",
    "0004": """
def upgrade():
    op.execute("UPDATE customers SET phone = '0' WHERE phone IS NULL")
    with op.batch_alter_table("customers") as batch:
        batch.alter_column("phone", existing_type=sa.String(30), nullable=False)


def downgrade():
    with op.batch_alter_table("customers") as batch:
        batch.alter_column("phone", existing_type=sa.String(30), nullable=True)
""",
    "0005": """
def upgrade():
    with op.batch_alter_table("visits") as batch:
        batch.alter_column(
            "note", new_column_name="remark", existing_type=sa.String(50), type_=sa.String(100)
        )
        batch.create_check_constraint(op.f("ck_visits_minutes_positive"), "minutes > 0")


def downgrade():
    with op.batch_alter_table("visits") as batch:
        batch.drop_constraint(op.f("ck_visits_minutes_positive"), type_="check")
        batch.alter_column(
            "remark", new_column_name="note", existing_type=sa.String(100), type_=sa.String(50)
        )
""",
    "0006": """
def upgrade():
    op.drop_index("ix_customers_name", "customers")
    op.execute("CREATE VIEW recent AS SELECT id FROM visits WHERE minutes > 5")


def downgrade():
    raise NotImplementedError
""",
    "0007": """
def upgrade():
    op.execute("DROP VIEW recent")
    op.execute("CREATE VIEW recent AS SELECT id FROM visits WHERE minutes > 7")


def downgrade():
    op.execute("DROP VIEW recent")
    op.execute("CREATE VIEW recent AS SELECT id FROM visits WHERE minutes > 5")
""",
}


@dataclass(frozen=True)
class Fault:
    """Text of a revision that is replaced, words of the message that has to come, and the kinds of
    database that do not know such a fault."""

    revision: str
    old: str
    new: str
    words: str
    unknown_to: tuple[str, ...] = ()


FAULTS = {
    "downgrade forgets an index": Fault(
        "0003", 'op.drop_index("ix_customers_name", "customers")\n    with', "with", "name"
    ),
    "downgrade drops the wrong constraint": Fault(
        "0003",
        'batch.drop_column("phone")',
        'batch.drop_column("phone")\n        batch.drop_constraint("uq_customers_email", "unique")',
        "uq_customers_email",
    ),
    "downgrade leaves a column": Fault(
        "0003", 'batch.drop_column("language")', "pass", "column language of table customers"
    ),
    "downgrade leaves an enum": Fault(
        "0002",
        'sa.Enum(name="mood").drop(op.get_bind(), checkfirst=True)',
        "pass",
        "type mood",
        ("sqlite", "mysql", "mariadb"),
    ),
    "downgrade fails": Fault("0002", 'op.drop_table("visits")', 'op.drop_table("visit")', "visit"),
    "downgrade restores another view": Fault("0007", "minutes > 5", "minutes > 4", "view recent"),
    "NOT NULL without a default": Fault(
        "0003",
        'sa.Column("phone", sa.String(30))',
        'sa.Column("phone", sa.String(30), nullable=False)',
        "phone",
    ),
    "NOT NULL over NULL": Fault(
        "0004",
        """op.execute("UPDATE customers SET phone = '0' WHERE phone IS NULL")\n""",
        "\n",
        "phone",
    ),
    "a table made anew without its rows": Fault(
        "0007",
        'def upgrade():\n    op.execute("DROP VIEW recent")',
        """def upgrade():
    op.execute("DROP VIEW recent")
    copy = sa.Table("invoices", sa.MetaData(), autoload_with=op.get_bind())
    copy.drop(op.get_bind())
    copy.create(op.get_bind())""",
        "0007 loses rows of ['invoices']",
    ),
    "rows deleted": Fault(
        "0004",
        "    with op.batch_alter_table",
        '    op.execute("DELETE FROM invoices")\n    with op.batch_alter_table',
        "0004 loses rows of ['invoices']",
    ),
    "second upgrade differs": Fault(
        "0003",
        "def upgrade():\n",
        """DONE = []


def upgrade():
    if not DONE:
        op.create_index("ix_once", "invoices", ["amount"])
    DONE.append(1)
""",
        "ix_once",
    ),
    "today's models in an old revision": Fault(
        "0002",
        "def upgrade():\n",
        """def upgrade():
    from my_service.models.customer import Customer
    op.get_bind().execute(sa.select(Customer)).all()
""",
        "phone",
    ),
    "two heads": Fault("0007", 'down_revision = "0006"', 'down_revision = "0005"', "head"),
    "a check that the models have otherwise": Fault(
        "0005", '"minutes > 0"', '"minutes >= 0"', "ck_visits_minutes_positive"
    ),
    "a name that the models do not know": Fault(
        "0002", '"fk_visits_customer_id_customers"', '"visitor"', "visitor"
    ),
    "an enum that the models have otherwise": Fault(
        "0002", 'sa.Enum("sad", "fine", name', 'sa.Enum("sad", "good", name', "mood", ("sqlite",)
    ),
}
