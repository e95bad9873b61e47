"""The command line: `migrations <command>`. A command is imported when it runs."""

import ast
import atexit
import gc
import logging
import os
import re
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from textwrap import fill
from types import ModuleType

from alembic.config import Config
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from alembic_guardrails import commands

# So that help fits a terminal of 80 columns.
WIDTH = 79


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, those of the process by default.

    Raises:
        SystemExit: The code is 0 if all went well, 1 if the command found what it looks for, 2 if
            it could not do what it is for, and 130 after Ctrl-C or SIGTERM.
    """
    parser = main_parser()
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command is None:
        parser.epilog = list_commands()
        parser.add_argument("-h", "--help", action="help")
        parser.parse_args(rest)
        parser.error("name a command, such as `migrations verify`; --help lists them")
    # Without it, Python looks for garbage in all modules before it ends.
    atexit.register(gc.freeze)
    sys.exit(run(chosen.command, rest, chosen))


def main_parser() -> ArgumentParser:
    """Return the parser for the name of the command and what all commands take."""
    parser = ArgumentParser(
        prog="migrations",
        usage="%(prog)s [-h] [-v] [-c FILE] [-x KEY=VALUE] COMMAND ...",
        description="Commands beside those of `alembic`. `COMMAND --help` says more about one.",
        formatter_class=RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "command", choices=command_names(), nargs="?", metavar="COMMAND", help="see below"
    )
    add_common_arguments(parser)
    return parser


def add_common_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that each command takes, named as Alembic's."""
    default = os.environ.get("ALEMBIC_CONFIG", "alembic.ini")
    parser.add_argument(
        "-c",
        "--config",
        default=default,
        metavar="FILE",
        help="Alembic's settings, by default %(default)s",
    )
    parser.add_argument(
        "-x", action="append", metavar="KEY=VALUE", help="url=... names another database"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show Alembic's log and tracebacks"
    )


def command_names() -> list[str]:
    """Return the names of the commands."""
    return [module.name for module in iter_modules(commands.__path__)]


def list_commands() -> str:
    """Return a line or two for each command."""
    lines = (f"{name:8}{summary(name)}" for name in command_names())
    return "\n".join(fill(line, WIDTH, subsequent_indent=" " * 8) for line in lines)


def summary(name: str) -> str:
    """Return the first line of a command's documentation, without importing the command."""
    source = Path(commands.__path__[0], f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def description(command: object) -> str:
    """Return the docstring of a command as help: wrapped, without the errors that it raises."""
    text = re.sub(r"(?s)\bRaises\b.*", "", command.__doc__ or "").strip()
    return "\n\n".join(fill(" ".join(part.split()), WIDTH) for part in re.split(r"\n\s*\n", text))


def command_parser(name: str, module: ModuleType) -> ArgumentParser:
    """Return the parser for the arguments of a command."""
    parser = ArgumentParser(
        prog=f"migrations {name}",
        description=description(getattr(module, name)),
        epilog=f"example:\n  uv run {commands.EXAMPLES[name]}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if add_arguments := getattr(module, "add_arguments", None):
        add_arguments(parser)
    add_common_arguments(parser)
    return parser


def run(name: str, arguments: Sequence[str], common: Namespace) -> int:
    """Run a command with its own arguments, and those before its name; return the exit code."""
    try:
        module = import_command(name)
        options = vars(command_parser(name, module).parse_args(arguments))
        for option in ("config", "x", "verbose"):
            del options[option]
        attributes = {"configure_logger": False}
        if not Path(common.config).is_file():
            raise CommandError(
                f"There is no {common.config}: run the command in the folder of the service, or"
                " name the file with --config."
            )
        config = Config(common.config, cmd_opts=Namespace(x=common.x), attributes=attributes)
        configure_logging(common.verbose)
        # An exception, so that temporary databases are dropped.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        code: int | None = getattr(module, name)(config, **options)
    except (CommandError, RevisionError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from alembic_guardrails.guard.report import describe_error

        description = "" if common.verbose else describe_error(error)
        if not description:
            raise
        print(description, file=sys.stderr)
        return 2
    return code or 0


def import_command(name: str) -> ModuleType:
    """Import the module of a command.

    Raises:
        CommandError: The command needs a package that is not installed.
    """
    try:
        return import_module(f"{commands.__name__}.{name}")
    except ModuleNotFoundError as error:
        raise CommandError(
            f"`migrations {name}` needs {error.name}, a development dependency that is not"
            " installed: run `uv sync`."
        ) from error


def configure_logging(verbose: bool) -> None:
    """Log warnings, and how far something long has come; with `verbose` what Alembic logs, too."""
    logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")  # as in alembic.ini
    logging.getLogger("alembic").setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("alembic.progress").setLevel(logging.INFO)


if __name__ == "__main__":
    main()
