"""What a batch says about the table as it is: `copy_from`, `reflect_args`, `naming_convention`.

Alembic makes the new table of these. Here the table itself is what counts, so what they say has to
agree with it; and they give names to constraints that have none.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from alembic.operations.batch import BatchOperationsImpl
from alembic.util import CommandError
from alembic_guardrails._alembic import is_type_bound
from alembic_guardrails.rebuild.definition import (
    Clause,
    ColumnDefinition,
    TableDefinition,
    fold,
    normalise,
)
from alembic_guardrails.rebuild.table import ChangedTable, affinity
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import NullType

# The kinds of clauses that a class of SQLAlchemy's is for.
KINDS: dict[type[Constraint], tuple[str, ...]] = {
    PrimaryKeyConstraint: ("PRIMARY KEY",),
    UniqueConstraint: ("UNIQUE",),
    ForeignKeyConstraint: ("FOREIGN KEY", "REFERENCES"),
    CheckConstraint: ("CHECK",),
}

# Arguments of reflection that change nothing about the table that is read.
HARMLESS = {"autoload_replace", "extend_existing", "keep_existing", "listeners", "resolve_fks"}

Found = tuple[Clause, ColumnDefinition | None]


def kinds_of(constraint: Constraint) -> tuple[str, ...]:
    """Return the kinds of clauses that a constraint can be; all if it does not say."""
    return KINDS.get(type(constraint), sum(KINDS.values(), ("NOT NULL",)))


def local_columns(clause: Clause, column: ColumnDefinition | None) -> list[str]:
    """Return the columns that a key has, folded."""
    return [fold(column.name)] if column else [fold(entry.name) for entry in clause.columns]


def matches(constraint: Constraint, clause: Clause, column: ColumnDefinition | None) -> bool:
    """Whether a clause is what a constraint of SQLAlchemy's describes, apart from its name."""
    if clause.kind not in kinds_of(constraint) or type(constraint) not in KINDS:
        return False
    if isinstance(constraint, CheckConstraint):
        return normalise(str(constraint.sqltext)) == [
            fold(token.identifier) if token.identifier else token.text for token in clause.body
        ]
    names = {fold(name) for name in column_names(constraint)}
    if names != {*local_columns(clause, column)}:
        return False
    if not isinstance(constraint, ForeignKeyConstraint):
        return True
    return fold(clause.referred[0]) == fold(constraint.elements[0].target_fullname.split(".")[0])


def column_names(constraint: Constraint) -> list[str]:
    """Return the names of a constraint's columns, attached to a table or not."""
    if isinstance(constraint, ForeignKeyConstraint):
        return [*constraint.column_keys]
    columns: Any = getattr(constraint, "columns", ())
    return [str(column.name) for column in columns]


def name_by_convention(
    table: TableDefinition,
    clause: Clause,
    column: ColumnDefinition | None,
    names: Mapping[str, str],
) -> str:
    """Return the name that a naming convention gives a constraint; nothing if it gives none."""
    columns = [column.name] if column else [entry.name for entry in clause.columns]
    constraint: Constraint
    referred, targets = clause.referred
    if clause.kind == "UNIQUE":
        constraint = UniqueConstraint(*columns)
    elif clause.kind == "PRIMARY KEY":
        constraint = PrimaryKeyConstraint(*columns)
    elif clause.kind in KINDS[ForeignKeyConstraint]:
        targets = targets or ("id",) * len(columns)
        constraint = ForeignKeyConstraint(columns, [f"{referred}.{name}" for name in targets])
    else:
        return ""
    metadata = MetaData(naming_convention=dict(names))
    if referred:
        Table(referred, metadata, *(Column(name, Integer) for name in dict.fromkeys(targets)))
    others = [Column(one.name, Integer) for one in table.columns]
    Table(table.name, metadata, *others, constraint, extend_existing=True)
    return constraint.name if isinstance(constraint.name, str) else ""


def find_by_name(table: TableDefinition, constraint: Constraint) -> list[Found]:
    """Return the constraints with this name; those of this kind, if there are some."""
    name = fold(str(constraint.name))
    found = [pair for pair in table.all_clauses() if pair[0].name and fold(pair[0].name) == name]
    return [pair for pair in found if pair[0].kind in kinds_of(constraint)] or found


def find_unnamed(
    table: TableDefinition,
    constraint: Constraint,
    stated: list[Constraint],
    convention: Mapping[str, str] | None,
) -> list[Found]:
    """Return the constraints without a name that are called so by what the batch says."""
    name = str(constraint.name)
    unnamed = [pair for pair in table.all_clauses() if not pair[0].name]
    described = [one for one in stated if one.name is not None and str(one.name) == name]
    found = [pair for pair in unnamed if any(matches(one, *pair) for one in described)]
    if not found and convention:
        found = [
            pair
            for pair in unnamed
            if fold(name_by_convention(table, *pair, convention)) == fold(name)
        ]
    return found


