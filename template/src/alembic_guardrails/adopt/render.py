"""The parts of a table as the Python of a model: types, columns, constraints, indexes, options."""

import re
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from types import ModuleType
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
    Constraint,
    DefaultClause,
    Dialect,
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
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.types import TypeEngine

# What ranges hold, by the beginning of their name.
RANGES = {
    "DATE": "datetime.date",
    "INT4": "int",
    "INT8": "int",
    "NUM": "Decimal",
    "TS": "datetime.datetime",
    "TSTZ": "datetime.datetime",
}

# What values are in Python where SQLAlchemy does not say it, by the name of their type.
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
    **{f"{name}RANGE": f"Range[{held}]" for name, held in RANGES.items()},
    **{f"{name}MULTIRANGE": f"MultiRange[{held}]" for name, held in RANGES.items()},
}

# Where the words in annotations are imported from.
MODULES = {
    "Any": "typing",
    "BitString": "sqlalchemy.dialects.postgresql",
    "Decimal": "decimal",
    "Literal": "typing",
    "MultiRange": "sqlalchemy.dialects.postgresql.ranges",
    "Range": "sqlalchemy.dialects.postgresql",
    "UUID": "uuid",
}

# GeoAlchemy2's types.
SPATIAL = ("Geometry", "Geography", "Raster")

# Packages that export their types from another module than the one that defines them.
REEXPORTING = ("geoalchemy2", "pgvector")

# What SQLAlchemy repeats of the defaults of its types.
DETAILS = re.compile(
    r"(?:\w*text_type=Text\(\)|_create_events=False|collation='default'|precision=53)(?:, )?"
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


class TypeRenderer(DeclarativeGenerator):
    """Writes types, and collects what a module has to import for them."""

    def __init__(self, metadata: MetaData, dialect: Dialect) -> None:
        # sqlacodegen asks the connection for nothing but its dialect.
        bind: Any = MockConnection(dialect, lambda *arguments: None)
        super().__init__(metadata, bind, [])
        self.dialect: Any = dialect
        self.adapted: dict[str, TypeEngine[Any]] = {}

    @property
    def dialect_package(self) -> ModuleType:
        """SQLAlchemy's package for the database."""
        return import_module(type(self.dialect).__module__.rpartition(".")[0])

    @cached_property
    def importable(self) -> set[str]:
        """What modules may import, so that no class can be called like it."""
        packages = (self.dialect_package, sqlalchemy.schema, sqlalchemy.types)
        return {"Base", "Mapped", "OtherType", "TYPE_CHECKING", *MODULES}.union(*map(dir, packages))

    def add_literal_import(self, pkgname: str, name: str) -> None:
        """Import a name from the outermost package that has it."""
        super().add_literal_import(exporting_module(pkgname, name), name)

    def python_type(self, type_: TypeEngine[Any]) -> str:
        """Write what the values of a type are in Python."""
        if isinstance(type_, ARRAY):
            depth = type_.dimensions or 1
            return "list[" * depth + self.python_type(type_.item_type) + "]" * depth
        if type_.__visit_name__ == "DOMAIN":
            return self.python_type(getattr(type_, "data_type"))  # noqa: B009
        annotation = annotation_of(type_)
        if "datetime." in annotation:
            self.add_module_import("datetime")
        for word in MODULES.keys() & {*re.findall(r"\w+", annotation.partition("'")[0])}:
            self.add_literal_import(MODULES[word], word)
        return annotation

    def sql_type(self, type_: TypeEngine[Any]) -> str:
        """Write a type, the general one if that is the very same in this database."""
        if isinstance(type_, ARRAY):
            self.add_import(type_)
            options = {"dimensions": type_.dimensions} if type_.dimensions else {}
            return render_callable("ARRAY", self.sql_type(type_.item_type), kwargs=options)
        if hasattr(type_, "create_type") and getattr(type_, "name", None):
            return self.named_type(type_)
        if isinstance(type_, OtherType):
            self.add_import(type_)
            return f"OtherType({type_.spec!r})"
        if is_spatial(type_):
            return self.spatial_type(type_)
        key = repr(type_)
        if key not in self.adapted:
            is_enum = isinstance(type_, Enum)
            self.adapted[key] = type_ if is_enum else self.get_adapted_type(type_)
        self.add_import(self.adapted[key])
        return DETAILS.sub("", repr(self.adapted[key])).replace("()", "")

    def named_type(self, type_: TypeEngine[Any]) -> str:
        """Write an enum or a domain of PostgreSQL, which revisions create, not the models."""
        self.add_import(type_)
        details: Any = type_
        if isinstance(type_, Enum):
            parts = [*map(repr, type_.enums), f"name={type_.name!r}"]
        else:
            parts = [repr(details.name), self.sql_type(details.data_type)]
        if details.schema:
            parts.append(f"schema={details.schema!r}")
        return render_callable(type(type_).__name__, *parts, "create_type=False")

    def spatial_type(self, type_: Any) -> str:
        """Write a type of GeoAlchemy2; its index is one like any other."""
        self.add_import(type_)
        name = type(type_).__name__
        parts = [] if name == "Raster" else [repr(type_.geometry_type or "GEOMETRY")]
        options: dict[str, object] = {"srid": int(type_.srid)} if int(type_.srid) > 0 else {}
        return render_callable(name, *parts, kwargs={**options, "spatial_index": False})


def exporting_module(module: str, name: str) -> str:
    """Return the outermost package that exports a name, for those that export names again."""
    if module.partition(".")[0] not in REEXPORTING:
        return module
    parts = module.split(".")
    packages = [".".join(parts[:end]) for end in range(1, len(parts))]
    return next((outer for outer in packages if name in vars(sys.modules[outer])), module)


def annotation_of(type_: TypeEngine[Any]) -> str:
    """Write what the values of a plain type are in Python."""
    if isinstance(type_, Enum) and type_.enums:
        return f"Literal[{', '.join(map(repr, type_.enums))}]"
    if type_.__visit_name__ == "SET":
        return "set[str]"
    try:
        value_type = type_.python_type
    except NotImplementedError:
        value_type = object
    if value_type is object:
        return PYTHON.get(type_.__visit_name__, "Any")
    if value_type.__module__ == "datetime":
        return f"datetime.{value_type.__name__}"
    return value_type.__name__


def is_spatial(type_: object) -> bool:
    """Whether a type is one of GeoAlchemy2's; the package need not be installed."""
    kind = type(type_)
    return kind.__module__.startswith("geoalchemy2.") and kind.__name__ in SPATIAL


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
