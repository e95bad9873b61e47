"""Bodies of revisions for lint: what breaks which rule on which database, and what breaks none."""

import re
from textwrap import dedent, indent

# On which databases a revision breaks which rules, and what it does.
UNSAFE = r"""
all: ban-drop-table
    op.drop_table('invoices')
all: ban-drop-column
    table.drop_column('name')
all: renaming-table
    op.rename_table('customers', 'clients')
all: renaming-column
    table.alter_column('name', new_column_name='title', existing_type=sa.String(200))
all: adding-required-field
    table.add_column(sa.Column('age', sa.Integer, nullable=False))
all: adding-not-nullable-field
    table.alter_column('phone', nullable=False, existing_type=sa.String(30))
all: disallowed-unique-constraint
    table.create_unique_constraint('uq_name', ['name'])
postgresql: require-concurrent-index-creation
    op.create_index('ix_name', 'customers', ['name'])
postgresql: require-concurrent-index-creation
mysql sqlite: disallowed-unique-constraint
    op.create_index('ix_name', 'customers', ['name'], unique=True)
all: adding-foreign-key-constraint
    table.create_foreign_key('fk', 'customers', ['payer_id'], ['id'])
all: constraint-missing-not-valid
    table.create_check_constraint('named', sa.text("name <> ''"))
all: changing-column-type
    table.alter_column('id', type_=sa.BigInteger, existing_type=sa.Integer)
all: changing-column-type
    table.alter_column('name', type_=sa.String(20), existing_type=sa.String(200))
mysql: changing-column-type
    table.alter_column('name', type_=sa.String(200), existing_type=sa.String(40))
sqlite: changing-column-type
    table.alter_column('status', type_=sa.Integer, existing_type=sa.String(40))
postgresql: adding-field-with-default
    table.add_column(sa.Column('key', sa.Uuid, server_default=sa.text('gen_random_uuid()')))
mysql: adding-field-with-default
    op.add_column('customers', sa.Column('key', sa.String(36), server_default=sa.text('(uuid())')))
sqlite: adding-field-with-default
    op.add_column('customers', sa.Column('key', sa.Integer, server_default=sa.text('(random())')))
all: adding-field-with-default
    op.add_column('customers', sa.Column('a', sa.Integer, sa.Computed('n + 1', True)))
sqlite: adding-field-with-default
    op.add_column('customers', sa.Column('a', sa.DateTime, server_default=sa.func.now()))
postgresql: adding-field-with-default
    op.add_column('customers', sa.Column('a', sa.BigInteger, sa.Identity()))
all: adding-serial-primary-key-field
    with op.batch_alter_table('visits') as visits:
        visits.create_primary_key('pk', ['number'])
all: adding-serial-primary-key-field
    with op.batch_alter_table('orders') as orders:
        orders.drop_constraint('pk_orders', type_='primary')
all: ban-drop-default
    table.alter_column('status', server_default=None, existing_type=sa.String(20))
all: changing-every-row
    op.execute('UPDATE customers SET name = upper(name)')
all: changing-every-row
    op.execute(sa.delete(sa.table('invoices')))
all: changing-every-row
    op.get_bind().execute(sa.text('DELETE FROM invoices'))
all: ban-drop-column
    for name in ('a', 'b'):
        op.drop_column('customers', name + '_old')
all: ban-drop-table
    op.execute('DROP TABLE invoices')
all: ban-drop-column
    op.execute('/* gone */ ALTER TABLE customers DROP COLUMN name')
postgresql: ban-drop-column
    op.execute('SELECT 1; ALTER TABLE customers DROP COLUMN name')
all: renaming-column
    op.execute('ALTER TABLE customers RENAME COLUMN name TO title')
all: renaming-table
    op.execute('ALTER TABLE customers RENAME TO clients')
all: adding-required-field
    op.execute('ALTER TABLE customers ADD COLUMN age INTEGER NOT NULL')
all: ban-drop-view
    op.execute('DROP VIEW debtors')
mysql sqlite: disallowed-unique-constraint
    op.execute('CREATE UNIQUE INDEX u ON customers (name)')
postgresql mysql: ban-truncate
    op.execute('TRUNCATE TABLE invoices')
postgresql: ban-lock-table
    op.execute('LOCK TABLE invoices IN EXCLUSIVE MODE')
mysql: ban-lock-table
    op.execute('LOCK TABLES invoices WRITE')
postgresql: rewriting-table
    op.execute('VACUUM FULL invoices')
mysql: ban-lock-table
    op.execute('FLUSH TABLES WITH READ LOCK')
mysql: rewriting-table
    op.execute('OPTIMIZE TABLE invoices')
mysql: rewriting-table
    op.execute('ALTER TABLE invoices PARTITION BY HASH (id) PARTITIONS 4')
mysql: index-stops-writers
    op.execute('ALTER TABLE customers ADD FULLTEXT INDEX i (name)')
mysql: index-stops-writers
    op.create_index('i', 'customers', ['name'], mysql_prefix='FULLTEXT', mariadb_prefix='FULLTEXT')
mysql: adding-field-with-default
    op.execute('ALTER TABLE invoices ADD COLUMN n INT AS (number + 1) STORED')
mysql: adding-field-with-default
    op.execute('ALTER TABLE invoices ADD COLUMN n VARCHAR(36) DEFAULT (uuid())')
mysql: rewriting-table
    op.execute('ALTER TABLE invoices ENGINE=InnoDB')
sqlite: rewriting-table
    op.execute('VACUUM')
mysql: changing-column-type
    op.execute('ALTER TABLE invoices MODIFY number BIGINT')
postgresql: changing-column-type
    op.execute('ALTER TABLE invoices ALTER COLUMN number TYPE bigint')
postgresql: adding-field-with-default
    op.execute('ALTER TABLE invoices ADD COLUMN n bigserial')
postgresql mysql: adding-foreign-key-constraint
    op.execute('ALTER TABLE invoices ADD CONSTRAINT fk FOREIGN KEY (number)'
        ' REFERENCES customers (id)')
postgresql: ban-concurrent-index-creation-in-transaction
    op.create_index('i', 'customers', ['name'], postgresql_concurrently=True)
    op.add_column('customers', sa.Column('age', sa.Integer))
postgresql: ban-concurrent-index-creation-in-transaction
    op.add_column('customers', sa.Column('age', sa.Integer))
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE mood ADD VALUE 'fine'")
postgresql: mixing-data-and-schema
    op.add_column('customers', sa.Column('age', sa.Integer))
    op.execute('UPDATE customers SET age = 1 WHERE age IS NULL')
postgresql: ban-concurrent-index-creation-in-transaction
    op.create_index('i', 'customers', ['name'], postgresql_concurrently=True)
postgresql: ban-concurrent-index-creation-in-transaction
    op.execute('CREATE INDEX CONCURRENTLY i ON customers (name)')
postgresql: mixing-data-and-schema
    op.add_column('customers', sa.Column('a', sa.Integer))
    op.add_column('customers', sa.Column('b', sa.Integer))
    bind = op.get_bind()
    for row in bind.execute(sa.text('SELECT id, name FROM customers')):
        bind.execute(sa.text('UPDATE customers SET a = 1 WHERE id = :id'), {'id': row.id})
postgresql: mixing-data-and-schema
    from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
    class Base(DeclarativeBase): pass
    class Customer(Base):
        __tablename__ = 'customers'
        id = mapped_column(sa.Integer, primary_key=True)
        name = mapped_column(sa.Text)
    op.add_column('customers', sa.Column('a', sa.Integer))
    with Session(op.get_bind()) as session:
        for customer in session.scalars(sa.select(Customer)):
            customer.name = ''
        session.commit()
postgresql: mixing-data-and-schema
    op.add_column('customers', sa.Column('a', sa.Integer))
    customers = sa.table('customers', sa.column('id'), sa.column('a'))
    change = sa.update(customers).values(a=1)
    rows = op.get_bind().execute(sa.select(customers)).all()
    for row in rows:
        op.execute(change.where(customers.c.id == row.id))
postgresql: type-outlives-downgrade
    sa.Enum('a', 'b', name='kind').create(op.get_bind())
postgresql: type-outlives-downgrade
    op.create_table('t', sa.Column('k', sa.Enum('a', 'b', name='kind')))
postgresql: type-outlives-downgrade
    op.execute("CREATE TYPE kind AS ENUM ('a')")
all: error-in-code
    op.add_column('customers', sa.Column('age', Integer))
all: error-in-code
    op.add_kolumn('customers', sa.Column('age', sa.Integer))
all: error-in-code
    import nothing_of_this_name
all: error-in-code
    op.create_table('t', sa.Column('age'))
all: unreadable
    op.get_bind().execute(sa.text('SELECT id FROM customers')).one()
postgresql: ban-concurrent-index-creation-in-transaction
    op.create_table('visits', sa.Column('id', sa.Integer, primary_key=True))
    op.create_index('i', 'customers', ['name'], postgresql_concurrently=True)
postgresql mysql: constraint-missing-not-valid
    op.execute("ALTER TABLE customers ADD CONSTRAINT named CHECK (name <> '')")
postgresql mysql: adding-serial-primary-key-field
    op.execute("ALTER TABLE visits ADD PRIMARY KEY (number)")
postgresql mysql: ban-drop-default
    op.execute("ALTER TABLE customers ALTER COLUMN status DROP DEFAULT")
postgresql mysql: disallowed-unique-constraint
    op.execute("ALTER TABLE customers ADD CONSTRAINT u UNIQUE (name)")
postgresql mysql: adding-foreign-key-constraint
    agent = sa.ForeignKey('customers.id', name='fk_agent')
    op.add_column('customers', sa.Column('agent_id', sa.Integer, agent))
all: constraint-missing-not-valid
    op.add_column('customers', sa.Column('k', sa.Boolean(create_constraint=True, name='k')))
all: adding-serial-primary-key-field
    op.add_column('customers', sa.Column('key', sa.Integer, primary_key=True))
postgresql: ban-drop-database ban-drop-function ban-drop-schema ban-set-schema
    op.execute('DROP DATABASE other')
    op.execute('DROP FUNCTION f()')
    op.execute('DROP SCHEMA s')
    op.execute('ALTER TABLE customers SET SCHEMA archive')
postgresql: renaming-object require-concurrent-reindex require-concurrent-partition-detach
    op.execute("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
    op.execute('REINDEX TABLE customers')
    op.execute('ALTER TABLE parted DETACH PARTITION old')
postgresql: ban-alter-domain-with-add-constraint
    op.execute('ALTER DOMAIN positive ADD CONSTRAINT k CHECK (value > 0)')
postgresql mysql: adding-foreign-key-constraint
    table.add_column(sa.Column('payer_id', sa.Integer))
    table.create_foreign_key('fk', 'customers', ['payer_id'], ['id'])
postgresql: disallowed-unique-constraint
    table.add_column(sa.Column('nick', sa.String(9)))
    table.create_unique_constraint('uq_nick', ['nick'])
postgresql: ban-concurrent-index-creation-in-transaction
    op.add_column('customers', sa.Column('age', sa.Integer))
    with op.get_context().autocommit_block():
        op.execute('CREATE INDEX CONCURRENTLY i ON customers (name)')
postgresql: syntax-error
    op.execute('ALTER TABLE')
all: unused-allow
    op.add_column('customers', sa.Column('age', sa.Integer))  # allow: ban-drop-column
all: unnamed-constraint
    op.create_table('visits', sa.Column('n', sa.Integer, unique=True))
all: unnamed-constraint
    op.create_table('visits', sa.Column('n', sa.Integer), sa.CheckConstraint('n > 0'))
all: unnamed-constraint
    op.create_table('visits', sa.Column('who', sa.Integer, sa.ForeignKey('customers.id')))
mysql sqlite: unnamed-constraint
    op.create_table('visits', sa.Column('b', sa.Boolean(create_constraint=True)))
sqlite: unnamed-constraint
    table.add_column(sa.Column('n', sa.Integer, sa.ForeignKey('customers.id')))
postgresql: ban-concurrent-index-creation-in-transaction
    op.drop_index('ix_customers_email', 'customers', postgresql_concurrently=True)
postgresql: ban-concurrent-index-creation-in-transaction
    op.execute('DROP INDEX CONCURRENTLY ix_customers_email')
all: ban-drop-column
    from functools import reduce
    names, old = ['a'], '_old'
    names += ['b']
    for name in names:
        whole = reduce(str.__add__, [name, old])
        op.drop_column('customers', whole)
"""
SAFE = r"""
all:
    pass
all:
    op.execute("ALTER TABLE customers ADD COLUMN said VARCHAR(99) DEFAULT 'please rename it; ok'")
all:
    op.create_table('visits', sa.Column('id', sa.Integer, primary_key=True))
    op.execute("INSERT INTO visits (id) VALUES (1)")
    op.execute("UPDATE visits SET id = 2 WHERE id = 1")
all:
    table.alter_column('name', type_=sa.Text, existing_type=sa.Text, existing_nullable=True)
mysql sqlite:
    table.alter_column('name', nullable=False, existing_nullable=False, existing_type=sa.Text)
sqlite:
    table.add_column(sa.Column('payer', sa.Integer, sa.ForeignKey('customers.id', name='fk')))
postgresql:
    op.execute("ALTER TABLE customers ADD CONSTRAINT named CHECK (id > 0) NOT VALID")
postgresql:
    op.execute("ALTER TABLE customers ADD CONSTRAINT uq UNIQUE USING INDEX ix")
all:
    files = sa.table('files', sa.column('id'), sa.column('content', sa.LargeBinary))
    op.get_bind().execute(files.insert(), [{'id': 1, 'content': b'1'}, {'id': 2, 'content': b'2'}])
all:
    table.add_column(sa.Column('phone', sa.String(30)))
all:
    table.add_column(sa.Column('kind', sa.String(9), server_default='new', nullable=False))
all:
    op.add_column('customers', sa.Column('n', sa.Integer, server_default=sa.text('0')))
postgresql mysql:
    op.add_column('customers', sa.Column('at', sa.DateTime, server_default=sa.func.now()))
sqlite:
    table.add_column(sa.Column('at', sa.DateTime, server_default=sa.func.now()))
mysql sqlite:
    op.add_column('customers', sa.Column('n', sa.Integer, sa.Computed('id + 1', False)))
all:
    made = op.create_table('visits', sa.Column('id', sa.Integer, primary_key=True),
        sa.Column('at', sa.DateTime, nullable=False),
        sa.Column('who', sa.Integer, sa.ForeignKey('customers.id', name='fk_who')),
        sa.UniqueConstraint('who', name='uq_who'),
        sa.CheckConstraint('id > 0', name='id'))
    op.create_table('notes', sa.Column('id', sa.Integer), sa.Index('ix_notes_id', 'id'))
    op.create_index('ix_visits_at', 'visits', ['at'])
    op.bulk_insert(made, [{'id': 1, 'at': None}])
    with op.batch_alter_table('visits') as batch:
        batch.create_check_constraint('late', sa.text('id > 1'))
        batch.alter_column('at', type_=sa.Date, existing_type=sa.DateTime)
        batch.create_foreign_key('fk', 'customers', ['id'], ['id'])
    op.drop_table('visits')
mysql sqlite:
    op.create_index('ix', 'customers', ['name'])
postgresql:
    with op.get_context().autocommit_block():
        op.create_index('ix', 'customers', ['name'], postgresql_concurrently=True)
postgresql:
    with op.get_context().autocommit_block():
        for left in op.get_bind().scalars(sa.text('SELECT indexrelid FROM pg_index')):
            op.drop_index(left, 'customers', postgresql_concurrently=True)
        op.create_index('ix', 'customers', ['name'], postgresql_concurrently=True,
            unique=True)
all:
    op.drop_index('ix', 'customers')
all:
    table.drop_constraint('ck', type_='check')
all:
    table.alter_column('name', type_=sa.String(250), existing_type=sa.String(200))
all:
    table.alter_column('name', type_=sa.String(60), existing_type=sa.String(20))
postgresql sqlite:
    table.alter_column('name', type_=sa.Text, existing_type=sa.String(20))
postgresql sqlite:
    table.alter_column('n', type_=sa.Numeric(14, 2), existing_type=sa.Numeric(12, 2))
mysql:
    table.alter_column('k', type_=sa.Enum('a', 'b', 'c'), existing_type=sa.Enum('a', 'b'))
all:
    table.alter_column('name', nullable=True, existing_type=sa.String(200))
all:
    table.alter_column('name', server_default='?', existing_type=sa.String(200))
postgresql:
    table.create_check_constraint('named', sa.text('id > 0'), postgresql_not_valid=True)
postgresql:
    table.create_foreign_key('fk', 'customers', ['n'], ['id'], postgresql_not_valid=True)
postgresql:
    op.execute('ALTER TABLE customers VALIDATE CONSTRAINT named')
    table.alter_column('phone', nullable=False, existing_type=sa.String(30))
sqlite:
    table.add_column(sa.Column('payer_id', sa.Integer))
    table.create_foreign_key('fk', 'customers', ['payer_id'], ['id'])
mysql sqlite:
    table.add_column(sa.Column('nick', sa.String(9)))
    table.create_unique_constraint('uq_nick', ['nick'])
all:
    bind = op.get_bind()
    customers = sa.table('customers', sa.column('id'), sa.column('name'))
    for row in bind.execute(sa.select(customers.c.id, customers.c.name)).mappings():
        op.execute(sa.update(customers).where(customers.c.id == row['id']))
    while bind.execute(sa.text('UPDATE customers SET a = 1 WHERE id < :n'), {'n': 1}).rowcount:
        pass
all:
    from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
    class Base(DeclarativeBase): pass
    class Customer(Base):
        __tablename__ = 'customers'
        id = mapped_column(sa.Integer, primary_key=True)
        name = mapped_column(sa.Text)
    with Session(op.get_bind()) as session:
        for customer in session.scalars(sa.select(Customer)):
            customer.name = ''
        session.commit()
postgresql:
    op.execute(
        'CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '
        '$$ BEGIN UPDATE customers SET n = 1; DELETE FROM invoices; RETURN new; END $$'
    )
sqlite:
    op.execute('CREATE TRIGGER t AFTER INSERT ON customers BEGIN SELECT 1; DELETE FROM x; END')
all:
    if sa.inspect(op.get_bind()).has_table('old'):
        op.drop_table('old')
postgresql:
    op.add_column('customers', sa.Column('a', sa.Integer))
    bind = op.get_bind()
    for row in bind.execute(sa.text('SELECT relname FROM pg_class')).all():
        print(row)
"""
# What revisions for a database find there. A row, because some read one.
BASE = """
    op.create_table('customers',
        sa.Column('id', sa.Integer, primary_key=True),
        sa.Column('name', sa.String(200)),
        sa.Column('email', sa.String(100), nullable=False),
        sa.Column('phone', sa.String(30)),
        sa.Column('status', sa.String(20), server_default='1'),
        sa.Column('a_old', sa.Integer),
        sa.Column('b_old', sa.Integer),
        sa.Column('payer_id', sa.Integer),
        sa.Column('nick', sa.String(9)),
        sa.Column('n', sa.Integer))
    op.create_index('ix_customers_email', 'customers', ['email'])
    op.create_table('invoices',
        sa.Column('id', sa.Integer, primary_key=True),
        sa.Column('number', sa.Integer))
    op.create_table('visits', sa.Column('number', sa.Integer, nullable=False))
    op.create_table('orders', sa.Column('number', sa.Integer, autoincrement=False),
        sa.PrimaryKeyConstraint('number', name='pk_orders'))
    op.execute('CREATE VIEW debtors AS SELECT 1 AS id')
    op.execute("INSERT INTO customers (id, name, email, phone, status)"
        " VALUES (1, 'Ada', 'ada@example.org', '1', '1')")
    op.execute("INSERT INTO invoices (id, number) VALUES (1, 1)")
"""
BASE_OF_POSTGRESQL = """
    op.execute("CREATE TYPE mood AS ENUM ('sad')")
    op.execute('CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$')
    op.execute('CREATE DOMAIN positive AS integer')
    op.execute('CREATE SCHEMA s')
    op.execute('CREATE SCHEMA archive')
    op.execute('CREATE TABLE parted (n integer) PARTITION BY LIST (n)')
    op.execute('CREATE TABLE old PARTITION OF parted FOR VALUES IN (1)')
"""

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    with op.batch_alter_table("customers") as table:
{body}


