"""Indexes that foreign keys need: what MySQL and MariaDB demand of the changes of a table.

A foreign key has an index that begins with its columns. The server makes one, with the foreign
key's name, if there is none, drops it when another takes its place, and refuses to drop the last.
https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.operations.ops import (
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    MigrateOperation,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from alembic_guardrails.autogenerate.mysql import read_index_parts
from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UnaryExpression,
    UniqueConstraint,
    inspect,
)

Columns = tuple[str, ...]


@dataclass
class Keys:
    """The indexes and the foreign keys of a table by their names.

    Of an index there are the columns which a foreign key can use. Nobody knows whether the
    `uncertain` indexes are there: the server may have dropped them with what has come. The `added`
    ones are for foreign keys that nothing else serves. MariaDB `takes_descending` columns.
    """

    indexes: dict[str, Columns]
    foreign_keys: dict[str, CreateForeignKeyOp]
    uncertain: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    takes_descending: bool = False


def read_keys(connection: Connection, table: ModifyTableOps) -> Keys:
    """Read the indexes and the foreign keys of a table."""
    parts = read_index_parts(connection, table.table_name, table.schema)
    found = inspect(connection).get_foreign_keys(table.table_name, schema=table.schema)
    foreign_keys = {
        str(key["name"]): CreateForeignKeyOp(
            key["name"],
            table.table_name,
            key["referred_table"],
            key["constrained_columns"],
            key["referred_columns"],
            source_schema=table.schema,
            referent_schema=key["referred_schema"],
            **key.get("options", {}),
        )
        for key in found
    }
    takes_descending = bool(getattr(connection.dialect, "is_mariadb", False))
    indexes = {name: usable(of_index, takes_descending) for name, of_index in parts.items()}
    return Keys(indexes, foreign_keys, takes_descending=takes_descending)


def usable(parts: Iterable[Mapping[str, Any]], takes_descending: bool) -> Columns:
    """Return the columns with which an index begins, and which are in it whole."""
    columns: list[str] = []
    for part in parts:
        if not part["column_name"] or part["sub_part"] or part["index_type"] != "BTREE":
            break
        if part["collation"] == "D" and not takes_descending:
            break
        columns.append(part["column_name"])
    return tuple(columns)


def is_served(key: CreateForeignKeyOp, indexes: Iterable[Columns]) -> bool:
    """Whether one of the indexes serves a foreign key."""
    columns = tuple(key.local_cols)
    return any(index[: len(columns)] == columns for index in indexes)


def dropped_index(change: MigrateOperation) -> str | None:
    """Return the name of the index that a change drops: UNIQUE is one as well."""
    match change:
        case DropIndexOp(index_name=name):
            return str(name)
        case DropConstraintOp(constraint_type="unique", constraint_name=name):
            return str(name)
    return None


def created_index(
    change: MigrateOperation, takes_descending: bool = False
) -> tuple[str, Columns] | None:
    """Return the name of the index that a change creates, and the columns of it that are usable."""
    match change:
        case CreateIndexOp(index_name=name, columns=parts, kw=options):
            # Not of a part of a column, and not FULLTEXT or SPATIAL.
            return str(name), () if options.keys() - {"unique"} else plain(parts, takes_descending)
        case CreateUniqueConstraintOp(constraint_name=name, columns=parts):
            return str(name), plain(parts, takes_descending)
    return None


def plain(parts: Sequence[Any], takes_descending: bool) -> Columns:
    """Return the columns with which an index begins."""
    columns: list[str] = []
    for part in parts:
        if takes_descending and isinstance(part, UnaryExpression):
            part = part.element
        if not isinstance(part, str | Column):
            break
        columns.append(part if isinstance(part, str) else part.name)
    return tuple(columns)


def dropped_key(change: MigrateOperation) -> str | None:
    """Return the name of the foreign key that a change drops."""
    match change:
        case DropConstraintOp(constraint_type="foreignkey", constraint_name=name):
            return str(name)
    return None


def own_name(key: ForeignKeyConstraint) -> str:
    """Return the name that the server gives to the index which it makes for a foreign key.

    It is that of the foreign key, or of the first column where the server has named both.
    """
    is_named_by_server = re.fullmatch(r"(.*_ibfk_)?\d+", str(key.name))
    return str(key.column_keys[0] if is_named_by_server else key.name)


def is_own_index(index: Index) -> bool:
    """Whether the server has made an index for a foreign key, or would make it."""
    table: Any = index.table
    columns = [getattr(part, "name", None) for part in index.expressions]
    return not index.unique and any(
        columns == key.column_keys and index.name == own_name(key)
        for key in table.foreign_key_constraints
    )


def compare_all_indexes(context: MigrationContext) -> None:
    """Have Alembic leave out nothing but the indexes that the server makes for foreign keys.

    Alembic compares no index that has the name of a column or of a foreign key.
    """

    def correct_for_autogen_constraints(
        _: Iterable[UniqueConstraint],
        indexes: set[Index],
        __: Iterable[UniqueConstraint],
        models: Iterable[Index],
    ) -> None:
        known = {index.name for index in models}
        for index in [index for index in indexes if index.name not in known]:
            if is_own_index(index):
                indexes.remove(index)

    impl: Any = context.impl
    impl.correct_for_autogen_constraints = correct_for_autogen_constraints


def own_index(key: CreateForeignKeyOp) -> CreateIndexOp:
    """Return the creation of the index that the server makes for a foreign key."""
    name, table = str(key.constraint_name), key.source_table
    return CreateIndexOp(name, table, key.local_cols, schema=key.kw.get("source_schema"))


class Arrangement:
    """The changes of a table in an order in which each foreign key has an index at any time.

    An index comes before another one goes. A foreign key that no index of the models serves gets
    one with its own name, which goes with it. Where nobody knows whether that is there, the foreign
    key is made anew, and the server sees to it. `named` are the names of indexes in the models.
    """

    def __init__(
        self, changes: Sequence[MigrateOperation], keys: Keys, named: Collection[str]
    ) -> None:
        self.keys = keys
        self.named = named
        self.first = [change for change in changes if dropped_key(change)]
        self.last = [change for change in changes if isinstance(change, CreateForeignKeyOp)]
        self.rest = [change for change in changes if change not in [*self.first, *self.last]]
        self.drops = {name: change for change in changes if (name := dropped_index(change))}
        self.made: dict[str, MigrateOperation] = {}
        self.new: dict[str, Columns] = {}
        for change in changes:
            if found := created_index(change, keys.takes_descending):
                self.made[found[0]], self.new[found[0]] = change, found[1]
        self.swapped = self.drops.keys() & self.made.keys()
        self.coming = {str(key.constraint_name): key for key in self.last if key.constraint_name}
        self.staying = dict(keys.foreign_keys)
        for change in self.first:
            self.staying.pop(str(dropped_key(change)), None)
        self.temporary = [own_index(keys.foreign_keys[name]).reverse() for name in keys.added]
        self.added: set[str] = set()
        self.left = self.drop_own_indexes()
        self.lasting = {
            name: index
            for name, index in keys.indexes.items()
            if name not in self.left and name not in self.drops
        }
        for name, key in self.staying.items():
            self.serve(name, key)

    def drop_own_indexes(self) -> set[str]:
        """Drop the indexes that the server has made for foreign keys which go."""
        left = set()
        gone = self.keys.foreign_keys.keys() - self.staying.keys()
        for name in sorted(gone & self.keys.indexes.keys() - {*self.named, *self.drops}):
            key = self.keys.foreign_keys[name]
            is_back = name in self.coming and self.coming[name].local_cols == key.local_cols
            if self.keys.indexes[name] == tuple(key.local_cols) and not is_back:
                left.add(name)
                self.first.append(own_index(key).reverse())
        return left

    def serve(self, name: str, key: CreateForeignKeyOp) -> None:
        """See to it that a foreign key which stays has an index."""
        before = [index for old, index in self.keys.indexes.items() if old not in self.left]
        always = [index for new, index in self.new.items() if new not in self.swapped]
        if not is_served(key, before):
            self.make_anew(key)
        elif is_served(key, [*self.lasting.values(), *always]):
            return
        elif name in self.keys.uncertain:
            self.make_anew(key)
        else:
            if is_served(key, self.new.values()):
                self.temporary.append(own_index(key).reverse())
            else:
                self.added.add(name)
            self.made[name], self.new[name] = own_index(key), tuple(key.local_cols)

    def make_anew(self, key: CreateForeignKeyOp) -> None:
        """Drop a foreign key, and create it at the end."""
        self.first.insert(0, DropConstraintOp.from_constraint(key.to_constraint()))
        self.last.append(key)

    def ordered(self) -> list[MigrateOperation]:
        """Return the changes, with those that are needed besides."""
        place = next((n for n, change in enumerate(self.rest) if is_about_index(change)), 0)
        others = [change for change in self.rest if not is_about_index(change)]
        changes: list[MigrateOperation] = [*self.first, *others[:place]]
        changes += [change for name, change in self.made.items() if name not in self.swapped]
        changes += self.drops.values()
        changes += [change for name, change in self.made.items() if name in self.swapped]
        return [*changes, *self.temporary, *others[place:], *self.last]

    def after(self) -> Keys:
        """Return the keys that there are afterwards."""
        passing = {dropped_index(change) for change in self.temporary}
        new = {name: index for name, index in self.new.items() if name not in passing}
        own = self.lasting.keys() & self.staying.keys() - {*self.named, *self.keys.added}
        keys = Keys(self.lasting | new, self.staying | self.coming, set(), self.added)
        keys.takes_descending = self.keys.takes_descending
        keys.uncertain = {name for name in own if is_served(self.staying[name], new.values())}
        make_own_indexes(keys, self.last, own)
        for name in keys.uncertain:
            del keys.indexes[name]
        return keys


def make_own_indexes(keys: Keys, coming: Iterable[CreateForeignKeyOp], own: set[str]) -> None:
    """Make the indexes that the server makes for new foreign keys.

    Of indexes that it has made itself, which those in `own` may be, it keeps the longest, and the
    last of equal ones.
    """
    known = {*own}
    for key in coming:
        name, columns = str(key.constraint_name), tuple(key.local_cols)
        covered = {
            name
            for name in own | keys.uncertain
            if columns[: len(found := keys.indexes[name])] == found
        }
        equal = {name for name in covered if keys.indexes[name] == columns}
        others = [index for name, index in keys.indexes.items() if name not in equal]
        if is_served(key, others):
            continue
        keys.uncertain |= covered & known
        for gone in covered - known:
            del keys.indexes[gone]
            own.discard(gone)
        if not equal & known:
            keys.indexes[name] = columns
            own.add(name)


def index_names(table: ModifyTableOps, context: MigrationContext) -> set[str]:
    """Return the names of a table's indexes in the models."""
    models: list[MetaData] = to_list(context.opts["target_metadata"], [])
    full_name = ".".join(filter(None, (table.schema, table.table_name)))
    tables = [model.tables[full_name] for model in models if full_name in model.tables]
    parts = [part for found in tables for part in (*found.indexes, *found.constraints)]
    return {str(part.name) for part in parts if isinstance(part, Index | UniqueConstraint)}


def is_about_index(change: MigrateOperation) -> bool:
    """Whether a change creates or drops an index."""
    return bool(dropped_index(change) or created_index(change))


def is_about_key(change: MigrateOperation) -> bool:
    """Whether a change creates or drops an index or a foreign key."""
    is_foreign_key = isinstance(change, CreateForeignKeyOp) or dropped_key(change) is not None
    return is_foreign_key or is_about_index(change)
