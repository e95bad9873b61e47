"""What commands find, and the forms in which it is printed: `text`, `json`, `github`, `sarif`.

A command makes a `Report` of `Finding`s and gives it to `publish()`; a module of this package
writes one form. None of them imports more than the standard library.
"""

import os
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.output.finding import Code, Finding, Help, Report, Severity, count, sentence

__all__ = [
    "Code",
    "Finding",
    "Help",
    "Report",
    "Severity",
    "add_format_argument",
    "count",
    "publish",
    "relative",
    "sentence",
]

# Each is a module with a function `render(report, config) -> str`.
FORMATS = ("text", "json", "github", "sarif")


def add_format_argument(parser: ArgumentParser, *more: str) -> None:
    """Add the option `--format`, with more forms than `FORMATS` if the command has them."""
    forms = (*FORMATS, *more)
    listed = f"{', '.join(forms[:-1])} or {forms[-1]}"
    parser.add_argument(
        "--format", choices=forms, default="text", dest="form", metavar="FORM", help=listed
    )


def publish(config: Config, report: Report, form: str = "text") -> int:
    """Print a report in one of the forms; return the exit code: 1 if it has an error, else 0."""
    module = import_module(f"{__name__}.{form}")
    config.print_stdout("%s", module.render(report, config))
    return int(report.errors > 0)


def relative(path: str) -> str:
    """Return a path as it is seen from the current folder, with slashes."""
    return Path(os.path.relpath(path)).as_posix()
