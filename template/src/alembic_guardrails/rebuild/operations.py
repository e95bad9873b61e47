"""What a batch of Alembic and each operation of it do to the definition of a table on SQLite."""

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Any

from alembic.operations.batch import BatchOperationsImpl
from alembic.util import CommandError
from alembic_guardrails._alembic import has_name, is_made, is_type_bound
from alembic_guardrails.guard.failure import logger
from alembic_guardrails.rebuild import edit, stated
from alembic_guardrails.rebuild.definition import (
    Clause,
    ColumnDefinition,
    fold,
    normalise,
    parse_table,
    same,
)
from alembic_guardrails.rebuild.table import ChangedTable, savepoint
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Constraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
)
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import to_instance

# Operations that change no table: SQLite keeps no comments, and indexes have their own statements.
COMMENTS = ("create_column_comment", "create_table_comment", "drop_table_comment")
INDEXES = ("create_index", "drop_index")

# What a column can get besides a name, and what stands for none of it.
CHANGES = {"nullable": None, "server_default": False, "type_": None}

# The options of a table in SQLAlchemy, and what they are in SQLite.
OPTIONS = {("sqlite_strict", True): "STRICT", ("sqlite_with_rowid", False): "WITHOUT ROWID"}
AUTOINCREMENT = ("sqlite_autoincrement", True)

Operation = tuple[str, tuple[Any, ...], dict[str, Any]]


