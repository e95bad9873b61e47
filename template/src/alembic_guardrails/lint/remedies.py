"""What to do instead of what a rule forbids, as code with the names of the revision in it.

A remedy takes the rule, the step that breaks it and the revision, and returns a `Help`. Lint is
quiet about its code, and the code runs: `tests/test_remedies.py` tries each.
"""

import re
from collections.abc import Callable
from copy import copy
from typing import Any

from alembic.operations import ops
from alembic_guardrails.lint.checks import find_unnamed
from alembic_guardrails.lint.rule import (
    NAME,
    Reading,
    Rule,
    Subject,
    main_statement,
    read_subject,
    unquote,
)
from alembic_guardrails.lint.write import (
    add_column,
    allow,
    attribute,
    autocommit,
    backfill,
    copy_statement,
    execute,
    key_of,
    quote,
    quote_all,
    schema_option,
    split_block,
    type_of,
    write_type,
)
from alembic_guardrails.offline.recorder import Step
from alembic_guardrails.offline.tables import render_default
from alembic_guardrails.output import Code, Help
from sqlalchemy import BigInteger, Computed, Identity
from sqlalchemy.types import TypeEngine

# Where code belongs.
THIS = "this revision"
OWN = "a revision of its own"
NEXT = "the revision after it"
LAST = "the revision after that"
LATER = "a revision of the next release"
WAY_BACK = "downgrade() of this revision"

Remedy = Callable[[Rule, Step, Reading], Help]

UNUSED = "no release uses it any more"


def accept(reason: str, where: str = THIS, advice: str = "") -> Remedy:
    """Return a remedy that keeps the statement, and says in the revision why it is safe.

    `advice` takes the place of the rule's.
    """

    def remedy(rule: Rule, step: Step, reading: Reading) -> Help:
        return Help(advice or rule.advice, (Code(where, allow(step, reading, rule.name, reason)),))

    return remedy


def drop_later(rule: Rule, step: Step, reading: Reading) -> Help:
    """Keep the statement for a later release; autogenerate writes it for a renamed object, too."""
    found = accept(UNUSED, LATER)(rule, step, reading)
    return Help(found.advice + advise_rename(step, reading), found.code)


def advise_rename(step: Step, reading: Reading) -> str:
    """Say what renames a table or a column, if the revision creates another one."""
    others = [other.operation for other in reading.steps if other is not step]
    match step.operation:
        case ops.DropTableOp() if any(isinstance(other, ops.CreateTableOp) for other in others):
            return " If it is renamed, write op.rename_table()."
        case ops.DropColumnOp(table_name=table) if any(
            isinstance(other, ops.AddColumnOp) and other.table_name == table for other in others
        ):
            return " If it is renamed, write op.alter_column(new_column_name=...)."
    return ""


drop_default_later = accept("each release writes it", LATER)

accept_small = accept("the table is small, or nobody writes to it")

# Where PostgreSQL has a way, and the other databases have none.
ADD_CHECKED = accept(
    "no row breaks it, and the table is small",
    advice="Mend bad rows first, and add it when few sessions write.",
)
ADD_UNIQUE = accept(
    "there are no duplicates, and no release writes any",
    advice="Look for duplicates first, and have the release before write no more of them.",
)
REQUIRE = accept(
    "all rows are filled, and each release fills new ones",
    advice="Fill the empty rows with backfill(), and have the release before fill new ones.",
)
CHANGE_KEY = accept(
    "the table is small, or nobody writes to it",
    advice="Fill a new table that has the key, unless this one is small.",
)


def is_postgresql(reading: Reading) -> bool:
    """Whether the revision is for PostgreSQL."""
    return reading.dialect.name == "postgresql"


def quoted(reading: Reading, *names: str | None) -> str:
    """Write a name for SQL, with a schema before it."""
    quote_name = reading.dialect.identifier_preparer.quote
    return ".".join(quote_name(name) for name in names if name)


def text_of(step: Step) -> str:
    """Return the statement that the revision wrote itself."""
    statement = main_statement(step)
    return statement.text if statement else ""


