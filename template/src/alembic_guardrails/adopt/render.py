"""The parts of a table as the Python of a model: columns, constraints, indexes and options."""

import re
from collections.abc import Iterator
from typing import Any

from alembic_guardrails.adopt.render_types import TypeRenderer
from sqlacodegen.utils import render_callable
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Constraint,
    DefaultClause,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    TextClause,
)

# What `text()` would take for a parameter.
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

FOREIGN_KEY_OPTIONS = ("ondelete", "onupdate", "deferrable", "initially", "match", "use_alter")

# Options of a dialect that say what goes without saying.
USUAL: dict[str, Any] = {"engine": "InnoDB", "using": "btree"}

# Options of a dialect that say nothing about models.
OMITTED = re.compile(
    r"\w+?_(?:auto_increment|comment|(?:default[ _])?(?:charset|collate)|row_format)"
)

# The options of an identity, and the values that they have anyway.
IDENTITY = {
    "start": (1,),
    "increment": (1,),
    "minvalue": (1,),
    "maxvalue": (2**15 - 1, 2**31 - 1, 2**63 - 1),
    "cycle": (False,),
    "cache": (1,),
}

# The order in which constraints are written.
KINDS = ("PrimaryKey", "ForeignKey", "Unique", "Check", "Exclude")


class Renderer(TypeRenderer):
    """Writes what SQLAlchemy has read, where sqlacodegen leaves it out or guesses."""

    def sql(self, expression: str) -> str:
        """Write SQL as SQLAlchemy takes it."""
        self.add_literal_import("sqlalchemy", "text")
        return f"text({escape(expression)})"

    def render_column(self, column: Column[Any], show_name: bool, is_table: bool = False) -> str:
        """Write a column, with the foreign keys that it alone has."""
        parts = [repr(column.name)] if show_name else []
        parts.append(self.sql_type(column.type))
        parts += self.generated(column.server_default)
        parts += [
            self.foreign_key(constraint)
            for constraint in column.table.foreign_key_constraints
            if [*constraint.columns] == [column]
        ]
        options = self.key_options(column)
        if column.nullable and column.primary_key and not is_row_id(column):
            options["nullable"] = "True"
        elif not column.nullable and not column.primary_key and is_table:
            options["nullable"] = "False"
        options |= self.default(column.server_default)
        if column.comment:
            options["comment"] = repr(column.comment)
        name = "Column" if is_table else "mapped_column"
        self.add_literal_import("sqlalchemy" if is_table else "sqlalchemy.orm", name)
        return render_callable(name, *parts, kwargs=options)

    def generated(self, default: object) -> Iterator[str]:
        """Write how the database computes or counts the values of a column, if it does."""
        if isinstance(default, Computed):
            self.add_import(default)
            expression = escape(sql_of(default.sqltext))
            yield f"Computed({expression}, persisted={default.persisted})"
        elif isinstance(default, Identity):
            self.add_import(default)
            yield render_callable("Identity", kwargs=identity_options(default))

    def default(self, default: object) -> dict[str, str]:
        """Write the default of a column, if it has one."""
        if isinstance(default, DefaultClause):
            return {"server_default": self.sql(sql_of(default.arg))}
        if type(default) is FetchedValue:
            self.add_import(default)
            return {"server_default": "FetchedValue()"}
        return {}

    def key_options(self, column: Column[Any]) -> dict[str, str]:
        """Write that a column is part of the primary key, and whether it counts."""
        if not column.primary_key:
            return {}
        options = {"primary_key": "True"}
        is_alone = len([*column.table.primary_key]) == 1
        takes_numbers = self.python_type(column.type) == "int"
        if takes_numbers and column.server_default is None and not column.foreign_keys:
            counts = column.autoincrement
            if (counts is True and not is_alone) or (counts is False and is_alone):
                options["autoincrement"] = repr(counts)
        return options

    def foreign_key(self, constraint: ForeignKeyConstraint) -> str:
        """Write a foreign key, as a column's if it is of one column."""
        targets = [target_of(element) for element in constraint.elements]
        values = {name: getattr(constraint, name) for name in ("name", *FOREIGN_KEY_OPTIONS)}
        options = {name: repr(value) for name, value in values.items() if value}
        options |= self.dialect_options(constraint)
        if len(targets) == 1:
            self.add_literal_import("sqlalchemy", "ForeignKey")
            return render_callable("ForeignKey", repr(targets[0]), kwargs=options)
        self.add_literal_import("sqlalchemy", "ForeignKeyConstraint")
        return render_callable(
            "ForeignKeyConstraint", repr(constraint.column_keys), repr(targets), kwargs=options
        )

    def table_parts(self, table: Table) -> Iterator[str]:
        """Write the constraints and indexes of a table, but for those that columns have."""
        unnamed_checks = 0
        for constraint in sorted(table.constraints, key=sort_key):
            if isinstance(constraint, ForeignKeyConstraint):
                if len(constraint.elements) > 1:
                    yield self.foreign_key(constraint)
            elif isinstance(constraint, CheckConstraint):
                unnamed_checks += not constraint.name
                yield self.check(constraint, unnamed_checks)
            elif "parts" in constraint.info:
                yield self.exclusion(constraint)
            elif not is_usual_key(constraint):
                yield self.key(constraint)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if not is_ordered_by_columns(index):
                yield self.render_index(index)

    def check(self, constraint: CheckConstraint, number: int) -> str:
        """Write a check; one without a name gets a number, as names are made of it."""
        name = repr(str(number))
        if constraint.name:
            # The naming convention would change it.
            self.add_literal_import("sqlalchemy.schema", "conv")
            name = f"conv({str(constraint.name)!r})"
        return self.constraint(constraint, [escape(sql_of(constraint.sqltext))], {"name": name})

    def exclusion(self, constraint: Any) -> str:
        """Write a constraint of PostgreSQL that excludes what overlaps."""
        parts = constraint.info["parts"]
        arguments = [f"({self.sql(element)}, {operator!r})" for element, operator in parts]
        options = {**name_option(constraint), "using": repr(constraint.using)}
        if constraint.where is not None:
            options["where"] = self.sql(sql_of(constraint.where))
        return self.constraint(constraint, arguments, options)

    def key(self, constraint: Any) -> str:
        """Write a primary key or a UNIQUE."""
        arguments = [repr(column.name) for column in constraint.columns]
        return self.constraint(constraint, arguments, name_option(constraint))

    def constraint(
        self, constraint: Constraint, arguments: list[str], options: dict[str, str]
    ) -> str:
        """Write a constraint, and when it is checked."""
        self.add_import(constraint)
        timing = {"deferrable": constraint.deferrable, "initially": constraint.initially}
        options |= {name: repr(value) for name, value in timing.items() if value}
        options |= self.dialect_options(constraint)
        return render_callable(type(constraint).__name__, *arguments, kwargs=options)

    def render_index(self, index: Index) -> str:
        """Write an index that names its columns."""
        elements = [
            repr(element.name)
            if isinstance(element, Column)
            else self.index_expression(self.compiled(element), index)
            for element in index.expressions
        ]
        return self.index(index, elements)

    def index(self, index: Index, elements: list[str]) -> str:
        """Write an index on these elements."""
        self.add_import(index)
        options = {"unique": "True"} if index.unique else {}
        options |= self.dialect_options(index)
        return render_callable("Index", repr(index.name), *elements, kwargs=options)

    def index_expression(self, expression: str, index: Index) -> str:
        """Write an expression of an index, as a column if the options call it like one."""
        if expression not in index.dialect_kwargs.get("postgresql_ops", ()):
            return self.sql(expression)
        self.add_literal_import("sqlalchemy", "literal_column")
        return f"literal_column({expression!r})"

    def compiled(self, element: Any) -> str:
        """Write a part of an index as the database does."""
        if isinstance(element, TextClause):
            return element.text
        options = {"include_table": False}
        return str(element.compile(dialect=self.dialect, compile_kwargs=options))

    def dialect_options(self, item: Constraint | Index | Table) -> dict[str, str]:
        """Write what only this kind of database knows."""
        options = dict(item.dialect_kwargs)
        # What SQLAlchemy reads of a check, it does not hand on by its name.
        if options.pop("dialect_options", {}).get("not_valid"):
            options["postgresql_not_valid"] = True
        return {
            name: self.sql(sql_of(value)) if name.endswith("_where") else repr(value)
            for name, value in options.items()
            if (value not in (None, False, [], {}, ()) or name == "sqlite_with_rowid")
            and not OMITTED.fullmatch(name)
            and USUAL.get(name.partition("_")[2]) != value
        }

    def table_options(self, table: Table) -> dict[str, str]:
        """Write what is said of a table as a whole."""
        options = {"schema": table.schema, "comment": table.comment}
        written = {name: repr(value) for name, value in options.items() if value}
        return written | self.dialect_options(table)