class BatchChange:
    """Applies the operations of a batch to a table."""

    def __init__(self, batch: BatchOperationsImpl, target: ChangedTable) -> None:
        """Check what the batch says about the table.

        Raises:
            CommandError: It is not so.
        """
        self.batch = batch
        self.target = target
        self.dialect = batch.dialect
        self.always = batch.recreate == "always"
        # What columns are called now, by the names, folded, by which Alembic finds them: those that
        # they had before the batch, or that it has added them by.
        self.names = {name: name for name in target.table.folded_names}
        # Names of constraints, folded, that went with a column.
        self.gone: set[str] = set()
        self.described = stated.read(batch, target)

    def run(self) -> None:
        """Apply the operations in their order; indexes are dropped first and created last."""
        operations: list[Operation] = [*self.batch.batch]
        for name, arguments, options in operations:
            if name == "drop_index":
                self.batch.impl.drop_index(*arguments, **options)
        self.target.read()
        for is_rename, group in groupby(
            [*self.in_order(operations)], lambda step: step[0] == "rename"
        ):
            if is_rename:
                self.rename([arguments for _, arguments, _ in group])
            else:
                for name, arguments, options in drops_first([*group]):
                    getattr(self, name)(*arguments, **options)
        self.apply_arguments()
        self.target.apply(always=self.always)
        for name, arguments, options in operations:
            if name == "create_index":
                self.create_index(*arguments, **options)

    def in_order(self, operations: Sequence[Operation]) -> list[Operation]:
        """Return the operations but those of indexes, with a step for each new name of a column.

        New names come first, so that the table is copied once, unless another column has had or
        gets the same name.
        """
        steps: list[Operation] = []
        for name, arguments, options in operations:
            new = options.get("name") if name == "alter_column" else None
            if new is not None and str(new) != str(arguments[1]):
                steps.append(("rename", (str(arguments[1]), str(new)), {}))
            if new is not None and all(
                options.get(one, nothing) is nothing for one, nothing in CHANGES.items()
            ):
                continue
            if name not in (*INDEXES, *COMMENTS):
                steps.append((name, arguments, options))
        renames = [step for step in steps if step[0] == "rename"]
        others = [step for step in steps if step[0] != "rename"]
        if not self.can_rename_first(renames, others):
            return steps
        # By their columns, Alembic finds these under the old names.
        unnamed = [step for step in drops_first(others) if self.drops_unnamed(step)]
        return [*unnamed, *renames, *(step for step in others if step not in unnamed)]

    def can_rename_first(self, renames: list[Operation], others: list[Operation]) -> bool:
        """Whether all new names of columns can be given at once, before all other steps."""
        present = self.target.table.folded_names
        old, new = ([fold(step[1][place]) for step in renames] for place in (0, 1))
        added = [fold(step[1][1].name) for step in others if step[0] == "add_column"]
        after = [*(name for name in present if name not in old), *new]
        is_possible = len(after) == len({*after}) and sorted({*old}) == sorted(old)
        return is_possible and {*old} <= {*present} and not {*added} & {*present, *new}

    def drops_unnamed(self, step: Operation) -> bool:
        """Whether a step drops a constraint that has no name in the table, and is no type's."""
        if step[0] != "drop_constraint" or is_type_bound(step[1][0]):
            return False
        return not stated.find_by_name(self.target.table, step[1][0])

    def rename(self, names: Sequence[tuple[str, str]]) -> None:
        """Rename columns, all at once."""
        self.target.apply(always=False)
        pairs = [(self.find(old), new) for old, new in names]
        self.target.rename(pairs)
        now = {fold(old): new for old, new in pairs}
        self.names = {name: now.get(fold(old), old) for name, old in self.names.items()}

    def current(self, name: str) -> str:
        """Return the name that a column has now; a name that it has got in the batch stays."""
        return self.names.get(fold(name), name)

    def find(self, name: str) -> str:
        """Return the name of a column as it stands in the definition.

        Raises:
            CommandError: There is no such column.
        """
        table = parse_table(self.target.text)
        return edit.require_column(table, self.current(name)).name

    def change(self, text: str) -> None:
        """Set what the definition is to be; the change is more than columns added and dropped."""
        if text != self.target.text:
            self.target.is_plain = False
        self.target.text = text

    # Operations, as Alembic calls them.

    def alter_column(
        self,
        table_name: str,
        column_name: str,
        *,
        nullable: bool | None = None,
        server_default: Any = False,
        type_: Any = None,
        **options: Any,
    ) -> None:
        """Change a column; what SQLite does not know, such as a comment, has no effect."""
        name = self.find(column_name)
        if type_ is not None:
            self.set_type(name, to_instance(type_))
        if nullable is not None:
            self.change(edit.set_nullable(self.target.text, name, nullable=nullable))
        if server_default is not False:
            self.set_default(name, server_default)

    def set_type(self, name: str, type_: Any) -> None:
        """Give a column a type, and the collation that the type has."""
        column = self.compile_column(Column(name, type_))
        present = edit.require_column(parse_table(self.target.text), name)
        if normalise(present.type) != normalise(column.type):
            if parse_table(self.target.text).row_number == fold(name):
                raise self.target.refusal(
                    f"column {name} numbers the rows because its type is INTEGER, which has 64 bits"
                    " in SQLite, so leave it as it is: BigInteger().with_variant(Integer, "
                    '"sqlite")'
                )
            self.change(edit.set_type(self.target.text, name, column.type))
            self.target.retyped.add(fold(name))
        if collation := column.clause("COLLATE"):
            self.change(edit.set_clause(self.target.text, name, "COLLATE", collation.text))

    def set_default(self, name: str, default: Any) -> None:
        """Give a column a default, or none.

        Raises:
            CommandError: The column is computed, or would be.
        """
        present = edit.require_column(parse_table(self.target.text), name)
        if isinstance(default, Computed | Identity) or present.clause("AS"):
            raise self.target.refusal(
                f"column {name} is computed, or would be, so drop it and add it again"
            )
        text = edit.drop_clause(self.target.text, name, "DEFAULT") if default is None else ""
        if default is not None:
            column = self.compile_column(Column(name, String(), server_default=default))
            clause = column.clause("DEFAULT")
            if clause is None:
                raise self.target.refusal(f"{default!r} is no default of column {name}")
            text = edit.set_clause(self.target.text, name, "DEFAULT", clause.text)
        self.change(text)

    def compile_column(self, column: Column[Any]) -> ColumnDefinition:
        """Return a column of SQLAlchemy's as SQLite would get it."""
        text = str(CreateColumn(column).compile(dialect=self.dialect))
        return parse_table(f"CREATE TABLE t ({text})").columns[0]

    def add_column(
        self,
        table_name: str,
        column: Column[Any],
        *,
        insert_before: str | None = None,
        insert_after: str | None = None,
        **options: Any,
    ) -> None:
        """Add a column."""
        table = parse_table(self.target.text)
        name = str(column.name)
        if table.column(name) and options.get("if_not_exists"):
            return
        if table.column(name):
            raise self.target.refusal(f"it has a column {name} already")
        definition = str(CreateColumn(column).compile(dialect=self.dialect))
        if column.primary_key and "PRIMARY KEY" not in definition:
            if table.primary_key:
                raise self.target.refusal(
                    f"it has a primary key without column {name}, so write "
                    "batch_op.create_primary_key() as well"
                )
            definition += " PRIMARY KEY"
        before = self.find(insert_before) if insert_before else ""
        if insert_after:
            place = table.folded_names.index(fold(self.find(insert_after))) + 1
            before = table.columns[place].name if place < len(table.columns) else ""
        text = edit.add_column(self.target.text, definition, before)
        if before:
            self.change(text)
        self.target.text = text
        self.target.added.append((name, definition))
        self.names[fold(name)] = name
        if options.get("inline_references"):
            for constraint in {key.constraint for key in column.foreign_keys if key.constraint}:
                self.add_definition(self.compile_constraint(constraint))

    def drop_column(self, table_name: str, column: Column[Any], **options: Any) -> None:
        """Drop a column, with the keys that it is a part of."""
        table = parse_table(self.target.text)
        if options.get("if_exists") and table.column(str(column.name)) is None:
            return
        name = self.find(str(column.name))
        text, lost = edit.drop_column(self.target.text, name)
        self.gone |= constraint_names(self.target.text) - constraint_names(text)
        for key in lost:
            logger.warning("Table %s: %s goes with column %s", self.target.name, key, name)
        added = [one for one, _ in self.target.added]
        if lost or name in added:
            self.target.is_plain = False
        self.target.text = text
        self.names = {old: now for old, now in self.names.items() if fold(now) != fold(name)}
        if name in added:
            del self.target.added[added.index(name)]
        else:
            self.target.dropped.append(name)

    def add_constraint(self, constraint: Constraint) -> None:
        """Add a constraint. A UNIQUE and a foreign key come back without a name, if they had none.

        Raises:
            ValueError: Another one has no name, as in Alembic.
            CommandError: The table has another one with this name.
        """
        can_be_unnamed = isinstance(constraint, ForeignKeyConstraint | UniqueConstraint)
        if not (can_be_unnamed or has_name(constraint)):
            raise ValueError("Constraint must have a name")
        if not is_made(constraint, self.dialect):
            return
        definition = self.compile_constraint(constraint)
        if isinstance(constraint, PrimaryKeyConstraint):
            self.change(edit.drop_primary_key(self.target.text))
        elif isinstance(constraint.name, str):
            present = stated.find_by_name(parse_table(self.target.text), constraint)
            if any(same(clause.text, definition) for clause, _ in present):
                return
            if present:
                raise self.target.refusal(f"it has a constraint {constraint.name} already")
        self.add_definition(definition)

    def add_definition(self, definition: str) -> None:
        """Add a constraint that is written in SQL."""
        self.change(edit.add_constraint(self.target.text, definition))

    def compile_constraint(self, constraint: Constraint, *, with_name: bool = True) -> str:
        """Return a constraint as it stands in CREATE TABLE, with the names that columns have now.

        The SQL of a CHECK has these names already, unless it is that of a type.
        """
        compiler: Any = self.dialect.ddl_compiler
        begin = "CREATE TABLE t (c, "
        text = f"{begin}{str(compiler(self.dialect, None).process(constraint)).strip()})"
        (clause,) = parse_table(text).constraints
        places = [(entry.begin, entry.end, entry.name) for entry in clause.columns]
        if is_type_bound(constraint):
            places += [(token.begin, token.end, token.identifier) for token in clause.body]
        changes = [
            (first, last, self.target.quote(self.current(name)))
            for first, last, name in places
            if name and fold(self.current(name)) != fold(name)
        ]
        first = len(begin) if with_name else clause.tokens[0].begin
        return edit.apply(text, *changes)[first:-1]

    def drop_constraint(self, constraint: Constraint, **options: Any) -> None:
        """Drop a constraint.

        Raises:
            ValueError: There is none, as in Alembic.
            CommandError: There are several.
        """
        if not (is_type_bound(constraint) or constraint.name):
            raise ValueError("Constraint must have a name")
        found = self.find_constraint(constraint)
        if not found:
            is_gone = fold(str(constraint.name)) in self.gone
            if is_gone or is_type_bound(constraint) or options.get("if_exists"):
                return
            raise ValueError(f"No such constraint: '{constraint.name}'{self.hint()}")
        if len(found) > 1 and not is_type_bound(constraint):
            raise self.target.refusal(f"it has {len(found)} constraints {constraint.name}")
        clause = found[0][0]
        self.change(edit.drop_constraint(self.target.text, lambda one: one.begin == clause.begin))

    def hint(self) -> str:
        """Return what to do if a constraint is not found that may have no name in the table."""
        clauses = [clause for clause, _ in parse_table(self.target.text).all_clauses()]
        keys = [one for one in clauses if one.kind in ("FOREIGN KEY", "REFERENCES", "UNIQUE")]
        if self.batch.naming_convention or all(key.name for key in keys):
            return ""
        return (
            ". The table has constraints without a name: write the `naming_convention` that makes "
            "this name into the batch, also if an earlier batch had it"
        )

    def find_constraint(self, constraint: Constraint) -> list[stated.Found]:
        """Return the constraints that one of Alembic's can be."""
        table = parse_table(self.target.text)
        named = isinstance(constraint.name, str) and constraint.name
        if named and (found := stated.find_by_name(table, constraint)):
            return found
        if is_type_bound(constraint):
            definition = self.compile_constraint(constraint, with_name=False)
            return [pair for pair in table.all_clauses() if same(pair[0].text, definition)]
        convention = self.batch.naming_convention
        return stated.find_unnamed(table, constraint, self.described, convention)

    # What the batch itself says.

    def apply_arguments(self) -> None:
        """Apply `table_args`, `table_kwargs` and `partial_reordering`.

        Raises:
            CommandError: One of them says what cannot be done.
        """
        self.apply_constraints()
        for option, value in self.batch.table_kwargs.items():
            if (option, value) == AUTOINCREMENT:
                self.change(edit.set_autoincrement(self.target.text))
            elif (word := OPTIONS.get((option, value is True))) and isinstance(value, bool):
                self.change(edit.set_option(self.target.text, word))
            elif option.startswith("sqlite_") or "_" not in option:
                raise self.target.refusal(f"table_kwargs has {option}={value!r}, so leave it out")
        if orders := self.batch.partial_reordering:
            names = parse_table(self.target.text).folded_names
            wanted = [[fold(self.find(name)) for name in order] for order in orders]
            order = edit.topological(names, edit.pairs_of(wanted))
            if order != names:
                self.change(edit.reorder(self.target.text, order))

    def apply_constraints(self) -> None:
        """Add the constraints of `table_args` that the table does not have.

        Alembic drops each CHECK without a name, so that a revision has to repeat them there.

        Raises:
            CommandError: There is a CHECK without a name that is not repeated.
        """
        arguments = self.batch.table_args
        stated.attach(parse_table(self.target.text), arguments, "table_args")
        if any(isinstance(argument, Column) for argument in arguments):
            raise self.target.refusal("table_args has a column, so write batch_op.add_column()")
        if checks := [one for one in arguments if isinstance(one, CheckConstraint)]:
            for clause, _ in parse_table(self.target.text).all_clauses():
                if clause.kind == "CHECK" and not clause.name and not is_repeated(clause, checks):
                    raise self.target.refusal(
                        f"table_args has a CHECK, but not {clause.text}: write them all, or none,"
                        " because the table keeps those that it has"
                    )
        for constraint in arguments:
            clauses = [*parse_table(self.target.text).all_clauses()]
            named = constraint.name and stated.find_by_name(
                parse_table(self.target.text), constraint
            )
            if named or any(stated.matches(constraint, *pair) for pair in clauses):
                continue
            if isinstance(constraint, PrimaryKeyConstraint):
                self.change(edit.drop_primary_key(self.target.text))
            self.add_definition(self.compile_constraint(constraint))

    def create_index(self, index: Index, **options: Any) -> None:
        """Create an index, whose columns can have old names."""
        columns = [
            self.find(column.name) if isinstance(column, Column) else column
            for column in index.expressions
        ]
        if columns != [getattr(column, "name", column) for column in index.expressions]:
            index = self.batch.operations.schema_obj.index(
                index.name, self.target.name, columns, unique=index.unique, **index.kwargs
            )
        self.batch.impl.create_index(index, **options)


