"""Typed models, written from the tables of a database."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection
from keyword import iskeyword
from pathlib import Path

from alembic_guardrails.adopt.names import file_name, free, plural, singular, words
from alembic_guardrails.adopt.reflect import read_tables
from alembic_guardrails.adopt.render import Renderer
from alembic_guardrails.formatting import run_ruff
from sqlacodegen.models import (
    ColumnAttribute,
    Model,
    ModelClass,
    RelationshipAttribute,
    RelationshipType,
)
from sqlacodegen.utils import render_callable
from sqlalchemy import (
    Connection,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase

# What SQLAlchemy, Python or Windows would take for something else.
RESERVED = {
    "self",
    "bool",
    "bytes",
    "dict",
    "float",
    "int",
    "list",
    "object",
    "set",
    "str",
}

MANY = (RelationshipType.ONE_TO_MANY, RelationshipType.MANY_TO_MANY)


def write_models(
    connection: Connection,
    tables: Collection[tuple[str | None, str]],
    folder: Path,
    base: type[DeclarativeBase],
    package: str,
) -> dict[tuple[str | None, str], str]:
    """Write a typed model for each table, a module each, into a folder for the package `models`.

    Returns what each became, in words.
    """
    metadata, left_out = read_tables(connection, tables)
    models = Models(metadata, connection, base, package)
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in models.modules().items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    # What cannot be wrapped, such as long strings, is marked.
    for command in (
        "check --fix --silent --exit-zero",
        "format --silent",
        "check --silent --add-noqa",
    ):
        run_ruff(*command.split(), "--config", "pyproject.toml", "--no-cache", str(folder))
    said = {}
    for table in tables:
        key = ".".join(filter(None, table))
        said[table] = models.describe(models.found[key])
        if key in left_out:
            said[table] += f"; not its foreign keys to {', '.join(sorted(left_out[key]))}"
    return said


class Models(Renderer):
    """The models of tables, their names, and what is between them."""

    def __init__(
        self,
        metadata: MetaData,
        connection: Connection,
        base: type[DeclarativeBase],
        package: str,
    ) -> None:
        super().__init__(metadata, connection)
        self.base_class, self.package = base, package
        self.imported: dict[str, set[str]] = {}
        self.found: dict[str, Model] = {}
        self.links: dict[str, tuple[ForeignKeyConstraint, ForeignKeyConstraint]] = {}
        tables = sorted(metadata.tables.values(), key=lambda it: (it.schema or "", it.name))
        referred = {it.referred_table for table in tables for it in table.foreign_key_constraints}
        for table in tables:
            self.found[table.key] = self.model(table, table in referred)
        self.names: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.pairs: list[tuple[RelationshipAttribute, RelationshipAttribute]] = []
        self.forward: set[int] = set()
        self.by_key: defaultdict[ForeignKeyConstraint, list[RelationshipAttribute]]
        self.by_key = defaultdict(list)
        self.name_models()
        self.relate()

    def model(self, table: Table, is_referred_to: bool) -> Model:
        """A class, if rows can be told apart and there is more to them than a link."""
        keys = in_order(table.foreign_key_constraints)
        columns = [column for key in keys for column in key.columns]
        is_link = len(keys) == 2 and len(columns) == len(table.c) and {*columns} == {*table.c}
        targets = [key.referred_table for key in keys]
        if is_link and not is_referred_to and all([*it.primary_key] for it in targets):
            self.links[table.key] = (keys[0], keys[1])
            return Model(table)
        if not [*table.primary_key]:
            return Model(table)
        model = ModelClass(table)
        model.columns = [ColumnAttribute(model, column) for column in table.c]
        return model

    def name_models(self) -> None:
        """Name classes and modules in the singular, so that no two are called the same."""
        used: set[str] = set()
        files: set[str] = set()
        plain = {key: words(model.table.name) for key, model in self.found.items()}
        for key, model in self.found.items():
            name = singular(plain[key])
            if name != plain[key] and name in plain.values():
                name = plain[key]
            if name in used and model.schema:
                name = f"{words(model.schema)}_{name}"
            name = free(name, used)
            used.add(name)
            if isinstance(model, ModelClass):
                model.name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
                while (
                    model.name in self.taken
                    or iskeyword(model.name)
                    or not model.name.isidentifier()
                ):
                    model.name = f"Table{model.name}"
                self.taken.add(model.name)
            else:
                model.name = free(name, {"conv", "datetime", "text"})
            self.names[key] = name
            self.files[key] = free(file_name(name), files)
            files.add(self.files[key])

    def relate(self) -> None:
        """Relate classes by their foreign keys, in both directions."""
        for model in self.found.values():
            known = set()
            for constraint in in_order(model.table.foreign_key_constraints):
                target = self.found[constraint.referred_table.key]
                between = (*constraint.column_keys, target.table.key)
                if all(it.parent is it.column for it in constraint.elements):
                    continue  # a row and itself
                if isinstance(model, ModelClass) and isinstance(target, ModelClass):
                    if between not in known:
                        self.relate_two(model, target, constraint)
                    known.add(between)
        for key, (one, other) in self.links.items():
            link = self.found[key]
            left, right = (self.found[it.referred_table.key] for it in (one, other))
            if isinstance(left, ModelClass) and isinstance(right, ModelClass):
                many = RelationshipType.MANY_TO_MANY
                there = RelationshipAttribute(many, left, right, other, link)
                back = RelationshipAttribute(many, right, left, one, link, there)
                there.backref = back
                self.add(there, back)

    def relate_two(
        self, source: ModelClass, target: ModelClass, constraint: ForeignKeyConstraint
    ) -> None:
        """Relate two classes by a foreign key."""
        single = is_unique(constraint)
        kind = RelationshipType.ONE_TO_ONE if single else RelationshipType.MANY_TO_ONE
        back_kind = RelationshipType.ONE_TO_ONE if single else RelationshipType.ONE_TO_MANY
        there = RelationshipAttribute(kind, source, target, constraint)
        back = RelationshipAttribute(back_kind, target, source, constraint, backref=there)
        there.backref = back
        between = [
            it
            for one, two in ((source, target), (target, source))
            for it in one.table.foreign_key_constraints
            if it.referred_table is two.table
        ]
        if len({*between}) > 1:
            there.foreign_keys = back.foreign_keys = [
                source.get_column_attribute(column.name) for column in constraint.columns
            ]
        if source is target:
            there.remote_side = [
                source.get_column_attribute(element.column.name) for element in constraint.elements
            ]
        self.add(there, back)

    def add(self, there: RelationshipAttribute, back: RelationshipAttribute) -> None:
        """Put the two directions of a relationship into their classes."""
        there.source.relationships.append(there)
        back.source.relationships.append(back)
        self.pairs.append((there, back))
        self.forward.add(id(there))
        self.by_key[key_of(there)] += [there]
        self.by_key[key_of(back)] += [back]

    def name_attributes(self) -> None:
        """Name columns and relationships: nothing that a module imports, and no two the same."""
        used: dict[str, set[str]] = {}
        for key, model in self.found.items():
            used[key] = RESERVED | {*dir(self.base_class), model.name}
            used[key] |= self.imported.get(key, set())
            for it in sorted(
                columns_of(model), key=lambda it: words(it.column.name) != it.column.name
            ):
                it.name = free(words(it.column.name), used[key])
                used[key].add(it.name)

        def name(it: RelationshipAttribute, wanted: str, otherwise: str = "") -> None:
            names = used[it.source.table.key]
            it.name = free(otherwise if otherwise and wanted in names else wanted, names)
            names.add(it.name)

        def ends(it: RelationshipAttribute) -> tuple[str, str, bool]:
            return it.source.table.key, it.target.table.key, it.association_table is None

        several = Counter(ends(there) for there, _ in self.pairs)
        for there, back in self.pairs:
            source, target = (self.names[key] for key in ends(there)[:2])
            alone = several[ends(there)] == 1
            if link := there.association_table:
                same = there.source is there.target
                for way, of in ((there, target), (back, source)):
                    wanted = plural(role(way) if same else of)
                    exact = f"{self.names[link.table.key]}_{wanted}"
                    name(way, wanted if alone else exact, exact)
                continue
            called = role(there)
            wanted = target if alone and called in ("", *names_of(there)) else called or target
            name(there, wanted, f"{called}_{target}" if called not in ("", target) else "")
            backward = plural(source) if back.type in MANY else source
            exact = f"{there.name}_{backward}"
            name(back, backward if alone else exact, exact)

    def modules(self) -> dict[str, str]:
        """Write a module for each table."""
        for _ in range(2):  # what a module imports is known after the first time
            self.name_attributes()
            texts = {self.files[key]: self.module(key) for key in self.found}
        return texts

    def module(self, key: str) -> str:
        """Write the module of a table."""
        self.imports = defaultdict(set)
        self.module_imports = set()
        self.add_literal_import(self.base_class.__module__, "Base")
        model = self.found[key]
        code = self.render_class(model) if isinstance(model, ModelClass) else self.render(model)
        self.imported[key] = {name for names in self.imports.values() for name in names}
        self.imported[key] |= self.module_imports
        of_dialect = {it for of, names in self.imports.items() if "dialects" in of for it in names}
        self.imports["sqlalchemy"] -= of_dialect  # what knows more than its namesake
        lines = [f"import {name}" for name in self.module_imports]
        lines += [
            f"from {of} import {name}" for of, names in self.imports.items() for name in names
        ]
        targets = {it.target.table.key for it in relationships_of(model)} - {key}
        if targets:
            lines += ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:"]
        for target in sorted(targets):
            name = self.found[target].name
            lines.append(f"    from {self.package}.{self.files[target]} import {name}")
        about = " ".join((model.table.comment or "").split())
        if not about or len(about) > 90:
            about = f"Table {model.table.name}."
        about = about.replace("\\", "\\\\").replace('"', "'")
        return "\n".join((f'"""{about}"""', *lines, "", code, ""))

    def render(self, model: Model) -> str:
        """Write a table without a class."""
        self.add_literal_import("sqlalchemy", "Table")
        columns = [self.render_column(column, True, is_table=True) for column in model.table.c]
        parts = [repr(model.table.name), "Base.metadata", *columns, *self.parts(model.table)]
        return f"{model.name} = " + render_callable(
            "Table", *parts, kwargs=self.table_options(model.table)
        )

    def render_class(self, model: ModelClass) -> str:
        """Write a class, with its columns in their order."""
        lines = [f"class {model.name}(Base):", f"__tablename__ = {model.table.name!r}"]
        parts = [*self.parts(model.table)]
        options = ", ".join(
            f"{name!r}: {it}" for name, it in self.table_options(model.table).items()
        )
        parts += ["{" + options + "}"] if options else []
        if parts:
            lines.append(f"__table_args__ = ({', '.join(parts)},)")
        lines.append("")
        self.add_literal_import("sqlalchemy.orm", "Mapped")
        for it in model.columns:
            type_ = self.python_type(it.column.type)
            if it.column.nullable and not it.column.primary_key:
                type_ += " | None"
            column = self.render_column(it.column, it.name != it.column.name)
            lines.append(f"{it.name}: Mapped[{type_}] = {column}")
        lines += ["", *map(self.render_relationship, model.relationships)]
        return "\n    ".join(lines)

    def render_relationship(self, relationship: RelationshipAttribute) -> str:
        """Write one direction of a relationship."""
        self.add_literal_import("sqlalchemy.orm", "relationship")
        constraint, back = key_of(relationship), relationship.backref
        forward = id(relationship) in self.forward
        target = relationship.target.name
        if relationship.type in MANY:
            type_ = f'list["{target}"]'
        elif not forward or any(column.nullable for column in constraint.columns):
            type_ = f'"{target} | None"'
        else:
            type_ = f'"{target}"'
        options = {}
        if link := relationship.association_table:
            name = link.table.key
            options["secondary"] = (
                repr(name) if name.isidentifier() else f"lambda: Base.metadata.tables[{name!r}]"
            )
        for option in ("remote_side", "foreign_keys"):
            attributes = getattr(relationship, option)
            if not attributes:
                continue
            if attributes[0].model is relationship.source:
                options[option] = f"[{', '.join(it.name for it in attributes)}]"
            else:
                there = ", ".join(f"{it.model.name}.{it.name}" for it in attributes)
                options[option] = f"'[{there}]'"
        options["back_populates"] = repr(str(back))
        if relationship.association_table and relationship.source is relationship.target:
            options["primaryjoin"] = self.join(relationship, back)
            options["secondaryjoin"] = self.join(relationship, relationship)
        if overlaps := self.overlaps(relationship):
            options["overlaps"] = repr(",".join(overlaps))
        return f"{relationship.name}: Mapped[{type_}] = " + render_callable(
            "relationship", kwargs=options
        )

    def join(self, relationship: RelationshipAttribute, other: RelationshipAttribute | None) -> str:
        """Write how rows of a class and of a link between them belong together."""
        constraint = key_of(other or relationship)
        link = f"Base.metadata.tables[{constraint.table.key!r}].c"
        parts = [
            f"{relationship.source.name}"
            f".{relationship.source.get_column_attribute(it.column.name).name}"
            f" == {link}[{it.parent.name!r}]"
            for it in constraint.elements
        ]
        if len(parts) == 1:
            return f"lambda: {parts[0]}"
        self.add_literal_import("sqlalchemy", "and_")
        return f"lambda: and_({', '.join(parts)})"

    def overlaps(self, relationship: RelationshipAttribute) -> list[str]:
        """The relationships that write the same column, as keys with a column in common do."""
        constraint = key_of(relationship)
        return sorted(
            {
                it.name
                for other in constraint.table.foreign_key_constraints
                if other is not constraint and {*other.columns} & {*constraint.columns}
                for it in self.by_key[other]
            }
        )

    def describe(self, model: Model) -> str:
        """Say what a table became, and why if it is no class."""
        if isinstance(model, ModelClass):
            return f"class {model.name}"
        if model.table.key in self.links:
            one, other = (it.referred_table.name for it in self.links[model.table.key])
            return f"Table {model.name}: it links {one} and {other}"
        return f"Table {model.name}: it has no primary key"


def key_of(relationship: RelationshipAttribute) -> ForeignKeyConstraint:
    """The foreign key that a relationship follows, of a link the one to its target."""
    if relationship.constraint is None:
        raise ValueError(relationship)
    return relationship.constraint


def names_of(relationship: RelationshipAttribute) -> list[str]:
    """The names of a foreign key's columns, without those that are called alike on both sides."""
    elements = key_of(relationship).elements
    own = [it for it in elements if it.parent.name != it.column.name or len(elements) == 1]
    return [words(it.parent.name) for it in own]