def fill_default(rule: Rule, step: Step, reading: Reading) -> Help:
    """Add the column empty, have the database fill it in new rows, and fill the others later."""
    subject = read_subject(step)
    operation = step.operation
    if not isinstance(operation, ops.AddColumnOp):
        is_serial = is_postgresql(reading)
        return (
            fill_serial(subject, rule, reading) if is_serial else accept_small(rule, step, reading)
        )
    column = operation.column
    default = column.server_default
    if isinstance(default, Identity):
        return fill_serial(subject, rule, reading)
    if isinstance(default, Computed):
        return fill_computed(subject, column.type, default, reading)
    if reading.dialect.name == "sqlite":
        return rebuild_with_default(subject, column.type, default, reading)
    value = write_default(default, reading)
    table, name = quote(subject.table), quote(subject.column)
    existing, _ = write_type(column.type, reading.dialect)
    later = f"op.alter_column({table}, {name}, server_default={value}, existing_type={existing}"
    this = f"{add_column(subject, column.type, reading.dialect)}\n{later}{schema_option(subject)})"
    return Help(rule.advice, (Code(THIS, this), Code(NEXT, fill_empty(subject, value, reading))))


def write_default(default: object, reading: Reading) -> str:
    """Write a server default that is an expression."""
    return f"sa.text({quote(render_default(default, reading.dialect))})"


def fill_empty(subject: Subject, value: str, reading: Reading, *others: str) -> str:
    """Write a backfill of the rows in which a column is NULL."""
    where = f"{attribute(subject.table, subject.column)}.is_(None)"
    return backfill(subject, key_of(subject, reading), where=where, value=value, others=others)


def fill_serial(subject: Subject, rule: Rule, reading: Reading) -> Help:
    """Number rows by a sequence: new ones by a default, the others in batches."""
    name = f"{subject.table}_{subject.column}_seq"
    sequence = quoted(reading, subject.schema, name)
    number = quote(f"nextval('{sequence}')")
    value = f"sa.text({number})"
    table = quoted(reading, subject.schema, subject.table)
    this = "\n".join(
        [
            execute(f"CREATE SEQUENCE {sequence}"),
            add_column(subject, BigInteger(), reading.dialect),
            f"op.alter_column({quote(subject.table)}, {quote(subject.column)},"
            f" server_default={value}{schema_option(subject)})",
            execute(
                f"ALTER SEQUENCE {sequence} OWNED BY {table}.{quoted(reading, subject.column)}"
            ),
        ]
    )
    return Help(rule.advice, (Code(THIS, this), Code(NEXT, fill_empty(subject, value, reading))))


def fill_computed(
    subject: Subject, type_: TypeEngine[object], computed: Computed, reading: Reading
) -> Help:
    """Compute a column when it is read, or on PostgreSQL fill it in batches."""
    expression = str(computed.sqltext)
    if is_postgresql(reading):
        this = add_column(subject, type_, reading.dialect)
        later = fill_empty(subject, f"sa.text({quote(expression)})", reading)
        advice = "Add an ordinary column that the application writes, and fill it in batches."
        return Help(advice, (Code(THIS, this), Code(NEXT, later)))
    text, imports = write_type(type_, reading.dialect)
    column = f"sa.Column({quote(subject.column)}, {text}, sa.Computed({quote(expression)}, False))"
    call = f"op.add_column({quote(subject.table)}, {column}{schema_option(subject)})"
    advice = "Have the database compute the column when it is read, which rewrites nothing."
    return Help(advice, (Code(THIS, "\n".join([*imports, call])),))


def rebuild_with_default(
    subject: Subject, type_: TypeEngine[object], default: object, reading: Reading
) -> Help:
    """Rebuild the table of SQLite once, because it adds no column with such a default."""
    text, imports = write_type(type_, reading.dialect)
    value = write_default(default, reading)
    column = f"sa.Column({quote(subject.column)}, {text}, server_default={value})"
    block = f"with op.batch_alter_table({quote(subject.table)}{schema_option(subject)}) as batch:"
    advice = "Add it in batch mode, which copies the table once: SQLite adds no such column."
    code = "\n".join([*imports, block, f"    batch.add_column({column})"])
    return Help(advice, (Code(THIS, code),))


