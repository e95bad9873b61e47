"""Every private name of Alembic and SQLAlchemy that this package uses.

A docstring names the version in which the private name was read, and what would replace it, if
that is in sight. The scheduled CI job that runs against pre-releases fails here first.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from inspect import unwrap
from typing import Any

from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.ddl._autogen import ComparisonResult
from alembic.operations import Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import DispatchPriority
from alembic.util.sqla_compat import _get_constraint_final_name, constraint_name_defined
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    CursorResult,
    Dialect,
    Index,
    MetaData,
    Table,
    text,
)
from sqlalchemy.schema import DDLElement
from sqlalchemy.sql.compiler import Compiled
from sqlalchemy.sql.naming import _NONE_NAME, conv  # type: ignore[attr-defined]
from sqlalchemy.types import NullType, TypeEngine

# Takes the heads of the database and the context; returns what the command runs.
Plan = Callable[[tuple[str, ...], MigrationContext], Iterable[MigrationStep]]


def get_plan(context: MigrationContext) -> Plan:
    """Return the function that decides which revisions the command runs.

    Alembic 1.20.1, `runtime/migration.py`. Replaceable once `context.configure()` takes a hook
    that wraps each step; `on_version_apply` is called only after one.
    """
    plan: Any = context._migrations_fn
    return plan  # type: ignore[no-any-return]


def set_plan(context: MigrationContext, plan: Plan) -> None:
    """Replace the function that `get_plan` returns.

    The guard wraps each revision through it (`guard/base.py`); `guard/__init__.py` and
    `history/moved.py` check the heads of the database before the first one.
    """
    # Alembic runs a `StampStep` as well, although its annotation names another step.
    private: Any = context
    private._migrations_fn = plan


def is_in_callers_transaction(context: MigrationContext) -> bool:
    """Whether the connection was in a transaction before Alembic got it.

    Alembic 1.20.1, `runtime/migration.py`. Alembic has no public name for it.
    """
    return context._in_external_transaction


def restart_transaction(context: MigrationContext) -> None:
    """Roll back the transaction that Alembic has begun for a revision, and begin it again.

    Alembic 1.20.1, `runtime/migration.py`. `autocommit_block()` is public; it commits, and begins a
    transaction in the same way afterwards.
    """
    connection: Any = context.connection
    connection.rollback()
    context._transaction = connection.begin()


def rewrite_offline(context: MigrationContext, rewrite: Callable[[Compiled], str]) -> None:
    """Have the SQL of offline mode go through a function, each statement as it was compiled.

    Alembic 1.20.1, `ddl/impl.py`. `static_output()` is public, and gets spaces in the place of
    tabs, also of those in strings.
    """
    private: Any = context.impl

    def write(construct: Any, *options: Any, **more: Any) -> None:
        element = text(construct) if isinstance(construct, str) else construct
        is_literal = private.literal_binds and not isinstance(element, DDLElement)
        arguments = {"literal_binds": True} if is_literal else {}
        compiled = element.compile(dialect=private.dialect, compile_kwargs=arguments)
        private.static_output(rewrite(compiled) + private.command_terminator)

    private._exec = write


def is_stamp(context: MigrationContext) -> bool:
    """Whether the command is `alembic stamp`.

    Alembic 1.20.1, `command.py`: no other command has the option `purge`. The steps of a stamp are
    public, as `StampStep`; there is none if the database is at the revision already.
    """
    return "purge" in context.opts


def upgrade_steps(directory: ScriptDirectory, revision: str, current: Any) -> list[RevisionStep]:
    """Return the steps that `alembic upgrade` would run.

    Alembic 1.20.1, `script/base.py`. `alembic.command.upgrade` calls it; it is not public.
    """
    return directory._upgrade_revs(revision, current)


def load_revisions(directory: ScriptDirectory) -> list[Script]:
    """Return the revisions in all files, also those that make the history unreadable.

    Alembic 1.20.1, `script/base.py`. `walk_revisions()` is public, and raises for two files with
    one id, or a missing parent.
    """
    return [*directory._load_revisions()]


def revisions_in_any_order(directory: ScriptDirectory) -> Iterable[Script]:
    """Return the revisions of a history.

    Alembic 1.20.1, `script/revision.py`. `walk_revisions()` is public, and puts them in order.
    """
    private: Any = directory.revision_map
    return filter(None, private._revision_map.values())  # with a label of a branch also twice


def render_type(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """Write a type as autogenerate does, and collect the imports that it needs.

    Alembic 1.20.1, `autogenerate/render.py`. A `render_item` hook has no public way to it.
    """
    return _repr_type(type_, context)


def compare_tables_first() -> None:
    """Have the comparisons of schemas that plugins have registered run after that of tables.

    Alembic 1.20.1, `util/langhelpers.py`. Before 1.18 they did, and plugins that give no priority
    rely on it: a view is created after its table. Registering has a public name, removing has none.
    """
    registry = comparators._registry
    for target, qualifier, priority in list(registry):
        if target == "schema" and priority is DispatchPriority.MEDIUM:
            moved = registry.pop((target, qualifier, priority))
            registry[target, qualifier, DispatchPriority.LAST][:0] = moved


def equal_index() -> ComparisonResult:
    """Return what `impl.compare_indexes()` returns for two indexes that are the same.

    Alembic 1.20.1, `ddl/_autogen.py`. There is no hook that compares indexes.
    """
    return ComparisonResult.Equal()


def different_index(reason: str) -> ComparisonResult:
    """Return what `impl.compare_indexes()` returns for two indexes that differ.

    Alembic 1.20.1, `ddl/_autogen.py`.
    """
    return ComparisonResult.Different(reason)


def doubles_percents(dialect: Dialect) -> bool:
    """Whether a dialect writes % twice into SQL, for a driver that has parameters such as %s.

    SQLAlchemy 2.1.9, `sql/compiler.py`. There is no public name for it.
    """
    return bool(dialect.identifier_preparer._double_percents)


def variants_of(type_: TypeEngine[Any]) -> list[tuple[TypeEngine[Any], str]]:
    """Return the types that `with_variant()` gives a type, each with the name of its dialect.

    SQLAlchemy 2.1.9, `sql/type_api.py`. There is no public name for them.
    """
    return [(variant, dialect) for dialect, variant in type_._variant_mapping.items()]


def find_type_check(column: Column[Any], dialect: Dialect) -> CheckConstraint | None:
    """Return the check that the type of a column makes on a dialect, of Enum or Boolean.

    SQLAlchemy 2.1.9, `sql/sqltypes.py`. The check of a type looks like that of a table.
    """
    table: Table | None = getattr(column, "table", None)
    for constraint in table.constraints if table is not None else ():
        if not (isinstance(constraint, CheckConstraint) and constraint._type_bound):
            continue
        if column in [*constraint.columns]:
            return constraint if is_made(constraint, dialect) else None
    return None


def is_made(constraint: Constraint, dialect: Dialect) -> bool:
    """Whether a dialect makes a constraint; types make a check only where they are not native.

    SQLAlchemy 2.1.9, `sql/schema.py`. There is no public name for the rule of a constraint.
    """
    rule: Any = constraint._create_rule
    return not rule or bool(rule(dialect.ddl_compiler(dialect, None)))  # type: ignore[arg-type]


def find_final_name(constraint: CheckConstraint, dialect: Dialect) -> str | None:
    """Return the name that a constraint has in the database, cut to the length that it takes.

    Alembic 1.20.1, `util/sqla_compat.py`. The public `format_constraint()` quotes the name.
    """
    name: Any = _get_constraint_final_name(constraint, dialect)
    return name  # type: ignore[no-any-return]


def find_convention_names(models: MetaData, dialect: Dialect) -> Iterator[str]:
    """Yield the names that the naming convention of models makes, of constraints and indexes.

    SQLAlchemy 2.1.9, `sql/naming.py`. The name of a type's check is made when it is compiled.
    """
    for table in models.tables.values():
        items: list[Constraint | Index] = [*table.constraints, *table.indexes]
        for item in items:
            if isinstance(item.name, conv) or item.name is _NONE_NAME:
                yield str(_get_constraint_final_name(item, dialect))


def copy_column(column: Column[Any]) -> Column[Any]:
    """Return a column without a table, and with a type of its own.

    SQLAlchemy 2.1.9, `sql/schema.py`. The public `to_metadata()` copies whole tables.
    """
    return column._copy()


def become_op(operations: Operations) -> None:
    """Have `alembic.op` call these operations, of a subclass of Alembic's own.

    Alembic 1.20.1, `util/langhelpers.py`. `Operations.context()` is public, and makes an instance
    of `Operations` itself, so that a subclass cannot take its place.
    """
    operations._setups[type(operations)] = Operations._setups[Operations]
    operations._install_proxy()


def count_result_columns(compiled: Compiled) -> int:
    """Return how many columns the result of a compiled statement has; 0 if that is not known.

    SQLAlchemy 2.1.9, `sql/compiler.py`. There is no public name; a textual statement has none.
    """
    return len(getattr(compiled, "_result_columns", None) or ())


def rewrite_statements_of_tables(dialect: Dialect, rewrite: Callable[[str], str]) -> None:
    """Have SQLAlchemy read tables of MySQL from what a function returns for their statements.

    SQLAlchemy 2.1.9, `dialects/mysql/base.py`. Replaceable once `dialects/mysql/reflection.py`
    reads invisible columns.
    """
    private: Any = dialect
    show = private._show_create_table
    private._show_create_table = lambda *arguments, **options: rewrite(show(*arguments, **options))


def replace_in_pattern_of_columns(dialect: Dialect, old: str, new: str) -> None:
    """Have SQLAlchemy read columns of MySQL by a pattern that has something else in it.

    SQLAlchemy 2.1.9, `dialects/mysql/reflection.py`. Replaceable once it reads defaults that have a
    space after a parenthesis.
    """
    private: Any = dialect
    parser = private._tabledef_parser
    pattern = parser._re_column
    parser._re_column = re.compile(pattern.pattern.replace(old, new), pattern.flags)


class NamedNullType(NullType):
    """Base of a type that Alembic compares with no other one, but that has a name in SQL.

    SQLAlchemy 2.1.9, `sql/sqltypes.py`. Replaceable once a type can say that it is not compared;
    with `_isnull` a column of it would take over the type of the column that it refers to.
    """

    _isnull = False


def wrap_result(context: Any, wrap: Callable[[CursorResult[Any]], CursorResult[Any]]) -> None:
    """Have the result of an execution go through a function.

    SQLAlchemy 2.1.9, `engine/base.py`. The event `after_execute` is public, and is not called for
    `exec_driver_sql()`.
    """
    set_up = context._setup_result_proxy
    context._setup_result_proxy = lambda: wrap(set_up())


def send(connection: Connection, sql: str) -> list[Any]:
    """Run a query that is not a revision's, without SQLAlchemy's events; return its rows.

    SQLAlchemy 2.1.9, `engine/base.py`. `exec_driver_sql()` is public, and what it does for each
    statement takes longer than the driver does; errors are those that it raises. For SQLite alone:
    a driver of MariaDB in C ended in a segmentation fault after some interruptions.
    """
    private: Any = connection
    if not connection.in_transaction():
        private._autobegin()
    cursor = connection.connection.cursor()
    try:
        connection.dialect.do_execute_no_params(cursor, sql)
        rows = cursor.fetchall()
        cursor.close()
        return [*rows]
    except BaseException as error:
        private._handle_dbapi_exception(error, sql, None, cursor, None)
        raise  # which it has done


# What the end of a batch does, as Alembic has it, also if this module is imported a second time.
_flush_batch = unwrap(BatchOperationsImpl.flush)

# Where a context keeps what takes the place of that.
_BATCHES = "alembic_guardrails_batches"


def take_over_batches(
    context: MigrationContext, apply: Callable[[BatchOperationsImpl, Callable[[], None]], None]
) -> None:
    """Have the batches of a context end in a function, which also gets what Alembic itself does.

    Alembic 1.20.1, `operations/batch.py`. `requires_recreate_in_batch()` of an implementation is
    public, and is not asked with `recreate="always"`. Other contexts of the process are left alone.
    """
    context.opts[_BATCHES] = apply
    private: Any = BatchOperationsImpl
    private.flush = _end_batch


@wraps(_flush_batch)
def _end_batch(batch: BatchOperationsImpl) -> None:
    """End a batch as its context says."""
    flush = partial(_flush_batch, batch)
    apply = batch.operations.migration_context.opts.get(_BATCHES)
    if apply:
        apply(batch, flush)
    else:
        flush()


def is_type_bound(constraint: Constraint) -> bool:
    """Whether a constraint belongs to the type of a column, such as Boolean or Enum.

    SQLAlchemy 2.1.9, `sql/schema.py`. There is no public name for it.
    """
    return bool(constraint._type_bound)


def has_name(constraint: Constraint) -> bool:
    """Whether a constraint has a name, or gets one by a convention.

    Alembic 1.20.1, `util/sqla_compat.py`. SQLAlchemy has a private mark for the second case.
    """
    return constraint_name_defined(constraint.name)
