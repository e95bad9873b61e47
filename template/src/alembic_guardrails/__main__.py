"""The command line: `migrations <command>`. A command is imported when it runs."""

import ast
import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails import commands


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, those of the process by default.

    Raises:
        SystemExit: The code is 0 if all went well, 1 if the command failed, 2 for arguments that
            cannot be understood, and 130 after Ctrl-C or SIGTERM.
    """
    names = [it.name for it in iter_modules(commands.__path__)]
    parser = ArgumentParser(
        prog="migrations", add_help=False, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=names, nargs="?")
    add_common_arguments(parser)
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command is None:
        parser.add_argument("-h", "--help", action="help")
        parser.epilog = "\n".join(f"{name:10}{summary(name)}" for name in names)
        parser.parse_args(rest)
        parser.error("name a command, such as `migrations verify`; --help lists them")
    sys.exit(run(chosen.command, rest, chosen.config, chosen.x))


def add_common_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that each command takes, named as Alembic's."""
    default = os.environ.get("ALEMBIC_CONFIG", "alembic.ini")
    parser.add_argument("-c", "--config", default=default, help="Alembic's settings")
    parser.add_argument("-x", action="append", help="url=... for another database")


def summary(name: str) -> str:
    """Return the first line of a command's documentation, without importing the command."""
    source = Path(commands.__path__[0], f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def run(name: str, arguments: Sequence[str], file: str, x: list[str] | None) -> int:
    """Run a command with its own arguments; return the exit code."""
    module = import_module(f"{commands.__name__}.{name}")
    command = getattr(module, name)
    parser = ArgumentParser(
        prog=f"migrations {name}",
        description=command.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    if add_arguments := getattr(module, "add_arguments", None):
        add_arguments(parser)
    add_common_arguments(parser)
    options = vars(parser.parse_args(arguments))
    for common in ("config", "x"):
        del options[common]
    attributes = {"configure_logger": False}
    config = Config(file, cmd_opts=Namespace(x=x), attributes=attributes)
    configure_logging()
    # An exception, so that temporary databases are dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        command(config, **options)
    except CommandError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def configure_logging() -> None:
    """Log warnings, and how far something long has come."""
    logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")  # as in alembic.ini
    logging.getLogger("alembic.progress").setLevel(logging.INFO)


if __name__ == "__main__":
    main()
