"""The rules of lint: each is one entry, with its reason and the ways in which it is found.

Names are squawk's where a rule means the same (https://squawkhq.com/docs/rules), so that one
comment `# allow: rule` fits all databases.
"""

from collections.abc import Iterator

from alembic.operations import ops
from alembic_guardrails.lint.columns import computes_default, is_filled, widens
from alembic_guardrails.lint.rule import Reading, Rule
from alembic_guardrails.offline.names import find_object, find_types
from alembic_guardrails.offline.recorder import Step
from alembic_guardrails.offline.tables import table_of
from sqlalchemy import Dialect

USED = "the previous release may still use it"
DROP_LATER = "stop using it in one release, drop it in the next"
RENAMED = "the previous release uses the old name"
RENAME_LATER = "add the new one, fill it, drop the old one later"
CHECKED = "nobody can write while all rows are checked, and bad rows stop it"
CHECK_LATER = (
    "mend them first, and on PostgreSQL add it NOT VALID, then VALIDATE it in a later revision"
)
REWRITTEN = "nobody can write while the table is rewritten"
FILL_LATER = "add a column and fill it in batches"

ALTER = r"ALTER\s+TABLE\b.*\b"

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
            lines = reading.source.unreached_writes(reached, reading.direction)
            yield from (step._replace(line=line) for line in lines if line >= step.line)
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
    back = reading.opposite
    if reading.is_downgrade or back is None or back.failure:
        return
    for name in sorted(reading.recording.types & back.types & created_types(reading)):
        steps = [step for step in reading.steps if creates_type(step, name)]
        yield from steps[:1] or reading.steps[:1]


def created_types(reading: Reading) -> set[str]:
    """Return the names of the types that a revision creates."""
    found = find_types(reading.recording.sql, reading.dialect.name)
    return {name for verb, name in found if verb == "CREATE"}


def creates_type(step: Step, name: str) -> bool:
    """Whether a step creates a type, by a statement or for a column of a new table."""
    if isinstance(step.operation, ops.CreateTableOp):
        columns = step.operation.to_table().columns
        return any(getattr(column.type, "name", None) == name for column in columns)
    return any(
        statement.verb == "CREATE" and find_object(statement, "TYPE") == (None, name)
        for statement in step.statements
    )