def add_nullable(rule: Rule, step: Step, reading: Reading) -> Help:
    """Add the column without NOT NULL."""
    subject = read_subject(step)
    if isinstance(step.operation, ops.AddColumnOp):
        code = add_column(subject, step.operation.column.type, reading.dialect)
    else:
        statement = re.sub(r"\s+NOT\s+NULL\b", "", text_of(step), flags=re.IGNORECASE)
        code = execute(statement)
    return Help(rule.advice, (Code(THIS, code),))


def validate(subject: Subject, name: str, reading: Reading) -> str:
    """Write a statement that validates a constraint."""
    table = quoted(reading, subject.schema, subject.table)
    return execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(reading, name)}")


def add_foreign_key(rule: Rule, step: Step, reading: Reading) -> Help:
    """On PostgreSQL add the key NOT VALID, and validate it in the next revision."""
    if not is_postgresql(reading):
        return ADD_CHECKED(rule, step, reading)
    subject = read_subject(step)
    match step.operation:
        case ops.CreateForeignKeyOp() as operation:
            name = str(operation.constraint_name or f"fk_{subject.table}")
            code = write_foreign_key(name, operation)
        case ops.AddColumnOp(column=column):
            key = next(iter(column.foreign_keys))
            schema, table, remote = split_target(key.target_fullname)
            name = str(key.name or f"fk_{subject.table}_{subject.column}_{table}")
            options = {"source_schema": subject.schema, "referent_schema": schema}
            options |= {"ondelete": key.ondelete, "onupdate": key.onupdate}
            operation = ops.CreateForeignKeyOp(
                name, subject.table, table, [subject.column], [remote], **options
            )
            added = add_column(subject, column.type, reading.dialect)
            code = f"{added}\n{write_foreign_key(name, operation)}"
        case _:
            return add_not_valid(rule, step, reading)
    return Help(rule.advice, (Code(THIS, code), Code(NEXT, validate(subject, name, reading))))


def write_foreign_key(name: str, operation: ops.CreateForeignKeyOp) -> str:
    """Write a foreign key that is not validated."""
    options = "".join(
        f", {option}={value!r}"
        for option, value in operation.kw.items()
        if value is not None and not option.startswith("postgresql_")
    )
    columns = f"{quote_all(operation.local_cols)}, {quote_all(operation.remote_cols)}"
    tables = f"{quote(operation.source_table)}, {quote(operation.referent_table)}"
    return (
        f"op.create_foreign_key({quote(name)}, {tables}, {columns}{options},"
        " postgresql_not_valid=True)"
    )


def split_target(name: str) -> tuple[str | None, str, str]:
    """Return the schema, the table and the column that a foreign key refers to."""
    *schema, table, column = name.split(".")
    return (schema[0] if schema else None), table, column


UNNAMED = re.compile(r"\bADD\s+(?=FOREIGN|CHECK)", re.IGNORECASE)


def add_not_valid(rule: Rule, step: Step, reading: Reading) -> Help:
    """Give a constraint in SQL of the revision's own a name, and validate it later."""
    text = text_of(step)
    subject = read_subject(step)
    kind, _, name = subject.other.partition(" ")
    if kind != "constraint":
        verb = "fk" if "FOREIGN" in text.upper() else "ck"
        table = re.match(rf"ALTER\s+TABLE\s+(?:ONLY\s+)?(?P<name>{NAME})", text, re.IGNORECASE)
        subject = Subject(table=unquote(table["name"])) if table else subject
        name = f"{verb}_{subject.table}"
        text = UNNAMED.sub(f"ADD CONSTRAINT {name} ", text)
    this = execute(f"{text} NOT VALID")
    return Help(rule.advice, (Code(THIS, this), Code(NEXT, validate(subject, name, reading))))


