"""The models of tables, their relationships, and what all of these and their modules are called."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from keyword import iskeyword

from alembic_guardrails.adopt.names import (
    class_name,
    identifier,
    module_name,
    plural,
    singular,
    unused,
)
from sqlacodegen.models import (
    ColumnAttribute,
    Model,
    ModelClass,
    RelationshipAttribute,
    RelationshipType,
)
from sqlalchemy import ForeignKeyConstraint, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

# Names that a module with a `Table` may import beside those that `Renderer` lists.
TABLE_MODULE_NAMES = {"conv", "datetime", "text"}

# What a class body or its annotations would take for something else.
RESERVED = {"self", "bool", "bytes", "dict", "float", "int", "list", "object", "set", "str"}

MANY = (RelationshipType.ONE_TO_MANY, RelationshipType.MANY_TO_MANY)

# What the name of a foreign key's column says beside the name of what it refers to.
AFFIX = re.compile(r"^(?:id|fk)_|_(?:id|fk|uuid|guid)$")

# The same, where the name without it is the target's, or one of several for the same target.
KEY_AFFIX = re.compile(r"_(?:code|key|nr|no|num|number|oid|pk|ref)$")


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


@dataclass(frozen=True)
class Pair:
    """The two directions of a relationship; `forward` follows the foreign key."""

    forward: RelationshipAttribute
    backward: RelationshipAttribute

    @property
    def ends(self) -> tuple[str, str, bool]:
        """The tables on both sides, and whether nothing is between them."""
        source, target = self.forward.source, self.forward.target
        return source.table.key, target.table.key, self.forward.association_table is None


def relate(models: Models) -> list[Pair]:
    """Relate the classes by their foreign keys and by the tables that link them."""
    pairs = []
    for model in models.by_key.values():
        related = set()
        for constraint in sort_foreign_keys(model.table.foreign_key_constraints):
            target = models.by_key[constraint.referred_table.key]
            if all(element.parent is element.column for element in constraint.elements):
                continue  # each row refers to itself
            between = (*constraint.column_keys, target.table.key)
            if isinstance(model, ModelClass) and isinstance(target, ModelClass):
                if between not in related:
                    pairs.append(relate_by_key(model, target, constraint))
                related.add(between)
    for key, (first, second) in models.links.items():
        left, right = (models.by_key[link.referred_table.key] for link in (first, second))
        if isinstance(left, ModelClass) and isinstance(right, ModelClass):
            many, link = RelationshipType.MANY_TO_MANY, models.by_key[key]
            forward = RelationshipAttribute(many, left, right, second, link)
            backward = RelationshipAttribute(many, right, left, first, link)
            pairs.append(connect(forward, backward))
    return pairs


def relate_by_key(source: ModelClass, target: ModelClass, constraint: ForeignKeyConstraint) -> Pair:
    """Relate two classes by a foreign key."""
    is_single = is_unique(constraint)
    kind = RelationshipType.ONE_TO_ONE if is_single else RelationshipType.MANY_TO_ONE
    back_kind = RelationshipType.ONE_TO_ONE if is_single else RelationshipType.ONE_TO_MANY
    forward = RelationshipAttribute(kind, source, target, constraint)
    backward = RelationshipAttribute(back_kind, target, source, constraint)
    between = {
        key
        for one, two in ((source, target), (target, source))
        for key in one.table.foreign_key_constraints
        if key.referred_table is two.table
    }
    if len(between) > 1:
        forward.foreign_keys = backward.foreign_keys = [
            source.get_column_attribute(column.name) for column in constraint.columns
        ]
    if source is target:
        forward.remote_side = [
            source.get_column_attribute(element.column.name) for element in constraint.elements
        ]
    return connect(forward, backward)


def connect(forward: RelationshipAttribute, backward: RelationshipAttribute) -> Pair:
    """Put the two directions of a relationship into their classes."""
    forward.backref, backward.backref = backward, forward
    forward.source.relationships.append(forward)
    backward.source.relationships.append(backward)
    return Pair(forward, backward)


def key_of(relationship: RelationshipAttribute) -> ForeignKeyConstraint:
    """Return the foreign key that a relationship follows; of a link, the one to its target."""
    if relationship.constraint is None:
        raise ValueError(relationship)
    return relationship.constraint


def overlapping(relationship: RelationshipAttribute, pairs: Collection[Pair]) -> list[str]:
    """Return the names of the relationships that write the same column."""
    constraint = key_of(relationship)
    keys = {
        key
        for key in constraint.table.foreign_key_constraints
        if key is not constraint and {*key.columns} & {*constraint.columns}
    }
    directions = (direction for pair in pairs for direction in (pair.forward, pair.backward))
    return sorted({direction.name for direction in directions if key_of(direction) in keys})


# --- Names --------------------------------------------------------------------------------------


def name_attributes(
    models: Models, pairs: Collection[Pair], reserved: Mapping[str, Collection[str]]
) -> None:
    """Name the columns and relationships of all classes, each name in a class only once.

    `reserved` has the names that the module of a table needs for something else, by the table.
    """
    used = {key: {*RESERVED, *reserved[key], model.name} for key, model in models.by_key.items()}
    several = Counter(pair.ends for pair in pairs)
    renamed = rename_columns(models, pairs, several)
    for key, model in models.by_key.items():
        # Columns that are called as they are in the database come first.
        for column in sorted(columns_of(model), key=lambda column: is_changed(column, renamed)):
            wanted = renamed.get(column.column, identifier(column.column.name))
            column.name = unused(wanted, used[key])
            used[key].add(column.name)
    short = strip_prefix(models.row_names)
    for pair in pairs:
        is_alone = several[pair.ends] == 1
        if pair.forward.association_table:
            name_link(pair, models, short, used, is_alone)
        else:
            name_pair(pair, short, used, is_alone)


def is_changed(attribute: ColumnAttribute, renamed: Mapping[object, str]) -> bool:
    """Whether a column is called otherwise in Python."""
    name = attribute.column.name
    return attribute.column in renamed or identifier(name) != name


def strip_prefix(row_names: Mapping[str, str]) -> dict[str, str]:
    """Leave out the word that all names begin with, such as `tbl` or that of the application."""
    prefixes = {name.partition("_")[0] for name in row_names.values()}
    names = [*row_names.values()]
    is_shared = len(prefixes) == 1 and len(names) > 2 and all("_" in name[:-1] for name in names)
    return {
        key: identifier(name.partition("_")[2]) if is_shared else name
        for key, name in row_names.items()
    }


def role_of(relationship: RelationshipAttribute) -> str:
    """Return what the columns of a foreign key call the row that they refer to, or nothing."""
    names = own_column_names(relationship)
    if len(names) > 1:
        return shared_words(names)
    return AFFIX.sub("", "".join(names))


def shared_words(names: list[str]) -> str:
    """Return the words that all names begin with."""
    columns = zip(*(name.split("_") for name in names), strict=False)
    return "_".join(words[0] for words in takewhile(lambda words: len({*words}) == 1, columns))


def own_column_names(relationship: RelationshipAttribute) -> list[str]:
    """Return the columns of a foreign key, but for those that are called alike on both sides."""
    elements = key_of(relationship).elements
    return [
        identifier(element.parent.name)
        for element in elements
        if element.parent.name != element.column.name or len(elements) == 1
    ]


def rename_columns(
    models: Models, pairs: Collection[Pair], several: Mapping[tuple[str, str, bool], int]
) -> dict[object, str]:
    """Find foreign keys whose column is called as the relationship should be.

    A column `parent` that refers to `id` becomes `parent_id`, so that the row can be `parent`.
    """
    renamed: dict[object, str] = {}
    short = strip_prefix(models.row_names)
    for pair in pairs:
        elements = key_of(pair.forward).elements
        if pair.forward.association_table or len(elements) > 1:
            continue
        column, referred = elements[0].parent, elements[0].column
        role, target = role_of(pair.forward), short[pair.forward.target.table.key]
        is_alone = several[pair.ends] == 1 and pair.forward.source is not pair.forward.target
        if column.name == referred.name or role != identifier(column.name):
            continue
        if role == target or not is_alone:
            kind = identifier(referred.name).removeprefix(f"{target}_")
            wanted = f"{role}_{kind}"
            taken = {identifier(other.name) for other in column.table.c}
            if wanted not in taken:
                renamed[column] = wanted
    return renamed


def name_pair(
    pair: Pair, short: Mapping[str, str], used: Mapping[str, set[str]], is_alone: bool
) -> None:
    """Name both directions of a relationship by a foreign key."""
    forward, backward = pair.forward, pair.backward
    source, target = (short[key] for key in pair.ends[:2])
    role, columns = role_of(forward), own_column_names(forward)
    is_self = forward.source is forward.target
    stripped = KEY_AFFIX.sub("", role)
    if role != target and (stripped == target or is_self or not is_alone):
        role = stripped
    # A column that is called by itself, such as `customerid`, says nothing about the row.
    is_vague = not role or (role in columns and is_alone and not is_self)
    exact = f"{role}_{target}" if role not in ("", target) else "_".join(columns)
    set_name(forward, used, target if is_vague else role, exact)

    rows = plural(source) if backward.type in MANY else source
    if is_self and role == "parent":
        rows = "children" if backward.type in MANY else "child"
    exact = f"{forward.name}_{rows}"
    set_name(backward, used, rows if is_alone or forward.name == target else exact, exact)


def name_link(
    pair: Pair,
    models: Models,
    short: Mapping[str, str],
    used: Mapping[str, set[str]],
    is_alone: bool,
) -> None:
    """Name both directions of a relationship by a table that links rows."""
    source, target = (short[key] for key in pair.ends[:2])
    is_self = pair.forward.source is pair.forward.target
    for direction, rows in ((pair.forward, target), (pair.backward, source)):
        link = direction.association_table
        wanted = plural((role_of(direction) if is_self else "") or rows)
        exact = f"{short[link.table.key]}_{wanted}" if link else ""
        set_name(direction, used, wanted if is_alone else exact, exact)


def set_name(
    relationship: RelationshipAttribute, used: Mapping[str, set[str]], wanted: str, otherwise: str
) -> None:
    """Name a relationship, with a longer name where the one that is wanted is used."""
    names = used[relationship.source.table.key]
    relationship.name = unused(otherwise if otherwise and wanted in names else wanted, names)
    names.add(relationship.name)
