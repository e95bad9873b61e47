"""The models of tables: which are classes, and what these and their modules are called."""

from collections.abc import Collection
from dataclasses import dataclass, field
from keyword import iskeyword

from alembic_guardrails.adopt.names import class_name, identifier, module_name, singular, unused
from sqlacodegen.models import ColumnAttribute, Model, ModelClass, RelationshipAttribute
from sqlalchemy import ForeignKeyConstraint, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

# Names that a module with a `Table` may import beside those that `Renderer` lists.
TABLE_MODULE_NAMES = {"conv", "datetime", "text"}


@dataclass
class Models:
    """The models of tables; the dictionaries are by the keys of the tables in their metadata."""

    by_key: dict[str, Model] = field(default_factory=dict)
    links: dict[str, tuple[ForeignKeyConstraint, ForeignKeyConstraint]] = field(
        default_factory=dict
    )
    """The foreign keys of each table that only links rows of two others."""
    row_names: dict[str, str] = field(default_factory=dict)
    """What one row is called, in snake_case."""
    modules: dict[str, str] = field(default_factory=dict)
    """The names of the modules."""

    def describe(self, key: str) -> str:
        """Say what a table became, and why if it is no class."""
        model = self.by_key[key]
        if isinstance(model, ModelClass):
            return f"class {model.name}"
        if key in self.links:
            first, second = (constraint.referred_table.name for constraint in self.links[key])
            return f"Table {model.name}: it links {first} and {second}"
        return f"Table {model.name}: it has no primary key"


def build_models(metadata: MetaData, reserved: Collection[str]) -> Models:
    """Make a named model of each table; no class has a name that a module may import."""
    models = Models()
    tables = sorted(metadata.tables.values(), key=lambda table: (table.schema or "", table.name))
    referred = {
        constraint.referred_table
        for table in tables
        for constraint in table.foreign_key_constraints
    }
    for table in tables:
        if table not in referred and (link := find_link(table)):
            models.links[table.key] = link
            models.by_key[table.key] = Model(table)
        else:
            models.by_key[table.key] = make_model(table)
    name_models(models, reserved)
    return models


def find_link(table: Table) -> tuple[ForeignKeyConstraint, ForeignKeyConstraint] | None:
    """Return the two foreign keys of a table that links rows of two others, and does no more.

    They are all its columns, and its key; a table may have no key at all.
    """
    constraints = sort_foreign_keys(table.foreign_key_constraints)
    columns = [column for constraint in constraints for column in constraint.columns]
    if len(constraints) != 2 or len(columns) != len(table.c) or {*columns} != {*table.c}:
        return None
    has_targets = all([*constraint.referred_table.primary_key] for constraint in constraints)
    is_whole_key = all(key in (set(), {*columns}) for key in unique_columns(table))
    return (constraints[0], constraints[1]) if is_whole_key and has_targets else None


def make_model(table: Table) -> Model:
    """Make a class of a table whose rows a primary key tells apart."""
    if not [*table.primary_key]:
        return Model(table)
    model = ModelClass(table)
    model.columns = [ColumnAttribute(model, column) for column in table.c]
    return model


def name_models(models: Models, reserved: Collection[str]) -> None:
    """Name classes, tables and modules in the singular, each name only once."""
    row_names: set[str] = set()
    modules: set[str] = set()
    class_names = set(reserved)
    table_names = set(TABLE_MODULE_NAMES)
    plain = {key: identifier(model.table.name) for key, model in models.by_key.items()}
    for key, model in models.by_key.items():
        name = singular(plain[key])
        if name != plain[key] and name in plain.values():
            name = plain[key]
        if name in row_names and model.schema:
            name = f"{identifier(model.schema)}_{name}"
        name = unused(name, row_names)
        row_names.add(name)
        if isinstance(model, ModelClass):
            model.name = unused_class_name(class_name(name), class_names)
            class_names.add(model.name)
        else:
            model.name = unused(name, table_names)
            table_names.add(model.name)
        models.row_names[key] = name
        models.modules[key] = unused(module_name(name), modules)
        modules.add(models.modules[key])


def unused_class_name(name: str, used: Collection[str]) -> str:
    """Put words before a name until it is an identifier that nothing else has."""
    while name in used or iskeyword(name) or not name.isidentifier():
        name = f"Table{name}"
    return name


def sort_foreign_keys(
    constraints: Collection[ForeignKeyConstraint],
) -> list[ForeignKeyConstraint]:
    """Sort the foreign keys of a table by the places of their columns."""
    return sorted(
        constraints,
        key=lambda key: ([*map(key.table.c.keys().index, key.column_keys)], str(key.name)),
    )


def is_unique(constraint: ForeignKeyConstraint) -> bool:
    """Whether at most one row refers to each row of the other table."""
    return {*constraint.columns} in unique_columns(constraint.table)


def unique_columns(table: Table) -> list[set[object]]:
    """Return the sets of columns whose values tell all rows of a table apart."""
    found: list[set[object]] = [
        {*key.columns}
        for key in table.constraints
        if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)
    ]
    found += [
        {*index.expressions}
        for index in table.indexes
        if index.unique and not any("_where" in name for name in index.dialect_kwargs)
    ]
    return found


def columns_of(model: Model) -> list[ColumnAttribute]:
    """Return the columns of a class; those of a `Table` have no attributes."""
    return model.columns if isinstance(model, ModelClass) else []


def relationships_of(model: Model) -> list[RelationshipAttribute]:
    """Return the relationships of a class."""
    return model.relationships if isinstance(model, ModelClass) else []
