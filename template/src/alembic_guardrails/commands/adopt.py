"""Adopt a database that has tables already."""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Collection
from glob import escape
from importlib.util import find_spec

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.adopt.inventory import Inventory, Selection, read_inventory
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.errors import reason
from alembic_guardrails.ignore import IgnoreList, read_ignore_list
from alembic_guardrails.settings import read_settings
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

# What writing models takes; comparing a database with the first revision takes none of it.
DEVELOPMENT_DEPENDENCIES = ("inflect", "ruff", "sqlacodegen")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--dry-run", action="store_true", help="look, and change nothing")
    for kind in ("schema", "table"):
        parser.add_argument(
            f"--{kind}",
            action="append",
            dest=f"only_{kind}s",
            metavar="PATTERN",
            help=f"only {kind}s like this (* is anything); can be repeated",
        )


def adopt(
    config: Config,
    dry_run: bool = False,
    only_schemas: Collection[str] | None = None,
    only_tables: Collection[str] | None = None,
) -> None:
    """Adopt a database as it is: write models and a baseline revision for it, and stamp it.

    The stamp is all that changes in the database. If there is a first revision already, the
    command only compares the database with what that revision builds. It creates a temporary
    database beside this one, and drops it at the end. The options choose schemas and tables by
    patterns; what they leave out is added to ignore.txt.

    Raises:
        CommandError: The database has a revision or no tables, it cannot be built a second time,
            or it differs from what the first revision builds.
    """
    # The first revision has what SQLAlchemy and Alembic warn that they do not know.
    warnings.simplefilter("ignore")
    url = read_settings(config).database_url
    ignore_list = read_ignore_list(config)
    bases = ScriptDirectory.from_config(config).get_bases()
    if not bases:
        require_development_dependencies()
    selection = Selection(only_schemas or (), only_tables or ())
    inventory = read(url, lambda connection: read_inventory(connection, ignore_list, selection))
    revision = bases[0] if bases else write_baseline(config, url, inventory, ignore_list, dry_run)
    if bases:
        from alembic_guardrails.adopt.prove import confirm

        confirm(config, url, revision, inventory, ignore_list)
    if dry_run:
        config.print_stdout("Nothing was changed: this was a dry run.")
    else:
        stamp(config, revision)


def require_development_dependencies() -> None:
    """Require what writing models takes.

    Raises:
        CommandError: A package is not installed.
    """
    for name in DEVELOPMENT_DEPENDENCIES:
        if find_spec(name) is None:
            raise CommandError(
                f"`migrations adopt` needs {name}, a development dependency, to write models: run"
                " `uv sync` to install it."
            )


def read(url: URL, work: Callable[[Connection], Inventory]) -> Inventory:
    """Read a database.

    Raises:
        CommandError: It cannot be reached, or may not be read.
    """
    try:
        return run_with_connection(url, work)
    except (DBAPIError, UnicodeError, UnreachableError) as error:
        raise CommandError(f"The database cannot be read: {reason(error)}") from error


def write_baseline(
    config: Config, url: URL, inventory: Inventory, ignore_list: IgnoreList, dry_run: bool
) -> str:
    """Write models and the baseline revision; return the revision."""
    from alembic_guardrails.adopt.write import REVISION, write

    patterns = dict.fromkeys([*ignore_list.patterns, *map(escape, inventory.left_out)])
    write(config, url, inventory, IgnoreList(tuple(patterns)), dry_run)
    return REVISION


def stamp(config: Config, revision: str) -> None:
    """Tell Alembic that the database is at a revision.

    Raises:
        CommandError: The user may not create the table `alembic_version`.
    """
    try:
        command.stamp(config, revision)
    except DBAPIError as error:
        raise CommandError(
            f"All files are in place, but the database cannot be stamped: {reason(error)}. Run the"
            " command again as a user who may create tables."
        ) from error
    config.print_stdout("The database is at revision %s.", revision)
