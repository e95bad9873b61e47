"""The rules of lint: each is one entry, with its reason and the ways in which it is found.

Names are squawk's where a rule means the same (https://squawkhq.com/docs/rules), so that one
comment `# allow: rule` fits all databases.
"""

import re
from collections.abc import Iterator

from alembic.operations import ops
from alembic_guardrails.lint import remedies
from alembic_guardrails.lint.checks import computes_default, is_filled, leaves_unnamed, widens
from alembic_guardrails.lint.rule import Reading, Rule
from alembic_guardrails.offline.recorder import Step, find_object, find_types
from alembic_guardrails.offline.tables import table_of
from alembic_guardrails.output import Severity
from sqlalchemy import Column, Dialect

USED = "the previous release may still use {subject}"
DROP_LATER = "stop using it in this release, and drop it in the next"
RENAMED = "the previous release uses the old name of {subject}"
CHECKED = "nobody can write while all rows are checked for {subject}, and one bad row stops it"
CHECK_LATER = (
    "mend bad rows first; then add it NOT VALID, which checks new rows only, and validate it in the"
    " next revision, which stops nobody"
)

ALTER = r"ALTER\s+TABLE\b.*\b"

# https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html
FULL_TEXT = r"(?:FULLTEXT|SPATIAL)\b"

LOCKING = {("ALTER", "TABLE"), ("DROP", "TABLE"), ("LOCK", "TABLE")}


def drops_table(step: Step, dialect: Dialect) -> bool:
    """DROP TABLE."""
    return isinstance(step.operation, ops.DropTableOp)


def drops_column(step: Step, dialect: Dialect) -> bool:
    """DROP COLUMN."""
    return isinstance(step.operation, ops.DropColumnOp)


def renames_table(step: Step, dialect: Dialect) -> bool:
    """RENAME TO."""
    return isinstance(step.operation, ops.RenameTableOp)


def renames_column(step: Step, dialect: Dialect) -> bool:
    """RENAME COLUMN."""
    operation = step.operation
    return isinstance(operation, ops.AlterColumnOp) and bool(operation.modify_name)


def changes_type(step: Step, dialect: Dialect) -> bool:
    """Another type, which does not hold all that the old one holds in the same form."""
    match step.operation:
        case ops.AlterColumnOp(existing_type=old, modify_type=new) if new:
            return not widens(old, new, dialect)
    return False


def forbids_null(step: Step, dialect: Dialect) -> bool:
    """SET NOT NULL. On PostgreSQL squawk knows whether a check was validated before."""
    operation = step.operation
    return (
        isinstance(operation, ops.AlterColumnOp)
        and operation.modify_nullable is False
        and operation.existing_nullable is not False
        and dialect.name != "postgresql"
    )


def drops_default(step: Step, dialect: Dialect) -> bool:
    """DROP DEFAULT."""
    operation = step.operation
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_server_default is None


def requires_value(step: Step, dialect: Dialect) -> bool:
    """A new column that is NOT NULL and that nothing fills."""
    match step.operation:
        case ops.AddColumnOp(column=column):
            return not (column.primary_key or column.nullable or is_filled(column))
    return False


def adds_default(step: Step, dialect: Dialect) -> bool:
    """A new column with a value for each row. On PostgreSQL squawk reads it."""
    return dialect.name != "postgresql" and computes_default(step, dialect)


def changes_primary_key(step: Step, dialect: Dialect) -> bool:
    """A primary key comes or goes."""
    match step.operation:
        case ops.AddColumnOp(column=column):
            return bool(column.primary_key)
        case ops.CreatePrimaryKeyOp() | ops.DropConstraintOp(constraint_type="primary"):
            return True
    return False


def adds_foreign_key(step: Step, dialect: Dialect) -> bool:
    """A foreign key over rows that are there."""
    match step.operation:
        case ops.AddColumnOp(column=column):
            return bool(column.foreign_keys) and dialect.name != "sqlite"
        case ops.CreateForeignKeyOp(kw=options):
            return not options.get("postgresql_not_valid")
    return False


def adds_check(step: Step, dialect: Dialect) -> bool:
    """A check over rows that are there."""
    match step.operation:
        case ops.AddColumnOp(column=column):
            return bool(getattr(column.type, "create_constraint", False))
        case ops.CreateCheckConstraintOp(kw=options):
            return not options.get("postgresql_not_valid")
    return False


