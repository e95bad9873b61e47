"""The schema of a database as SQL that creates it on an empty one, and SQL that drops it.

The rows are part of it where they are asked for.
"""

from alembic_guardrails.dialects import module_for
from alembic_guardrails.dump.base import Dump, Dumper
from alembic_guardrails.ignore import IgnoreList
from sqlalchemy import Connection


def read_dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool = False) -> Dump:
    """Dump a database, without Alembic's tables and without what the ignore list matches.

    With rows, the dump inserts them and sets sequences. Owners, privileges and passwords are left
    out.

    Raises:
        CommandError: pg_dump is needed and cannot be run, or rows cannot be written as SQL.
    """
    dumper: Dumper = module_for("dump", connection.dialect.name)
    return dumper.dump(connection, ignore_list, with_rows=with_rows)


def read_content(connection: Connection, ignore_list: IgnoreList) -> dict[str, list[str]]:
    """Read the rows and the sequences of a database, without those that the ignore list matches.

    Two databases with the same content give the same result: the rows of a table are sorted.

    Raises:
        CommandError: Rows cannot be written as SQL.
    """
    dumper: Dumper = module_for("dump", connection.dialect.name)
    tables = dict(dumper.read_rows(connection, ignore_list))
    counters = {label: [value] for label, value, _ in dumper.read_counters(connection, ignore_list)}
    return counters | {label: sorted(rows) for label, rows in tables.items() if rows}