def add_check(rule: Rule, step: Step, reading: Reading) -> Help:
    """On PostgreSQL add the check NOT VALID; elsewhere, and for a new column, say what is so."""
    subject = read_subject(step)
    match step.operation:
        case ops.AddColumnOp(column=column):
            type_: Any = copy(column.type)
            type_.create_constraint = False
            advice = "Add the column without the check, which the type of the model can do without."
            return Help(advice, (Code(THIS, add_column(subject, type_, reading.dialect)),))
        case ops.CreateCheckConstraintOp(constraint_name=name) if is_postgresql(reading):
            condition = quote(str(step.operation.condition))
            this = (
                f"op.create_check_constraint({quote(str(name))}, {quote(subject.table)},"
                f" sa.text({condition}){schema_option(subject)}, postgresql_not_valid=True)"
            )
            later = validate(subject, str(name), reading)
            return Help(rule.advice, (Code(THIS, this), Code(NEXT, later)))
    if is_postgresql(reading):
        return add_not_valid(rule, step, reading)
    return ADD_CHECKED(rule, step, reading)


def forbid_null(rule: Rule, step: Step, reading: Reading) -> Help:
    """On PostgreSQL have a validated check spare SET NOT NULL its look at all rows."""
    if not is_postgresql(reading):
        return REQUIRE(rule, step, reading)
    subject = read_subject(step)
    name = f"ck_{subject.table}_{subject.column}_not_null"
    table, column = quote(subject.table), quote(subject.column)
    schema = schema_option(subject)
    condition = quote(f"{quoted(reading, subject.column)} IS NOT NULL")
    this = (
        f"op.create_check_constraint(op.f({quote(name)}), {table}, sa.text({condition}){schema},"
        " postgresql_not_valid=True)"
    )
    later = "\n".join(
        [
            validate(subject, name, reading),
            f"op.alter_column({table}, {column}, nullable=False{schema})",
            f"op.drop_constraint(op.f({quote(name)}), {table}{schema})",
        ]
    )
    return Help(rule.advice, (Code(THIS, this), Code(NEXT, later)))


UNIQUE = re.compile(r"\bUNIQUE\s*\((?P<columns>[^()]+)\)", re.IGNORECASE)
PRIMARY = re.compile(r"\bPRIMARY\s+KEY\s*\((?P<columns>[^()]+)\)", re.IGNORECASE)
CONSTRAINT = re.compile(rf"\bCONSTRAINT\s+(?P<name>{NAME})", re.IGNORECASE)
OF_TABLE = re.compile(rf"ALTER\s+TABLE\s+(?:ONLY\s+)?(?P<table>{NAME})\s", re.IGNORECASE)


def add_unique(rule: Rule, step: Step, reading: Reading) -> Help:
    """On PostgreSQL build the index concurrently, and make the constraint of it."""
    if not is_postgresql(reading):
        return ADD_UNIQUE(rule, step, reading)
    subject = read_subject(step)
    match step.operation:
        case ops.CreateUniqueConstraintOp(constraint_name=name, columns=columns):
            return use_index(rule, subject, str(name or ""), [*columns], "UNIQUE", reading)
        case ops.CreateIndexOp():
            return build_concurrently(rule, step, reading)
        case ops.AddColumnOp(column=column):
            added = add_column(subject, column.type, reading.dialect)
            advice = use_index(rule, subject, "", [column.name], "UNIQUE", reading)
            return advice._replace(code=(Code(THIS, added), *advice.code))
    return use_index_of_sql(rule, step, reading, UNIQUE, "UNIQUE")


def add_primary_key(rule: Rule, step: Step, reading: Reading) -> Help:
    """On PostgreSQL build the index of the key concurrently."""
    match step.operation:
        case ops.CreatePrimaryKeyOp(constraint_name=name, columns=columns) if is_postgresql(
            reading
        ):
            subject = read_subject(step)
            return use_index(rule, subject, str(name or ""), [*columns], "PRIMARY KEY", reading)
        case ops.ExecuteSQLOp() if is_postgresql(reading):
            return use_index_of_sql(rule, step, reading, PRIMARY, "PRIMARY KEY")
        case ops.AddColumnOp(column=column):
            code = add_column(read_subject(step), column.type, reading.dialect)
            advice = "Add an ordinary column, fill it with backfill(), and make a key of it later."
            return Help(advice, (Code(THIS, code),))
    return CHANGE_KEY(rule, step, reading)


