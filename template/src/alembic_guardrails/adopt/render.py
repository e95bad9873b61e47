"""The parts of a table as the Python of a model: columns, their types, constraints, indexes."""

import re
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import sqlalchemy
from alembic_guardrails.types import OtherType
from sqlacodegen.generators import DeclarativeGenerator
from sqlacodegen.utils import render_callable
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    Constraint,
    DefaultClause,
    Enum,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    TextClause,
)
from sqlalchemy.types import TypeEngine

# What values are in Python where SQLAlchemy does not say it, by the name of their type.
RANGES = {
    "DATE": "datetime.date",
    "INT4": "int",
    "INT8": "int",
    "NUM": "Decimal",
    "TS": "datetime.datetime",
    "TSTZ": "datetime.datetime",
}

PYTHON = {
    "BIT": "int",
    "HSTORE": "dict[str, str | None]",
    "MACADDR": "str",
    "MACADDR8": "str",
    "MONEY": "str",
    "OID": "int",
    "TSQUERY": "str",
    "TSVECTOR": "str",
    "YEAR": "int",
    **{f"{name}RANGE": f"Range[{of}]" for name, of in RANGES.items()},
    **{f"{name}MULTIRANGE": f"MultiRange[{of}]" for name, of in RANGES.items()},
}

MODULES = {
    "Any": "typing",
    "BitString": "sqlalchemy.dialects.postgresql",
    "Decimal": "decimal",
    "Literal": "typing",
    "MultiRange": "sqlalchemy.dialects.postgresql.ranges",
    "Range": "sqlalchemy.dialects.postgresql",
    "UUID": "uuid",
}

# What SQLAlchemy repeats of the defaults of its types.
DETAILS = re.compile(
    r"(?:\w*text_type=Text\(\)|_create_events=False|collation='default'|precision=53)(?:, )?"
)

# What `text` would take for a parameter.
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

FOREIGN_KEY_OPTIONS = ("ondelete", "onupdate", "deferrable", "initially", "match", "use_alter")

# What is usual, or not the models' business.
USUAL: dict[str, Any] = {"engine": "InnoDB", "using": "btree"}

OMITTED = re.compile(
    r"\w+?_(?:auto_increment|comment|(?:default[ _])?(?:charset|collate)|row_format)"
)

IDENTITY = {
    "start": (1,),
    "increment": (1,),
    "minvalue": (1,),
    "maxvalue": (2**15 - 1, 2**31 - 1, 2**63 - 1),
    "cycle": (False,),
    "cache": (1,),
}