def role(relationship: RelationshipAttribute) -> str:
    """What a foreign key's columns call that which they refer to, if they do."""
    return "_".join(re.sub(r"_(?:id|fk|uuid)$", "", it) for it in names_of(relationship))


def columns_of(model: Model) -> list[ColumnAttribute]:
    """The columns of a class; those of a table have no attributes."""
    return model.columns if isinstance(model, ModelClass) else []


def relationships_of(model: Model) -> list[RelationshipAttribute]:
    """The relationships of a class."""
    return model.relationships if isinstance(model, ModelClass) else []


def in_order(constraints: Collection[ForeignKeyConstraint]) -> list[ForeignKeyConstraint]:
    """Foreign keys in the order of their columns."""
    return sorted(
        constraints, key=lambda it: ([*map(it.table.c.keys().index, it.column_keys)], str(it.name))
    )


def is_unique(constraint: ForeignKeyConstraint) -> bool:
    """Whether each referred row is referred to by one row at most."""
    table, columns = constraint.table, {*constraint.columns}
    return any(
        {*it.columns} == columns
        for it in table.constraints
        if isinstance(it, PrimaryKeyConstraint | UniqueConstraint)
    ) or any(
        {*it.expressions} == columns and not any("_where" in name for name in it.dialect_kwargs)
        for it in table.indexes
        if it.unique
    )