def is_row_id(column: Column[Any]) -> bool:
    """Whether this is the number of a row in SQLite, which is there without a NOT NULL."""
    is_alone = len(column.table.primary_key) == 1
    return is_alone and column.type.__visit_name__ in ("INTEGER", "integer")


def is_usual_key(constraint: Any) -> bool:
    """Whether a constraint is the primary key that the columns declare already."""
    columns = [column.name for column in constraint.columns]
    declared = [column.name for column in constraint.table.c if column.primary_key]
    is_primary = isinstance(constraint, PrimaryKeyConstraint)
    return is_primary and not constraint.name and columns == declared


def is_ordered_by_columns(index: Index) -> bool:
    """Whether an index says of a column in which order it is, as Alembic has to see on MySQL."""
    return bool(index.info.get("ordered_columns"))


def target_of(element: ForeignKey) -> str | tuple[str | None, ...]:
    """Return what a foreign key refers to, in one string unless there are dots in names."""
    names = [name for name in element.target_tokens if name]
    return tuple(names) if "." in "".join(names[-2:]) else ".".join(names)


def name_option(constraint: Constraint) -> dict[str, str]:
    """Write the name of a constraint, if it has one."""
    return {"name": repr(str(constraint.name))} if constraint.name else {}


def escape(expression: str) -> str:
    """Write SQL as a string, without parameters."""
    return repr(PARAMETER.sub(r"\\:", expression))


def sql_of(clause: Any) -> str:
    """Return the SQL of what was read, as it was read."""
    return clause.text if isinstance(clause, TextClause) else str(clause)


def identity_options(identity: Identity) -> dict[str, object]:
    """Write how a column counts, where that is unusual."""
    options: dict[str, object] = {"always": True} if identity.always else {}
    for name, usual in IDENTITY.items():
        value = getattr(identity, name)
        if value is not None and value not in usual:
            options[name] = value
    return options


def sort_key(constraint: Any) -> tuple[int, str]:
    """Order constraints by their kind, and then by name or by what they are about."""
    kind = KINDS.index(type(constraint).__name__.removesuffix("Constraint"))
    about = getattr(constraint, "sqltext", None)
    return kind, str(constraint.name or (constraint.columns.keys() if about is None else about))
