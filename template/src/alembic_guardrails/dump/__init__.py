"""The schema of a database as SQL: what builds it on an empty one, exactly, and what drops it.

Its rows as well, where they are asked for.
"""

from alembic_guardrails.dialects import module_for
from alembic_guardrails.dump.base import Dump
from alembic_guardrails.ignore import IgnoreList
from sqlalchemy import Connection


def read_dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool = False) -> Dump:
    """Read how a database's schema is made, without Alembic's tables and those of others.

    With rows it also says how to insert them, and where counters are. Owners, privileges and
    passwords are left out. Raises CommandError if pg_dump is needed and cannot be run, or if rows
    cannot be written.
    """
    dump: Dump = module_for("dump", connection.dialect.name).dump(
        connection, ignore_list, with_rows
    )
    return dump


def read_content(connection: Connection, ignore_list: IgnoreList) -> dict[str, list[str]]:
    """Read what a database holds, but for tables of others: rows in any order, and counters.

    Raises CommandError if something cannot be written as SQL.
    """
    module = module_for("dump", connection.dialect.name)
    tables = dict(module.read_rows(connection, ignore_list))
    counters = {name: [value] for name, value, _ in module.read_counters(connection, ignore_list)}
    return counters | {name: sorted(values) for name, values in tables.items() if values}