def use_index_of_sql(
    rule: Rule, step: Step, reading: Reading, pattern: re.Pattern[str], kind: str
) -> Help:
    """Read a key from SQL of the revision's own."""
    text = text_of(step)
    key, table, name = pattern.search(text), OF_TABLE.match(text), CONSTRAINT.search(text)
    if not key or not table:
        return CHANGE_KEY(rule, step, reading)
    columns = [unquote(column.strip()) for column in key["columns"].split(",")]
    subject = Subject(table=unquote(table["table"]))
    return use_index(rule, subject, unquote(name["name"]) if name else "", columns, kind, reading)


def use_index(
    rule: Rule, subject: Subject, name: str, columns: list[str], kind: str, reading: Reading
) -> Help:
    """Build a unique index in a revision of its own, and make a constraint of it in the next."""
    prefix = {"UNIQUE": "uq", "PRIMARY KEY": "pk"}[kind]
    name = name or "_".join([prefix, subject.table, *columns])
    table = quoted(reading, subject.schema, subject.table)
    used = quoted(reading, name)
    later = execute(f"ALTER TABLE {table} ADD CONSTRAINT {used} {kind} USING INDEX {used}")
    index = write_index(name, subject, quote_all(columns), ", unique=True")
    return Help(rule.advice, (Code(OWN, index), Code(NEXT, later)))


def write_index(name: str, subject: Subject, columns: str, options: str) -> str:
    """Write an index that is built concurrently."""
    call = f"create_index_concurrently({quote(name)}, {quote(subject.table)}, {columns}"
    return (
        "from alembic_guardrails.op import create_index_concurrently\n\n"
        f"{call}{options}{schema_option(subject)})"
    )


def build_concurrently(rule: Rule, step: Step, reading: Reading) -> Help:
    """Build an index concurrently; run other statements outside of a transaction."""
    operation = step.operation
    if isinstance(operation, ops.CreateIndexOp):
        columns = ", ".join(
            quote(column) if isinstance(column, str) else f"sa.text({quote(str(column))})"
            for column in operation.columns
        )
        options = {"unique": True} if operation.unique else {}
        options |= {
            name: value
            for name, value in operation.kw.items()
            if name.startswith("postgresql_") and name != "postgresql_concurrently"
        }
        listed = "".join(f", {name}={write_option(value)}" for name, value in options.items())
        name = str(operation.index_name)
        code = write_index(name, read_subject(step), f"[{columns}]", listed)
    elif isinstance(operation, ops.AddColumnOp):
        return index_column(rule, read_subject(step), operation, reading)
    elif isinstance(operation, ops.ExecuteSQLOp):
        index = r"\bINDEX\s+(?!CONCURRENTLY\b)"
        text = re.sub(index, "INDEX CONCURRENTLY ", text_of(step), count=1, flags=re.IGNORECASE)
        code = autocommit(text)
    elif isinstance(operation, ops.DropIndexOp) and operation.table_name:
        names = f"{quote(str(operation.index_name))}, {quote(operation.table_name)}"
        code = (
            "from alembic_guardrails.op import drop_index_concurrently\n\n"
            f"drop_index_concurrently({names}{schema_option(read_subject(step))})"
        )
    else:
        code = copy_statement(step.span, reading)
    return Help(rule.advice, (Code(OWN, code),))


def index_column(
    rule: Rule, subject: Subject, operation: ops.AddColumnOp, reading: Reading
) -> Help:
    """Add a column, and build its index in a revision of its own."""
    added = add_column(subject, operation.column.type, reading.dialect)
    options = ", unique=True" if operation.column.unique else ""
    name = f"ix_{subject.table}_{subject.column}"
    index = write_index(name, subject, quote_all([subject.column]), options)
    return Help(rule.advice, (Code(THIS, added), Code(OWN, index)))


def write_option(value: object) -> str:
    """Write the value of an option, an expression as SQL."""
    if isinstance(value, bool | int | str | list | dict):
        return quote(value) if isinstance(value, str) else repr(value)
    return f"sa.text({quote(str(value))})"


def reindex_concurrently(rule: Rule, step: Step, reading: Reading) -> Help:
    """Build indexes anew concurrently."""
    pattern = r"\b(INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\s+"
    text = re.sub(pattern, r"\1 CONCURRENTLY ", text_of(step), count=1, flags=re.IGNORECASE)
    return Help(rule.advice, (Code(OWN, autocommit(text)),))


