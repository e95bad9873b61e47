"""The types of columns as the Python of a model: what is stored, and what a program gets."""

import re
import sys
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import sqlalchemy
from alembic_guardrails.types import OtherType
from sqlacodegen.generators import DeclarativeGenerator
from sqlacodegen.utils import render_callable
from sqlalchemy import ARRAY, Dialect, Enum, MetaData
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