RULES = (
    Rule(
        "adding-field-with-default",
        f"each row gets a value of its own; {REWRITTEN}",
        FILL_LATER,
        operation=adds_default,
        statement=ALTER + r"ADD\b.*\b(?:small|big)?serial\b",
    ),
    Rule(
        "adding-foreign-key-constraint",
        CHECKED,
        CHECK_LATER,
        operation=adds_foreign_key,
        statement_without_squawk=ALTER + r"ADD\b.*\bREFERENCES\b",
    ),
    Rule(
        "adding-not-nullable-field",
        "empty values stop it, and the previous release may write more",
        "fill them first, and on PostgreSQL add a CHECK (... IS NOT NULL) NOT VALID, then VALIDATE"
        " it and set NOT NULL in a later revision",
        operation=forbids_null,
    ),
    Rule(
        "adding-required-field",
        "rows and the previous release have no value for it",
        "give it a server default, or make it nullable and fill it first",
        operation=requires_value,
        statement_without_squawk=ALTER + r"ADD\b(?!.*\b(?:DEFAULT|CHECK)\b).*\bNOT\s+NULL\b",
        known_better=(ops.AddColumnOp,),
    ),
    Rule(
        "adding-serial-primary-key-field",
        "the table is locked while its key is built",
        "on PostgreSQL build a unique index concurrently and add the key USING INDEX, elsewhere"
        " fill a new table",
        operation=changes_primary_key,
        statement_without_squawk=ALTER + r"(?:ADD|DROP)\b.*\bPRIMARY\s+KEY\b",
    ),
    Rule(
        "ban-concurrent-index-creation-in-transaction",
        "PostgreSQL refuses a concurrent index in a transaction, and an autocommit block commits"
        " the half of the revision before it",
        "build the index with create_index_concurrently of alembic_guardrails.op, and give it, or"
        " the autocommit block, a revision of its own",
        revision=shares_transaction,
    ),
    Rule(
        "ban-drop-column",
        USED,
        DROP_LATER,
        operation=drops_column,
        statement_without_squawk=ALTER
        + r"DROP\s+(?!CHECK|CONSTRAINT|DEFAULT|FOREIGN|INDEX|KEY|PRIMARY)",
        is_for_previous_release=True,
    ),
    Rule(
        "ban-drop-default",
        "the previous release may leave the column out",
        "drop it one release later",
        operation=drops_default,
        statement_without_squawk=ALTER + r"DROP\s+DEFAULT\b",
        is_for_previous_release=True,
    ),
    Rule(
        "ban-drop-table",
        USED,
        DROP_LATER,
        operation=drops_table,
        statement_without_squawk=r"DROP\s+TABLE\b",
        is_for_previous_release=True,
    ),
    Rule(
        "ban-drop-view",
        USED,
        DROP_LATER,
        statement_without_squawk=r"DROP\s+VIEW\b",
        is_for_previous_release=True,
    ),
    Rule(
        "ban-lock-table",
        "everyone waits until the revision ends",
        "change a few rows at a time instead",
        statement=r"LOCK\s+TABLES?\b",
    ),
    Rule(
        "ban-truncate",
        "the previous release loses its rows, and waits",
        "delete them in batches",
        statement=r"TRUNCATE\b",
    ),
    Rule(
        "changing-column-type",
        f"values may not fit, and {REWRITTEN}",
        FILL_LATER,
        operation=changes_type,
        statement_without_squawk=ALTER + r"MODIFY\b",
        known_better=(ops.AlterColumnOp,),
    ),
    Rule(
        "changing-every-row",
        "rows stay locked until all are changed",
        "change them in batches, by key",
        statement=r"(?:UPDATE|DELETE)\b(?!.*\bWHERE\b)",
    ),
    Rule(
        "constraint-missing-not-valid",
        CHECKED,
        CHECK_LATER,
        operation=adds_check,
        statement_without_squawk=ALTER + r"ADD\b.*\bCHECK\b",
    ),
    Rule(
        "disallowed-unique-constraint",
        "rows that repeat stop it, and the previous release may write more",
        "look for them first, and on PostgreSQL build the index concurrently, then add the"
        " constraint USING INDEX",
        operation=adds_unique,
        statement_without_squawk=r"CREATE\s+UNIQUE\b|" + ALTER + r"ADD\b.*\bUNIQUE\b",
    ),
    Rule(
        "mixing-data-and-schema",
        "readers wait for the changed table until the rows are changed, too",
        "change rows in a revision of their own",
        revision=mixes_rows_and_schema,
    ),
    Rule(
        "renaming-column",
        RENAMED,
        RENAME_LATER,
        operation=renames_column,
        statement_without_squawk=ALTER
        + r"(?:CHANGE\b|RENAME\s+(?!AS\b|CONSTRAINT\b|INDEX\b|KEY\b|TO\b))",
        is_for_previous_release=True,
    ),
    Rule(
        "renaming-table",
        RENAMED,
        RENAME_LATER,
        operation=renames_table,
        statement_without_squawk=r"RENAME\s+TABLE\b|" + ALTER + r"RENAME\s+(?:AS|TO)\b",
        is_for_previous_release=True,
    ),
    Rule(
        "require-concurrent-index-creation",
        "nobody can write while the index is built",
        "make it with create_index_concurrently, in a revision of its own",
    ),
    Rule(
        "rewriting-table",
        "the table is locked while it is copied",
        "do it when nobody needs it",
        statement=r"VACUUM\s*(?:$|INTO\b|\(?\s*FULL\b)|CLUSTER\b|OPTIMIZE\b|"
        + ALTER
        + r"(?:ENGINE\b|FORCE\b|CONVERT\s+TO\b|SET\s+(?:LOGGED|UNLOGGED|TABLESPACE)\b)",
    ),
    Rule(
        "syntax-error",
        "squawk cannot read this, and so nothing else here",
        "correct it, or review it by hand",
    ),
    Rule(
        "type-outlives-downgrade",
        "the downgrade leaves the type in the database, so that the next upgrade fails",
        "drop it there, with op.execute('DROP TYPE ...') or sa.Enum(name=...).drop(op.get_bind())",
        revision=leaves_type,
    ),
)

BY_NAME = {rule.name: rule for rule in RULES}

# More of squawk's rules, in its own words. The others are matters of taste or of timeouts:
# decision 13 of the template.
RULES_OF_SQUAWK = {
    "ban-alter-domain-with-add-constraint",
    "ban-drop-database",
    "ban-drop-function",
    "ban-drop-schema",
    "ban-set-schema",
    "renaming-object",
    "require-concurrent-partition-detach",
    "require-concurrent-reindex",
}
