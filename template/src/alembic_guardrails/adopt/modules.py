"""The tables of a database as SQLAlchemy reads them, and a module of typed models for each."""

import re
import warnings
from collections import defaultdict
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from alembic_guardrails.adopt import Database, TableName, database_for
from alembic_guardrails.adopt.models import (
    MANY,
    build_models,
    key_of,
    name_attributes,
    overlapping,
    relate,
    relationships_of,
)
from alembic_guardrails.adopt.render import Renderer, is_ordered_by_columns
from alembic_guardrails.autogenerate import extend_reflection
from alembic_guardrails.files import run_ruff
from alembic_guardrails.types import OtherType, is_unknown, read_types
from sqlacodegen.models import ColumnAttribute, Model, ModelClass, RelationshipAttribute
from sqlacodegen.utils import render_callable
from sqlalchemy import Column, Connection, Dialect, Index, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import sort_tables_and_constraints

# A type that SQLite takes for a number, as SQLAlchemy does.
NUMERIC = re.compile(r"(?:numeric|decimal)\b", re.IGNORECASE)

# Long strings cannot be wrapped, and names have unusual letters: these lines are marked. A mark can
# have ruff wrap its line, which takes the mark away from what it is about.
FORMATTING = (
    "check --fix --silent --exit-zero",
    "format --silent",
    "check --silent --add-noqa",
    "format --silent",
    "check --fix --silent --exit-zero",
    "check --silent --add-noqa",
)

LONGEST_COMMENT = 90


def read_tables(
    connection: Connection, tables: Collection[TableName]
) -> tuple[MetaData, dict[str, list[str]]]:
    """Read tables, with all that models can say of them.

    Returns with them, by the keys of tables, the tables that their foreign keys refer to and that
    are not among them; these foreign keys are left out.
    """
    database = database_for(connection)
    database.import_types()
    extend_reflection(connection)
    metadata = MetaData()
    with warnings.catch_warnings():
        # Of types and indexes that SQLAlchemy does not know; they are added here.
        warnings.simplefilter("ignore")
        for schema in {schema for schema, _ in tables}:
            # From a list of names, SQLAlchemy would leave out those that another schema has too.
            names = {name for table_schema, name in tables if table_schema == schema}
            only = partial(is_among, names)
            metadata.reflect(connection, schema, only=only, resolve_fks=False)
        name_types(connection, database, metadata)
        database.complete(connection, metadata)
    left_out = leave_out_foreign_keys(metadata)
    defer_cyclic_keys(metadata)
    return metadata, left_out


def is_among(names: Collection[str], name: str, metadata: MetaData) -> bool:
    """Whether a table is to be read."""
    return name in names


def list_columns(metadata: MetaData) -> list[Column[Any]]:
    """List the columns of all tables."""
    return [column for table in metadata.tables.values() for column in table.c]


def leave_out_foreign_keys(metadata: MetaData) -> dict[str, list[str]]:
    """Remove the foreign keys to tables that were not read; return what they refer to."""
    left_out: dict[str, list[str]] = {}
    for key, table in metadata.tables.items():
        for constraint in [*table.foreign_key_constraints]:
            target = ".".join(filter(None, constraint.elements[0].target_tokens[:2]))
            if target not in metadata.tables:
                left_out.setdefault(key, []).append(target)
                table.constraints.remove(constraint)
                for element in constraint.elements:
                    table.foreign_keys.discard(element)
                    element.parent.foreign_keys.discard(element)
    return left_out


def defer_cyclic_keys(metadata: MetaData) -> None:
    """Have foreign keys that form a cycle created after all tables."""
    sort: Any = sort_tables_and_constraints  # has no types
    ordered = sort(metadata.tables.values())
    *_, (_, in_cycles) = ordered
    for constraint in in_cycles:
        constraint.use_alter = True


def name_types(connection: Connection, database: Database, metadata: MetaData) -> None:
    """Name the types that SQLAlchemy does not know as the database does."""
    unknown = [
        column
        for column in list_columns(metadata)
        if is_unknown(column.type) or column.type.__visit_name__ in database.unknown_types
    ]
    if not unknown:
        return
    declared = read_types(connection)
    for column in unknown:
        place = (column.table.schema, column.table.name, column.name)
        spec = declared.get(place, "")
        if not NUMERIC.match(spec):
            column.type = OtherType(spec)