def drops_first(steps: list[Operation]) -> list[Operation]:
    """Return steps with the drops of constraints first, of which a dropped column can be a part.

    One that the same batch has added before stays behind that.
    """
    added: set[str] = set()
    first: list[Operation] = []
    others: list[Operation] = []
    for step in steps:
        name = str(getattr(step[1][0], "name", "")) if step[0].endswith("_constraint") else ""
        if step[0] == "add_constraint":
            added.add(name)
        (first if step[0] == "drop_constraint" and name not in added else others).append(step)
    return first + others


def constraint_names(text: str) -> set[str]:
    """Return the names of the constraints in a definition, folded."""
    return {fold(clause.name) for clause, _ in parse_table(text).all_clauses() if clause.name}


def is_repeated(clause: Clause, checks: Sequence[CheckConstraint]) -> bool:
    """Whether a CHECK of a table is among those of `table_args`."""
    return any(stated.matches(check, clause, None) for check in checks)


def change_table(
    batch: BatchOperationsImpl, flush: Callable[[], None]
) -> Collection[tuple[str, ...]]:
    """Apply the operations of a batch; leave to Alembic what changes no table, and offline SQL.

    Return the foreign keys, as tables and columns, that refer to what is no key any longer: a later
    operation can make it one again.

    Raises:
        CommandError: Something would be lost. Nothing has been changed then.
        NoSuchTableError: The table does not exist.
        ValueError: A constraint that the batch names does not exist.
    """
    operations = {name for name, _, _ in batch.batch}
    is_of_indexes = batch.recreate == "auto" and operations <= {*COMMENTS, *INDEXES}
    if batch.operations.migration_context.as_sql or batch.recreate == "never" or is_of_indexes:
        flush()
        return ()
    name = str(batch.table_name)
    if batch.schema not in (None, "main"):
        if batch.recreate == "auto" and not batch.impl.requires_recreate_in_batch(batch):
            flush()
            return ()
        raise CommandError(
            f"Table {name} cannot be changed in a batch: it is in the database {batch.schema}, and "
            "only main can be changed so."
        )
    connection = batch.operations.get_bind()
    with savepoint(connection, "guardrails_batch"):
        target = ChangedTable(connection, name)
        BatchChange(batch, target).run()
    return target.broken_keys
