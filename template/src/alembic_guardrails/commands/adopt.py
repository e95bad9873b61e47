"""Take over a database that has tables already."""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Collection
from glob import escape

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.adopt.confirm import confirm
from alembic_guardrails.adopt.find import Found, find
from alembic_guardrails.adopt.write import REVISION, write
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.errors import reason
from alembic_guardrails.ignore import IgnoreList, read_ignore_list
from alembic_guardrails.settings import read_settings
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--dry-run", action="store_true", help="look, and change nothing")
    for kind in ("schema", "table"):
        parser.add_argument(
            f"--{kind}",
            action="append",
            dest=f"only_{kind}s",
            metavar="PATTERN",
            help=f"take over this {kind} only; * stands for anything, and it can be repeated",
        )


def adopt(
    config: Config,
    dry_run: bool = False,
    only_schemas: Collection[str] | None = None,
    only_tables: Collection[str] | None = None,
) -> None:
    """Take over the database as it is: write models and a first revision for it, and stamp it.

    The stamp is all that changes in it. Where the first revision is there already, the database is
    only compared with what that builds. A database to try things on is made next to it, and dropped
    at the end. Patterns choose schemas and tables; what they leave out is added to ignore.txt.

    Raises CommandError if the database has a revision or no tables, if what it has cannot be built
    a second time, or if it differs from what the first revision builds.
    """
    # What SQLAlchemy and Alembic do not know of a table, the first revision has.
    warnings.simplefilter("ignore")
    url = read_settings(config).database_url
    ignore_list = read_ignore_list(config)
    bases = ScriptDirectory.from_config(config).get_bases()

    def look(connection: Connection) -> Found:
        return find(connection, ignore_list, only_schemas, only_tables)

    found = reach(url, look)
    if bases:
        confirm(config, url, bases[0], found, ignore_list)
    else:
        patterns = dict.fromkeys([*ignore_list.patterns, *map(escape, found.left_out)])
        write(config, url, found, IgnoreList(tuple(patterns)), dry_run)
    if dry_run:
        config.print_stdout("Nothing was changed: this was a dry run.")
        return
    try:
        command.stamp(config, bases[0] if bases else REVISION)
    except DBAPIError as error:
        raise CommandError(
            f"All files are there, but the database cannot be stamped: {reason(error)}. Run it"
            " again as a user who may create tables."
        ) from error
    config.print_stdout("The database is at revision %s.", bases[0] if bases else REVISION)


def reach(url: URL, work: Callable[[Connection], Found]) -> Found:
    """Read a database; raise CommandError where that cannot be done."""
    try:
        return run_with_connection(url, work)
    except (DBAPIError, UnicodeError, UnreachableError) as error:
        raise CommandError(f"The database cannot be read: {reason(error)}") from error