def downgrade():
    pass
"""


PLAIN = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade():
{body}


def downgrade():
{downgrade}
"""


def seeds(text: str, dialect: str) -> list[tuple[str, set[str]]]:
    """Return what revisions for a database do, and the rules that they break."""
    database = {"mariadb": "mysql"}.get(dialect, dialect)
    result: list[tuple[str, set[str]]] = []
    for heads, body in re.findall(r"((?:^\w.*\n)+)((?:^ .*\n)+)", text, re.MULTILINE):
        rules = [
            broken.split()
            for databases, _, broken in (head.partition(":") for head in heads.splitlines())
            if databases == "all" or database in databases.split()
        ]
        if rules:
            result.append((body, set(*rules)))
    return result


def base_text(dialect: str) -> str:
    """Return the text of the revision before those with a body."""
    body = BASE.strip("\n") + (BASE_OF_POSTGRESQL if dialect == "postgresql" else "")
    return plain_text("first", None, dedent(body))


def plain_text(revision: str, before: str | None, body: str, downgrade: str = "pass") -> str:
    """Return the text of a revision with these bodies."""
    return PLAIN.format(
        revision=revision,
        before=before,
        body=indent(body.strip("\n"), "    "),
        downgrade=indent(downgrade, "    "),
    )


def revision_text(revision: str, before: str, body: str) -> str:
    """Return the text of a revision with this body of a batch on the table customers."""
    return REVISION.format(revision=revision, before=before, body=indent(body, "    "))