def write_models(
    connection: Connection,
    tables: Collection[TableName],
    folder: Path,
    base: type[DeclarativeBase],
    package: str,
) -> tuple[dict[TableName, str], MetaData]:
    """Write a typed model for each table into `folder`, a module each, for a package of models.

    Returns what each table became, in words, and the tables as they were read.
    """
    metadata, left_out = read_tables(connection, tables)
    writer = ModuleWriter(metadata, connection.dialect, base, package)
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in writer.write().items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    for command in FORMATTING:
        run_ruff(*command.split(), "--config", "pyproject.toml", "--no-cache", str(folder))
    descriptions = {}
    for table in tables:
        key = ".".join(filter(None, table))
        descriptions[table] = writer.models.describe(key)
        if key in left_out:
            targets = ", ".join(sorted(left_out[key]))
            descriptions[table] += f", without its foreign keys to {targets}"
    return descriptions, metadata


class ModuleWriter(Renderer):
    """Writes the modules of a set of tables."""

    def __init__(
        self,
        metadata: MetaData,
        dialect: Dialect,
        base: type[DeclarativeBase],
        package: str,
    ) -> None:
        super().__init__(metadata, dialect)
        self.base_class, self.package = base, package
        self.models = build_models(metadata, self.importable)
        self.pairs = relate(self.models)
        self.forward = {id(pair.forward) for pair in self.pairs}
        # What the module of each table imports, which is known when it has been written once.
        self.imported: dict[str, set[str]] = {key: set() for key in self.models.by_key}

    def write(self) -> dict[str, str]:
        """Write the modules; return their text by their name."""
        inherited = {*dir(self.base_class)}
        for _ in range(2):
            reserved = {key: inherited | names for key, names in self.imported.items()}
            name_attributes(self.models, self.pairs, reserved)
            texts = {name: self.module(key) for key, name in self.models.modules.items()}
        return texts

    def module(self, key: str) -> str:
        """Write the module of a table."""
        self.imports = defaultdict(set)
        self.module_imports = set()
        self.add_literal_import(self.base_class.__module__, "Base")
        model = self.models.by_key[key]
        if isinstance(model, ModelClass):
            code = self.render_class(model)
        else:
            code = self.render_plain_table(model)
        after = [self.ordered_index(model, index) for index in sorted_by_columns(model)]
        self.imported[key] = {name for names in self.imports.values() for name in names}
        self.imported[key] |= self.module_imports
        lines = [docstring(model), *self.import_lines(model), "", code, *after, ""]
        return "\n".join(lines)

    def import_lines(self, model: Model) -> list[str]:
        """Write what a module imports; ruff sorts it."""
        # A type of the dialect knows more than its namesake.
        self.imports["sqlalchemy"] -= {
            name
            for package, names in self.imports.items()
            if "dialects" in package
            for name in names
        }
        lines = [f"import {name}" for name in self.module_imports]
        lines += [
            f"from {package} import {name}"
            for package, names in self.imports.items()
            for name in names
        ]
        targets = {relationship.target.table.key for relationship in relationships_of(model)} - {
            model.table.key
        }
        if targets:
            lines += ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:"]
        for target in sorted(targets):
            module, name = self.models.modules[target], self.models.by_key[target].name
            lines.append(f"    from {self.package}.{module} import {name}")
        return lines

    def render_plain_table(self, model: Model) -> str:
        """Write a table without a class."""
        self.add_literal_import("sqlalchemy", "Table")
        columns = [self.render_column(column, True, is_table=True) for column in model.table.c]
        parts = [
            repr(model.table.name),
            "Base.metadata",
            *columns,
            *self.table_parts(model.table),
        ]
        options = self.table_options(model.table)
        return f"{model.name} = {render_callable('Table', *parts, kwargs=options)}"

    def render_class(self, model: ModelClass) -> str:
        """Write a class, with its columns in their order."""
        lines = [f"class {model.name}(Base):", f"__tablename__ = {model.table.name!r}"]
        parts = [*self.table_parts(model.table)]
        if options := self.table_options(model.table):
            items = ", ".join(f"{name!r}: {value}" for name, value in options.items())
            parts.append("{" + items + "}")
        if parts:
            lines.append(f"__table_args__ = ({', '.join(parts)},)")
        self.add_literal_import("sqlalchemy.orm", "Mapped")
        lines += ["", *map(self.render_attribute, model.columns)]
        lines += ["", *map(self.render_relationship, model.relationships)]
        return "\n    ".join(lines)

    def render_attribute(self, attribute: ColumnAttribute) -> str:
        """Write a column of a class."""
        column = attribute.column
        annotation = self.python_type(column.type)
        if column.nullable and not column.primary_key:
            annotation += " | None"
        code = self.render_column(column, attribute.name != column.name)
        return f"{attribute.name}: Mapped[{annotation}] = {code}"

    def render_relationship(self, relationship: RelationshipAttribute) -> str:
        """Write one direction of a relationship."""
        self.add_literal_import("sqlalchemy.orm", "relationship")
        options = self.link_options(relationship)
        for option in ("remote_side", "foreign_keys"):
            if attributes := getattr(relationship, option):
                options[option] = list_attributes(relationship, attributes)
        options["back_populates"] = repr(str(relationship.backref))
        if names := overlapping(relationship, self.pairs):
            options["overlaps"] = repr(",".join(names))
        annotation = self.annotation(relationship)
        code = render_callable("relationship", kwargs=options)
        return f"{relationship.name}: Mapped[{annotation}] = {code}"

    def annotation(self, relationship: RelationshipAttribute) -> str:
        """Write what a relationship leads to: a list, a row, or perhaps a row."""
        target = relationship.target.name
        if relationship.type in MANY:
            return f'list["{target}"]'
        columns = key_of(relationship).columns
        is_forward = id(relationship) in self.forward
        if is_forward and not any(column.nullable for column in columns):
            return f'"{target}"'
        return f'"{target} | None"'

    def link_options(self, relationship: RelationshipAttribute) -> dict[str, str]:
        """Write the table between two classes, and how a class is linked with itself."""
        if not relationship.association_table:
            return {}
        key = relationship.association_table.table.key
        is_name = key.isidentifier()
        options = {"secondary": repr(key) if is_name else f"lambda: Base.metadata.tables[{key!r}]"}
        if relationship.source is relationship.target and relationship.backref:
            options["primaryjoin"] = self.join(relationship, relationship.backref)
            options["secondaryjoin"] = self.join(relationship, relationship)
        return options

    def join(self, relationship: RelationshipAttribute, direction: RelationshipAttribute) -> str:
        """Write how rows of a class and of the link in one direction belong together."""
        constraint = key_of(direction)
        link = f"Base.metadata.tables[{constraint.table.key!r}].c"
        source = relationship.source
        parts = [
            f"{source.name}.{source.get_column_attribute(element.column.name).name}"
            f" == {link}[{element.parent.name!r}]"
            for element in constraint.elements
        ]
        if len(parts) == 1:
            return f"lambda: {parts[0]}"
        self.add_literal_import("sqlalchemy", "and_")
        return f"lambda: and_({', '.join(parts)})"

    def ordered_index(self, model: Model, index: Index) -> str:
        """Write an index that orders columns, after the class or table that has them."""
        elements = []
        for element in index.expressions:
            column = element if isinstance(element, Column) else getattr(element, "element", None)
            if not isinstance(column, Column):
                elements.append(self.index_expression(self.compiled(element), index))
                continue
            if isinstance(model, ModelClass):
                place = f"{model.name}.{model.get_column_attribute(column.name).name}"
            else:
                place = f"{model.name}.c[{column.name!r}]"
            elements.append(place if element is column else f"{place}.desc()")
        return self.index(index, elements)


def sorted_by_columns(model: Model) -> list[Index]:
    """Return the indexes that are written after the class or table."""
    indexes = sorted(model.table.indexes, key=lambda index: str(index.name))
    return [index for index in indexes if is_ordered_by_columns(index)]


def list_attributes(
    relationship: RelationshipAttribute, attributes: Collection[ColumnAttribute]
) -> str:
    """Write columns for an option of a relationship: as names in their own class, else as text."""
    if all(attribute.model is relationship.source for attribute in attributes):
        return f"[{', '.join(attribute.name for attribute in attributes)}]"
    names = ", ".join(f"{attribute.model.name}.{attribute.name}" for attribute in attributes)
    return f"'[{names}]'"


def docstring(model: Model) -> str:
    """Write the docstring of a module: the table's comment, or its name."""
    comment = " ".join((model.table.comment or "").split())
    if not comment or len(comment) > LONGEST_COMMENT:
        comment = f"Table {model.table.name}."
    escaped = comment.replace("\\", "\\\\").replace('"', "'")
    return f'"""{escaped}"""'