def check_columns(
    table: TableDefinition, stated: list[Column[Any]], dialect: Dialect, argument: str
) -> None:
    """Check that the table has the columns that a batch says it has, with such types.

    Raises:
        CommandError: It does not.
    """
    for column in stated:
        present = table.column(column.name)
        if present is None:
            raise CommandError(
                f"{argument} has column {column.name}, which table {table.name} does not have."
            )
        if isinstance(column.type, NullType):
            continue
        type_ = column.type.compile(dialect=dialect).partition(" COLLATE ")[0]
        differs = affinity(type_) != affinity(present.type, is_strict=table.is_strict)
        if differs and "NUMERIC" not in (affinity(type_), affinity(present.type)):
            raise CommandError(
                f"{argument} gives column {column.name} of table {table.name} the type {type_}, but"
                f" it has {present.type or 'none'}: leave {argument} out, and change the type with"
                " batch_op.alter_column()."
            )


def check_constraints(table: TableDefinition, stated: list[Constraint], argument: str) -> None:
    """Check that the table has the constraints that a batch says it has.

    Raises:
        CommandError: It does not.
    """
    for constraint in stated:
        if type(constraint) not in KINDS or is_empty(constraint):
            continue
        named = constraint.name is not None and find_by_name(table, constraint)
        if not named and not any(matches(constraint, *pair) for pair in table.all_clauses()):
            label = constraint.name or f"{KINDS[type(constraint)][0]} of {describe(constraint)}"
            raise CommandError(
                f"{argument} has the constraint {label}, which table {table.name} does not have:"
                " add it with a function of batch_op."
            )


def is_empty(constraint: Constraint) -> bool:
    """Whether this is a primary key without columns, which every table of SQLAlchemy's has."""
    return isinstance(constraint, PrimaryKeyConstraint) and not column_names(constraint)


def describe(constraint: Constraint) -> str:
    """Return what a constraint is about."""
    if isinstance(constraint, CheckConstraint):
        return str(constraint.sqltext)
    return ", ".join(column_names(constraint))


def attach(table: TableDefinition, arguments: tuple[Any, ...], label: str) -> Table:
    """Return a table of SQLAlchemy's with these arguments, so that constraints find their columns.

    Raises:
        CommandError: There is something else among them than columns and constraints.
    """
    for argument in arguments:
        if not isinstance(argument, Column | Constraint):
            raise CommandError(
                f"{label} has a {type(argument).__name__}: write it as a function of batch_op, such"
                " as batch_op.create_index()."
            )
    named = {fold(one.name) for one in arguments if isinstance(one, Column)}
    others = [Column(one.name, Integer) for one in table.columns if fold(one.name) not in named]
    return Table(table.name, MetaData(), *others, *arguments)


def read(batch: BatchOperationsImpl, target: ChangedTable) -> list[Constraint]:
    """Return the constraints that a batch says the table has, after a check of all that it says.

    Raises:
        CommandError: What it says is not so.
    """
    table, dialect = target.table, batch.dialect
    if unknown := {*batch.reflect_kwargs} - HARMLESS:
        raise target.refusal(f"reflect_kwargs has {', '.join(sorted(unknown))}, so leave it out")
    # Alembic has put its own listener behind those of the revision.
    if listeners := batch.reflect_kwargs["listeners"][:-1]:
        reflected = Table(
            target.name,
            MetaData(),
            autoload_with=target.connection,
            listeners=listeners,
            resolve_fks=False,
        )
        check_columns(table, [*reflected.columns], dialect, "reflect_kwargs")
    found: list[Constraint] = []
    if batch.copy_from is not None:
        columns = [*batch.copy_from.columns]
        check_columns(table, columns, dialect, "copy_from")
        named = {fold(column.name) for column in columns}
        if missing := [name for name in table.folded_names if name not in named]:
            raise target.refusal(f"copy_from does not have column {', '.join(missing)}")
        found += [one for one in batch.copy_from.constraints if not is_type_bound(one)]
        check_constraints(table, found, "copy_from")
        check_indexes(target, batch.copy_from.indexes)
    if batch.reflect_args:
        attach(table, batch.reflect_args, "reflect_args")
        columns = [one for one in batch.reflect_args if isinstance(one, Column)]
        check_columns(table, columns, dialect, "reflect_args")
        constraints = [one for one in batch.reflect_args if isinstance(one, Constraint)]
        check_constraints(table, constraints, "reflect_args")
        found += constraints
    return found


def check_indexes(target: ChangedTable, indexes: Iterable[Index]) -> None:
    """Check that a table has the indexes that `copy_from` has.

    Raises:
        CommandError: It does not.
    """
    present = {fold(one.name) for one in target.own}
    for index in indexes:
        if index.name and fold(str(index.name)) not in present:
            raise target.refusal(f"copy_from has index {index.name}, which does not exist")