def detach_concurrently(rule: Rule, step: Step, reading: Reading) -> Help:
    """Detach a partition concurrently."""
    return Help(rule.advice, (Code(OWN, autocommit(f"{text_of(step)} CONCURRENTLY")),))


TYPED = re.compile(
    r"\b(?:MODIFY\s+(?:COLUMN\s+)?|ALTER\s+(?!TABLE\b)(?:COLUMN\s+)?)"
    rf"{NAME}\s+(?:SET\s+DATA\s+)?(?:TYPE\s+)?(?P<type>\w+(?:\s*\([^()]*\))?)",
    re.IGNORECASE,
)


def change_type(rule: Rule, step: Step, reading: Reading) -> Help:
    """Add a column of the new type, fill it in batches, and drop the old one later."""
    subject = read_subject(step)
    new = subject._replace(column=f"{subject.column}_new")
    old = attribute(subject.table, subject.column)
    if isinstance(step.operation, ops.AlterColumnOp) and step.operation.modify_type is not None:
        type_ = step.operation.modify_type
        text, _ = write_type(type_, reading.dialect)
        this, value = add_column(new, type_, reading.dialect), f"sa.cast({old}, {text})"
    elif match := TYPED.search(text_of(step)):
        table = quoted(reading, subject.schema, subject.table)
        column = f"{quoted(reading, new.column)} {match['type']}"
        this, value = execute(f"ALTER TABLE {table} ADD COLUMN {column}"), old
    else:
        return accept("no row is rewritten")(rule, step, reading)
    where = f"{attribute(new.table, new.column)}.is_(None), {old}.is_not(None)"
    key = key_of(subject, reading)
    fill = backfill(new, key, where=where, value=value, others=[subject.column])
    codes = (Code(THIS, this), Code(NEXT, fill))
    if key == subject.column:
        advice = "Add a column of the new type, fill it in batches, and make a key of it later."
        return Help(advice, codes)
    return Help(rule.advice, (*codes, Code(LATER, drop_column(subject))))


def drop_column(subject: Subject) -> str:
    """Write a call that drops a column, and a comment that allows it."""
    call = (
        f"op.drop_column({quote(subject.table)}, {quote(subject.column)}{schema_option(subject)})"
    )
    return f"{call}  # allow: ban-drop-column ({UNUSED})"


RENAMED = re.compile(rf"\b(?:RENAME\s+(?:COLUMN\s+)?{NAME}\s+TO)\s+(?P<name>{NAME})", re.IGNORECASE)


def rename_column(rule: Rule, step: Step, reading: Reading) -> Help:
    """Add a column with the new name, fill it in batches, and drop the old one later."""
    subject = read_subject(step)
    type_ = type_of(subject, reading)
    new_name = None
    if isinstance(step.operation, ops.AlterColumnOp):
        new_name = step.operation.modify_name
        type_ = step.operation.existing_type or type_
    elif match := RENAMED.search(text_of(step)):
        new_name = unquote(match["name"])
    if not new_name or type_ is None:
        return drop_later(rule, step, reading)
    new = subject._replace(column=str(new_name))
    old = attribute(subject.table, subject.column)
    where = f"{attribute(new.table, new.column)}.is_(None), {old}.is_not(None)"
    key = key_of(subject, reading)
    fill = backfill(new, key, where=where, value=old, others=[subject.column])
    codes = (
        Code(THIS, add_column(new, type_, reading.dialect)),
        Code(NEXT, fill),
        Code(LATER, drop_column(subject)),
    )
    return Help(rule.advice, codes)


TABLE_RENAMED = re.compile(
    rf"(?:ALTER|RENAME)\s+TABLE\s+(?P<old>{NAME})\s+(?:RENAME\s+)?(?:TO|AS)\s+(?P<new>{NAME})",
    re.IGNORECASE,
)


