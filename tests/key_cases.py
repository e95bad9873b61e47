"""Tables that are made up, with foreign keys and indexes, and how two servers describe them."""

from random import Random

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
TABLES = ("a", "b", "c")
COLUMNS = ("w", "x", "y", "z")


def tables(random: Random) -> MetaData:
    """Return tables that refer to themselves, and to those before them."""
    metadata = MetaData(naming_convention=CONVENTION)
    for name in TABLES:
        table = sa.Table(
            name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            *(
                sa.Column(column, sa.Integer)
                for column in COLUMNS
                if random.random() < 0.9 or column == "w"
            ),
        )
        add_indexes(table, random)
    for table in metadata.tables.values():
        for _ in range(random.choice((0, 1, 1, 2))):
            add_foreign_key(table, random)
    return metadata


def add_indexes(table: sa.Table, random: Random) -> None:
    """Give a table some indexes and UNIQUE, whose names can mean others in other tables."""
    columns = [*table.columns][1:]
    used = set()
    for number in range(random.randint(0, 4)):
        parts = random.sample(columns, random.randint(1, min(3, len(columns))))
        names = tuple(part.name for part in parts)
        if names in used:
            continue
        used.add(names)
        kind = random.choice(("index", "index", "unique", "constraint"))
        name = random.choice((None, f"k{number}", parts[0].name))
        if any(index.name == name for index in table.indexes):
            name = None
        if kind == "constraint":
            table.append_constraint(sa.UniqueConstraint(*parts))
        elif random.random() < 0.1:
            sa.Index(name, parts[0].desc(), *parts[1:], unique=kind == "unique")
        else:
            sa.Index(name, *parts, unique=kind == "unique")


def add_foreign_key(table: sa.Table, random: Random) -> None:
    """Give a table a foreign key to a primary key or to something unique."""
    known = [*table.metadata.tables.values()]
    referred = random.choice(known[: known.index(table) + 1])
    uniques = [
        [column.name for column in part.columns]
        for part in referred.constraints
        if isinstance(part, sa.UniqueConstraint)
    ]
    remote = random.choice([["id"], ["id"], *uniques])
    local = [column.name for column in [*table.columns][1:]]
    if referred is table:
        local = [name for name in local if name not in remote]
    if len(local) < len(remote):
        return
    chosen = random.sample(local, len(remote))
    # Of several foreign keys of the same columns, the last one names the index.
    if any(key.column_keys == chosen for key in table.foreign_key_constraints):
        return
    remote = [f"{referred.name}.{column}" for column in remote]
    delete = random.choice((None, None, "CASCADE"))
    table.append_constraint(sa.ForeignKeyConstraint(chosen, remote, ondelete=delete))


def describe(connection: Connection) -> list[list[str]]:
    """Return the lines of SHOW CREATE TABLE of each table, in an order that is the same always."""
    names = connection.exec_driver_sql("SHOW TABLES").scalars().all()
    statements = [
        connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1] for name in names
    ]
    return [sorted(line.strip(" ,") for line in text.splitlines()) for text in statements]