def adds_unique(step: Step, dialect: Dialect) -> bool:
    """UNIQUE over rows that are there. On PostgreSQL squawk reads how the index is built."""
    match step.operation:
        case ops.CreateUniqueConstraintOp():
            return True
        case ops.CreateIndexOp(unique=True):
            return dialect.name != "postgresql"
    return False


def adds_full_text_index(step: Step, dialect: Dialect) -> bool:
    """FULLTEXT or SPATIAL over rows that are there, which MySQL builds with LOCK=SHARED."""
    match step.operation:
        case ops.CreateIndexOp(kw=options):
            prefix = str(options.get(f"{dialect.name}_prefix", ""))
            return bool(re.match(FULL_TEXT, prefix, re.IGNORECASE))
    return False


def writing_steps(reading: Reading) -> list[Step]:
    """Return the steps that do more than read."""
    return [step for step in reading.steps if not step.only_reads]


def is_concurrent(step: Step) -> bool:
    """Whether PostgreSQL refuses an operation in a transaction."""
    options = getattr(step.operation, "kw", {})
    return bool(options.get("postgresql_concurrently")) or any(
        "CONCURRENTLY" in statement.words for statement in step.statements
    )


def shares_transaction(reading: Reading) -> Iterator[Step]:
    """What cannot run in a transaction, or commits the half of a revision that came before."""
    if reading.dialect.name != "postgresql":
        return
    writes = writing_steps(reading)
    outside = [step for step in writes if is_concurrent(step) or step.commits]
    for step in outside:
        if len(outside) < len(writes) or not step.commits:
            yield step


def mixes_rows_and_schema(reading: Reading) -> Iterator[Step]:
    """Rows that change after the schema, while their table is locked on PostgreSQL."""
    if reading.dialect.name != "postgresql":
        return
    is_locked = False
    for step in reading.steps:
        if is_locked and step.changes_rows and step.statements:
            yield step
        elif is_locked and step.selects:
            reached = [earlier.line for earlier in reading.steps]
            spans = reading.source.unreached_writes(reached, reading.direction)
            yield from (step._replace(span=span) for span in spans if span.line >= step.line)
        elif not step.changes_rows and not step.only_reads:
            is_locked = is_locked or locks(step, reading)


def locks(step: Step, reading: Reading) -> bool:
    """Whether a step locks a table that others use."""
    has_table = bool(table_of(step.operation)[1]) and not reading.is_on_new_table(step)
    return has_table or any(statement.words[:2] in LOCKING for statement in step.statements)


def leaves_type(reading: Reading) -> Iterator[Step]:
    """A type that the upgrade creates and the downgrade does not drop.

    A downgrade that stops, because there is no way back, is not asked.
    """
    yield from dict.fromkeys(step for step, _ in find_left_types(reading))


def left_types(reading: Reading, step: Step) -> list[str]:
    """Return the names of the types that a step creates and the downgrade does not drop."""
    return [name for found, name in find_left_types(reading) if found == step]


def find_left_types(reading: Reading) -> Iterator[tuple[Step, str]]:
    """Yield the steps that create a type that the downgrade leaves, and its name."""
    back = reading.opposite
    if reading.is_downgrade or back is None or back.failure:
        return
    for name in sorted(reading.recording.types & back.types & created_types(reading)):
        steps = [step for step in reading.steps if creates_type(step, name)]
        for step in steps[:1] or reading.steps[:1]:
            yield step, name


def created_types(reading: Reading) -> set[str]:
    """Return the names of the types that a revision creates."""
    found = find_types(reading.recording.sql, reading.dialect.name)
    return {name for verb, name in found if verb == "CREATE"}


def creates_type(step: Step, name: str) -> bool:
    """Whether a step creates a type, by a statement or for a column of a new table."""
    if isinstance(step.operation, ops.CreateTableOp):
        columns = [part for part in step.operation.columns if isinstance(part, Column)]
        return any(getattr(column.type, "name", None) == name for column in columns)
    return any(
        statement.verb == "CREATE" and find_object(statement, "TYPE") == (None, name)
        for statement in step.statements
    )


POSTGRESQL = ("postgresql",)