def rename_table(rule: Rule, step: Step, reading: Reading) -> Help:
    """Keep the old name as a view, which PostgreSQL, MySQL and MariaDB write through."""
    if reading.dialect.name == "sqlite":
        return drop_later(rule, step, reading)
    operation = step.operation
    if isinstance(operation, ops.RenameTableOp):
        view = quoted(reading, operation.schema, operation.table_name)
        table = quoted(reading, operation.schema, operation.new_table_name)
    elif found := TABLE_RENAMED.match(text_of(step)):
        view, table = found["old"], found["new"]
    else:
        return drop_later(rule, step, reading)
    kept = allow(step, reading, rule.name, "a view has the old name")
    create = " ".join(["CREATE VIEW", view, "AS SELECT * FROM", table])
    this = f"{kept}\n{execute(create)}"
    later = execute(f"DROP VIEW {view}") + f"  # allow: ban-drop-view ({UNUSED})"
    advice = (
        "Keep the name in the database, or give the old one to a view until no release uses it."
        " Constraints and indexes keep their names: rename those, too."
    )
    return Help(advice, (Code(THIS, this), Code(LATER, later)))


DELETED = re.compile(
    rf"(?:DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?{NAME}\s*$", re.IGNORECASE
)
UPDATED = re.compile(
    rf"UPDATE\s+(?:ONLY\s+)?{NAME}\s+SET\s+(?P<column>{NAME})\s*=\s*"
    r"(?P<value>[^,]+|\w+\([^()]*\))$",
    re.IGNORECASE,
)
# What changes nothing when it is done again, so that a batch can tell which rows are done.
IDEMPOTENT = re.compile(r"(?:lower|upper|trim|ltrim|rtrim|abs|coalesce)\(", re.IGNORECASE)


def change_in_batches(rule: Rule, step: Step, reading: Reading) -> Help:
    """Write a backfill for an UPDATE of one column, or a DELETE; other statements stay."""
    subject, text = read_subject(step), text_of(step)
    key = key_of(subject, reading)
    if DELETED.match(text):
        where = f"{attribute(subject.table, key)}.is_not(None)"
        return Help(rule.advice, (Code(OWN, backfill(subject, key, where=where)),))
    match = UPDATED.match(text)
    if not match:
        return accept("the table is small")(rule, step, reading)
    column, value = unquote(match["column"]), match["value"].strip()
    refers_to_itself = re.search(rf"\b{re.escape(column)}\b", value)
    if refers_to_itself and not IDEMPOTENT.match(value):
        return accept("the table is small")(rule, step, reading)
    subject = subject._replace(column=column)
    expression = f"sa.literal_column({quote(value)})"
    where = f"{attribute(subject.table, column)}.is_distinct_from({expression})"
    code = backfill(subject, key, where=where, value=expression)
    return Help(rule.advice, (Code(OWN, code),))


def split_revision(rule: Rule, step: Step, reading: Reading) -> Help:
    """Leave the changes of the schema here, and do the rest of the block in the next revision."""
    changes = [
        other.span for other in reading.steps if not (other.changes_rows or other.only_reads)
    ]
    schema, rows = split_block(step.span, reading, changes)
    codes = (Code(THIS, schema), Code(NEXT, rows))
    return Help(rule.advice, tuple(code for code in codes if code.text))


def drop_type(rule: Rule, step: Step, reading: Reading) -> Help:
    """Drop the types that the upgrade creates and the downgrade leaves."""
    from alembic_guardrails.lint.rules import left_types

    names = [quoted(reading, name) for name in left_types(reading, step)]
    code = "\n".join(execute(f"DROP TYPE {name}") for name in names)
    return Help(rule.advice, (Code(WAY_BACK, code),))


def accept_unless_alone(rule: Rule, step: Step, reading: Reading) -> Help:
    """Keep the statement, unless it cannot run in a migration at all."""
    is_alone = re.match(
        r"VACUUM\b|FLUSH\b|LOCK\s+(?:INSTANCE|TABLES)\b", text_of(step), re.IGNORECASE
    )
    return Help(rule.advice) if is_alone else accept_small(rule, step, reading)


def advise(rule: Rule, step: Step, reading: Reading) -> Help:
    """Say what to do where no code can."""
    return Help(rule.advice)


def name_constraint(rule: Rule, step: Step, reading: Reading) -> Help:
    """Say which names the naming convention of a new service makes."""
    names = find_unnamed(step.operation, reading.dialect)
    if not names:
        return Help(rule.advice)
    listed = ", ".join(f"name=op.f({quote(name)})" for name in names)
    return Help(f"Give it the name that it has in the models, such as {listed}.")