class Renderer(DeclarativeGenerator):
    """Writes what SQLAlchemy has read, where sqlacodegen leaves out or guesses more exactly."""

    def __init__(self, metadata: MetaData, connection: Connection) -> None:
        super().__init__(metadata, connection, [])
        self.dialect: Any = connection.dialect
        self.adapted: dict[str, TypeEngine[Any]] = {}

    @cached_property
    def taken(self) -> set[str]:
        """What modules may import, so that no model can be called like it."""
        types = sys.modules[type(self.dialect).__module__.rpartition(".")[0]]
        return {"Base", "Mapped", "OtherType", "TYPE_CHECKING", *MODULES}.union(
            *(dir(it) for it in (types, sqlalchemy.schema, sqlalchemy.types))
        )

    def sql(self, words: str) -> str:
        """Write SQL as SQLAlchemy takes it."""
        self.add_literal_import("sqlalchemy", "text")
        return f"text({escaped(words)})"

    def python_type(self, type_: TypeEngine[Any]) -> str:
        """Write what the values of a type are."""
        if isinstance(type_, ARRAY):
            depth = type_.dimensions or 1
            return "list[" * depth + self.python_type(type_.item_type) + "]" * depth
        if type_.__visit_name__ == "DOMAIN":
            return self.python_type(getattr(type_, "data_type"))  # noqa: B009
        if isinstance(type_, Enum) and type_.enums:
            written = f"Literal[{', '.join(map(repr, type_.enums))}]"
        elif type_.__visit_name__ == "SET":
            written = "set[str]"
        else:
            try:
                found = type_.python_type
            except NotImplementedError:
                found = object
            written = found.__name__
            if found is object:
                written = PYTHON.get(type_.__visit_name__, "Any")
            elif found.__module__ == "datetime":
                written = f"datetime.{written}"
        if "datetime." in written:
            self.add_module_import("datetime")
        for word in MODULES.keys() & {*re.findall(r"\w+", written.partition("'")[0])}:
            self.add_literal_import(MODULES[word], word)
        return written

    def sql_type(self, type_: TypeEngine[Any]) -> str:
        """Write a type, the general one if that is the very same in this database."""
        details: Any = type_
        if isinstance(type_, ARRAY):
            self.add_import(type_)
            options = {"dimensions": type_.dimensions} if type_.dimensions else {}
            return render_callable("ARRAY", self.sql_type(type_.item_type), kwargs=options)
        if hasattr(type_, "create_type") and details.name:  # revisions create it
            self.add_import(type_)
            if isinstance(type_, Enum):
                parts = [*map(repr, type_.enums), f"name={type_.name!r}"]
            else:
                parts = [repr(details.name), self.sql_type(details.data_type)]
            if details.schema:
                parts.append(f"schema={details.schema!r}")
            return render_callable(type(type_).__name__, *parts, "create_type=False")
        if isinstance(type_, OtherType):
            self.add_import(type_)
            return f"OtherType({type_.spec!r})"
        written = repr(type_)
        if written not in self.adapted:
            self.adapted[written] = (
                type_ if isinstance(type_, Enum) else self.get_adapted_type(type_)
            )
        self.add_import(self.adapted[written])
        return DETAILS.sub("", repr(self.adapted[written])).replace("()", "")

    def render_column(self, column: Column[Any], show_name: bool, is_table: bool = False) -> str:
        """Write a column, with what it alone refers to."""
        parts = [repr(column.name)] if show_name else []
        parts.append(self.sql_type(column.type))
        options: dict[str, object] = {}
        default = column.server_default
        if isinstance(default, Computed):
            self.add_import(default)
            parts.append(
                f"Computed({escaped(str_of(default.sqltext))}, persisted={default.persisted})"
            )
        elif isinstance(default, Identity):
            self.add_import(default)
            parts.append(render_callable("Identity", kwargs=identity_options(default)))
        for constraint in column.table.foreign_key_constraints:
            if [*constraint.columns] == [column]:
                parts.append(self.foreign_key(constraint))
        if column.primary_key:
            options["primary_key"] = True
            alone = len([*column.table.primary_key]) == 1
            takes_numbers = self.python_type(column.type) == "int"
            if takes_numbers and default is None and not column.foreign_keys:
                counts = column.autoincrement
                if (counts is True and not alone) or (counts is False and alone):
                    options["autoincrement"] = counts
        if column.nullable and column.primary_key and not is_row_id(column):
            options["nullable"] = True
        elif not column.nullable and not column.primary_key and is_table:
            options["nullable"] = False
        if isinstance(default, DefaultClause):
            options["server_default"] = self.sql(str_of(default.arg))
        elif type(default) is FetchedValue:
            self.add_import(default)
            options["server_default"] = "FetchedValue()"
        if column.comment:
            options["comment"] = repr(column.comment)
        name = "Column" if is_table else "mapped_column"
        self.add_literal_import("sqlalchemy" if is_table else "sqlalchemy.orm", name)
        return render_callable(name, *parts, kwargs=options)

    def foreign_key(self, constraint: ForeignKeyConstraint) -> str:
        """Write a foreign key, as a column's if it is of one column."""
        targets = [spec(element) for element in constraint.elements]
        options = {name: getattr(constraint, name) for name in ("name", *FOREIGN_KEY_OPTIONS)}
        written = {name: repr(value) for name, value in options.items() if value}
        written |= self.dialect_options(constraint)
        if len(targets) == 1:
            self.add_literal_import("sqlalchemy", "ForeignKey")
            return render_callable("ForeignKey", repr(targets[0]), kwargs=written)
        self.add_literal_import("sqlalchemy", "ForeignKeyConstraint")
        return render_callable(
            "ForeignKeyConstraint", repr(constraint.column_keys), repr(targets), kwargs=written
        )

    def parts(self, table: Table) -> Iterator[str]:
        """Write the constraints and indexes of a table, but for those that columns have."""
        unnamed = 0
        for it in sorted(table.constraints, key=sort_key):
            name = {"name": repr(str(it.name))} if it.name else {}
            if isinstance(it, ForeignKeyConstraint):
                if len(it.elements) > 1:
                    yield self.foreign_key(it)
                continue
            if isinstance(it, CheckConstraint):
                if it.name:
                    # The convention would change it.
                    self.add_literal_import("sqlalchemy.schema", "conv")
                    name["name"] = f"conv({str(it.name)!r})"
                else:
                    unnamed += 1
                    name["name"] = f"'{unnamed}'"
                arguments = [escaped(str_of(it.sqltext))]
            elif "parts" in it.info:  # it excludes what overlaps
                arguments = [f"({self.sql(of)}, {sign!r})" for of, sign in it.info["parts"]]
                details: Any = it
                name["using"] = repr(details.using)
                if details.where is not None:
                    name["where"] = self.sql(str_of(details.where))
            else:
                columns = [column.name for column in getattr(it, "columns")]  # noqa: B009
                ordered = [column.name for column in table.c if column.primary_key]
                if isinstance(it, PrimaryKeyConstraint) and not name and columns == ordered:
                    continue
                arguments = [*map(repr, columns)]
            self.add_import(it)
            timing = {"deferrable": it.deferrable, "initially": it.initially}
            options = name | {name: repr(value) for name, value in timing.items() if value}
            options |= self.dialect_options(it)
            yield render_callable(type(it).__name__, *arguments, kwargs=options)
        for index in sorted(table.indexes, key=lambda it: str(it.name)):
            yield self.render_index(index)

    def render_index(self, index: Index) -> str:
        """Write an index."""
        self.add_import(index)
        elements = [
            repr(it.name) if isinstance(it, Column) else self.expression(self.compiled(it), index)
            for it in index.expressions
        ]
        options = {"unique": "True"} if index.unique else {}
        options |= self.dialect_options(index)
        return render_callable("Index", repr(index.name), *elements, kwargs=options)

    def expression(self, words: str, index: Index) -> str:
        """Write an expression of an index, as a column if it is called like one in the options."""
        if words not in index.dialect_kwargs.get("postgresql_ops", ()):
            return self.sql(words)
        self.add_literal_import("sqlalchemy", "literal_column")
        return f"literal_column({words!r})"

    def compiled(self, element: Any) -> str:
        """Write a part of an index as the database does."""
        if isinstance(element, TextClause):
            return element.text
        inside = {"include_table": False}
        return str(element.compile(dialect=self.dialect, compile_kwargs=inside))

    def dialect_options(self, item: Constraint | Index | Table) -> dict[str, str]:
        """Write what only this kind of database knows."""
        options = dict(item.dialect_kwargs)
        # What SQLAlchemy reads of a check, it does not hand on by its name.
        if options.pop("dialect_options", {}).get("not_valid"):
            options["postgresql_not_valid"] = True
        return {
            name: self.sql(str_of(value)) if name.endswith("_where") else repr(value)
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
    """Whether this is what SQLite calls a row's number, which is there without a NOT NULL."""
    return (
        column.type.__visit_name__ in ("INTEGER", "integer") and len(column.table.primary_key) == 1
    )


def spec(element: ForeignKey) -> str | tuple[str | None, ...]:
    """What a foreign key is to, in one string unless there are dots in names."""
    names = [name for name in element.target_tokens if name]
    return tuple(names) if "." in "".join(names[-2:]) else ".".join(names)


def escaped(words: str) -> str:
    """Write SQL as a string, without parameters."""
    return repr(PARAMETER.sub(r"\\:", words))


def str_of(clause: Any) -> str:
    """The SQL of what was read, as it was read."""
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
    kinds = ("PrimaryKey", "ForeignKey", "Unique", "Check", "Exclude")
    kind = kinds.index(type(constraint).__name__.removesuffix("Constraint"))
    about = getattr(constraint, "sqltext", None)
    return kind, str(constraint.name or (constraint.columns.keys() if about is None else about))