RULES = (
    Rule(
        "adding-field-with-default",
        "each row gets a value of its own for {subject}, so nobody can write while the table is"
        " rewritten",
        "add the column without a default, then set the default for new rows, and fill the others"
        " in batches",
        operation=adds_default,
        statement=ALTER + r"ADD\b.*\b(?:small|big)?serial\b",
        statement_without_squawk=ALTER + r"ADD\b.*(?:\b(?:STORED|PERSISTENT)\b|\bDEFAULT\s*\()",
        remedy=remedies.fill_default,
        example="op.add_column('customers', sa.Column('seen_at', sa.DateTime, "
        "server_default=sa.text('clock_timestamp()')))",
    ),
    Rule(
        "adding-foreign-key-constraint",
        CHECKED,
        CHECK_LATER,
        operation=adds_foreign_key,
        statement_without_squawk=ALTER + r"ADD\b.*\bREFERENCES\b",
        remedy=remedies.add_foreign_key,
        example="op.create_foreign_key('fk_orders_customer', 'orders', 'customers',"
        " ['customer_id'], ['id'])",
    ),
    Rule(
        "adding-not-nullable-field",
        "NULL in {subject} stops the migration, and the previous release may write more",
        "fill the empty rows with backfill(), and check the column first, because SET NOT NULL"
        " alone reads the whole table under its lock",
        operation=forbids_null,
        remedy=remedies.forbid_null,
        example="op.alter_column('customers', 'phone', nullable=False,"
        " existing_type=sa.String(30))",
    ),
    Rule(
        "adding-required-field",
        "rows and the previous release have no value for {subject}",
        "let it be NULL, in the model too, fill it with backfill() and require it in a later"
        " release; or give it a server default",
        operation=requires_value,
        statement_without_squawk=ALTER + r"ADD\b(?!.*\b(?:DEFAULT|CHECK)\b).*\bNOT\s+NULL\b",
        known_better=(ops.AddColumnOp,),
        remedy=remedies.add_nullable,
        example="op.add_column('customers', sa.Column('age', sa.Integer, nullable=False))",
    ),
    Rule(
        "adding-serial-primary-key-field",
        "the table is locked while {subject} changes its primary key",
        "build a unique index concurrently, and make the key of it",
        operation=changes_primary_key,
        statement_without_squawk=ALTER + r"(?:ADD|DROP)\b.*\bPRIMARY\s+KEY\b",
        remedy=remedies.add_primary_key,
        example="op.create_primary_key('pk_visits', 'visits', ['id'])",
    ),
    Rule(
        "ban-concurrent-index-creation-in-transaction",
        "PostgreSQL refuses a concurrent index in a transaction, and an autocommit block commits"
        " the half of the revision before it",
        "put it into a revision of its own, an index with create_index_concurrently()",
        revision=shares_transaction,
        remedy=remedies.build_concurrently,
        example="op.add_column('customers', sa.Column('age', sa.Integer))\n"
        "op.create_index('ix_customers_name', 'customers', ['name'], postgresql_concurrently=True)",
        databases=POSTGRESQL,
    ),
    Rule(
        "ban-drop-column",
        USED,
        DROP_LATER,
        operation=drops_column,
        statement_without_squawk=ALTER
        + r"DROP\s+(?!CHECK|CONSTRAINT|DEFAULT|FOREIGN|INDEX|KEY|PRIMARY)",
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.drop_column('customers', 'name')",
    ),
    Rule(
        "ban-drop-default",
        "the previous release may leave {subject} out when it inserts rows",
        "drop the default one release later",
        operation=drops_default,
        statement_without_squawk=ALTER + r"DROP\s+DEFAULT\b",
        is_for_previous_release=True,
        remedy=remedies.drop_default_later,
        example="op.alter_column('customers', 'status', server_default=None,"
        " existing_type=sa.String(20))",
    ),
    Rule(
        "ban-drop-table",
        USED,
        DROP_LATER,
        operation=drops_table,
        statement_without_squawk=r"DROP\s+TABLE\b",
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.drop_table('invoices')",
    ),
    Rule(
        "ban-drop-view",
        USED,
        DROP_LATER,
        statement_without_squawk=r"DROP\s+VIEW\b",
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.execute('DROP VIEW debtors')",
    ),
    Rule(
        "ban-lock-table",
        "everyone waits for {subject} until the revision ends",
        "leave the lock out, and change a few rows at a time with backfill()",
        statement=r"LOCK\s+(?:TABLES?|INSTANCE)\b|FLUSH\s+(?:\w+\s+)?TABLES\b",
        remedy=remedies.accept_unless_alone,
        example="op.execute('LOCK TABLE invoices IN EXCLUSIVE MODE')",
        databases=("postgresql", "mysql"),
    ),
    Rule(
        "ban-truncate",
        "the previous release loses the rows of {subject}, and waits for it",
        "delete the rows in batches",
        statement=r"TRUNCATE\b",
        remedy=remedies.change_in_batches,
        example="op.execute('TRUNCATE TABLE invoices')",
        databases=("postgresql", "mysql"),
    ),
    Rule(
        "changing-column-type",
        "values may not fit the new type of {subject}, and nobody can write while the table is"
        " rewritten",
        "add a column of the new type, fill it in batches, have the release use it, and drop the"
        " old one in the next",
        operation=changes_type,
        statement_without_squawk=ALTER + r"MODIFY\b",
        known_better=(ops.AlterColumnOp,),
        remedy=remedies.change_type,
        example="op.alter_column('customers', 'number', type_=sa.BigInteger,"
        " existing_type=sa.Integer)",
    ),
    Rule(
        "changing-every-row",
        "the rows of {subject} stay locked until all are changed",
        "change them in batches, by key",
        statement=r"(?:UPDATE|DELETE)\b(?!.*\bWHERE\b)",
        remedy=remedies.change_in_batches,
        example="op.execute('UPDATE customers SET name = upper(name)')",
    ),
    Rule(
        "constraint-missing-not-valid",
        CHECKED,
        CHECK_LATER,
        operation=adds_check,
        statement_without_squawk=ALTER + r"ADD\b.*\bCHECK\b",
        remedy=remedies.add_check,
        example="op.create_check_constraint('ck_customers_name', 'customers',"
        " sa.text(\"name <> ''\"))",
    ),
    Rule(
        "disallowed-unique-constraint",
        "duplicate rows make {subject} fail, and the previous release may write more",
        "look for duplicates first, build the index concurrently, and make the constraint of it",
        operation=adds_unique,
        statement_without_squawk=r"CREATE\s+UNIQUE\b|" + ALTER + r"ADD\b.*\bUNIQUE\b",
        remedy=remedies.add_unique,
        example="op.create_unique_constraint('uq_customers_name', 'customers', ['name'])",
    ),
    Rule(
        "index-stops-writers",
        "nobody can write to the table while {subject} is built",
        "build it when few sessions write",
        operation=adds_full_text_index,
        statement_without_squawk=rf"CREATE\s+{FULL_TEXT}|{ALTER}ADD\s+{FULL_TEXT}",
        remedy=remedies.accept_small,
        example="op.create_index('ix_customers_name', 'customers', ['name'],"
        " mysql_prefix='FULLTEXT')",
        databases=("mysql",),
    ),
    Rule(
        "mixing-data-and-schema",
        "readers wait for the table that was changed until these rows are changed, too",
        "change rows in a revision of their own",
        revision=mixes_rows_and_schema,
        remedy=remedies.split_revision,
        example="op.add_column('customers', sa.Column('age', sa.Integer))\n"
        "op.execute('UPDATE customers SET age = 1 WHERE age IS NULL')",
        databases=POSTGRESQL,
    ),
    Rule(
        "renaming-column",
        RENAMED,
        "add a column with the new name, fill it in batches, have the release use it, and drop the"
        " old one in the next",
        operation=renames_column,
        statement_without_squawk=ALTER
        + r"(?:CHANGE\b|RENAME\s+(?!AS\b|CONSTRAINT\b|INDEX\b|KEY\b|TO\b))",
        is_for_previous_release=True,
        remedy=remedies.rename_column,
        example="op.alter_column('customers', 'name', new_column_name='title',"
        " existing_type=sa.String(200))",
    ),
    Rule(
        "renaming-table",
        RENAMED,
        "keep the name in the database, and rename the class alone",
        operation=renames_table,
        statement_without_squawk=r"RENAME\s+TABLE\b|" + ALTER + r"RENAME\s+(?:AS|TO)\b",
        is_for_previous_release=True,
        remedy=remedies.rename_table,
        example="op.rename_table('customers', 'clients')",
    ),
    Rule(
        "require-concurrent-index-creation",
        "nobody can write to the table while {subject} is built",
        "build it with create_index_concurrently(), in a revision of its own",
        remedy=remedies.build_concurrently,
        example="op.create_index('ix_customers_name', 'customers', ['name'])",
        databases=POSTGRESQL,
    ),
    Rule(
        "rewriting-table",
        "nobody can use {subject} while it is copied",
        "leave it out of the revision, and run it when nobody needs the table",
        statement=r"VACUUM\s*(?:$|INTO\b|\(?\s*FULL\b)|CLUSTER\b|OPTIMIZE\b|"
        + ALTER
        + r"(?:ENGINE\b|FORCE\b|CONVERT\s+TO\b|SET\s+(?:LOGGED|UNLOGGED|TABLESPACE)\b"
        r"|PARTITION\s+BY\b|REMOVE\s+PARTITIONING\b|(?:COALESCE|REORGANIZE)\s+PARTITION\b)",
        remedy=remedies.accept_unless_alone,
        example="op.execute('ALTER TABLE invoices SET UNLOGGED')",
    ),
    Rule(
        "syntax-error",
        "squawk cannot read this statement, and so nothing else in the revision",
        "correct it, or review the revision by hand and allow it",
        remedy=remedies.advise,
        example="op.execute('ALTER TABLE')",
        databases=POSTGRESQL,
    ),
    Rule(
        "type-outlives-downgrade",
        "the downgrade leaves the type in the database, so that the next upgrade fails",
        "drop it in the downgrade, after what uses it",
        revision=leaves_type,
        remedy=remedies.drop_type,
        example="op.create_table('visits', sa.Column('kind', sa.Enum('a', 'b', name='kind')))",
        databases=POSTGRESQL,
    ),
    # More of squawk's rules. The others are matters of taste or of timeouts: decision 13 of the
    # template.
    Rule(
        "ban-alter-domain-with-add-constraint",
        "nobody can write while all rows of all tables with {subject} are checked",
        "add a constraint to the tables instead, NOT VALID, and validate it later",
        remedy=remedies.accept_small,
        example="op.execute('ALTER DOMAIN positive ADD CONSTRAINT positive CHECK (value > 0)')",
        databases=POSTGRESQL,
    ),
    Rule(
        "ban-drop-database",
        "{subject} is gone for good, with all that is in it",
        "leave it out of the revision: no revision should drop a database",
        remedy=remedies.advise,
        example="op.execute('DROP DATABASE old')",
        databases=POSTGRESQL,
    ),
    Rule(
        "ban-drop-function",
        USED,
        DROP_LATER,
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.execute('DROP FUNCTION total()')",
        databases=POSTGRESQL,
    ),
    Rule(
        "ban-drop-schema",
        USED,
        DROP_LATER,
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.execute('DROP SCHEMA archive')",
        databases=POSTGRESQL,
    ),
    Rule(
        "ban-set-schema",
        "the previous release looks for {subject} in the old schema",
        "leave it where it is, or move it in the release after the one that names the new schema",
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.execute('ALTER TABLE customers SET SCHEMA archive')",
        databases=POSTGRESQL,
    ),
    Rule(
        "renaming-object",
        RENAMED,
        "make another one with the new name, and drop the old one in the next release",
        is_for_previous_release=True,
        remedy=remedies.drop_later,
        example="op.execute('ALTER VIEW debtors RENAME TO late_payers')",
        databases=POSTGRESQL,
    ),
    Rule(
        "require-concurrent-partition-detach",
        "everyone waits for the partitioned table until the revision ends",
        "detach the partition concurrently, in a revision of its own",
        remedy=remedies.detach_concurrently,
        example="op.execute('ALTER TABLE visits DETACH PARTITION visits_2024')",
        databases=POSTGRESQL,
    ),
    Rule(
        "require-concurrent-reindex",
        "nobody can write to {subject} while its indexes are built",
        "build them concurrently, in a revision of its own",
        remedy=remedies.reindex_concurrently,
        example="op.execute('REINDEX TABLE customers')",
        databases=POSTGRESQL,
    ),
    # What lint says of a revision beside what its operations do.
    Rule(
        "error-in-code",
        "the revision fails on every database: {subject}",
        "correct the line",
        example="op.add_column('customers', sa.Column('age', Integer))",
    ),
    Rule(
        "unreadable",
        "the rest of the revision cannot be read without a database: {subject}",
        "read the rest by hand, or have the line go on where a query finds no rows",
        example="op.get_bind().execute(sa.text('SELECT id FROM customers')).one()",
    ),
    Rule(
        "unused-allow",
        "nothing here needs {subject}",
        "delete the comment, which could hide what comes later",
        severity=Severity.WARNING,
        example="op.add_column('customers', sa.Column('age', sa.Integer))"
        "  # allow: ban-drop-table (nobody reads it)",
    ),
    Rule(
        "unnamed-constraint",
        "each kind of database names a constraint without a name in its own way, so no revision can"
        " drop it by name everywhere",
        "give it the name that it has in the models, such as name=op.f('uq_customers_email')",
        revision=leaves_unnamed,
        remedy=remedies.name_constraint,
        example="op.create_table('visits', sa.Column('day', sa.Date, unique=True))",
    ),
)

BY_NAME = {rule.name: rule for rule in RULES}
