"""Formatting and linting what is written, with ruff, a development dependency."""

import ast
import logging
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError

# Below Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.formatting")


def run_ruff(*arguments: str) -> str:
    """Run ruff; return what it prints.

    Raises:
        CommandError: ruff is not installed, or it fails.
    """
    if not find_spec("ruff"):
        raise CommandError(
            "This needs ruff, a development dependency that is not installed: run `uv sync`."
        )
    command = (sys.executable, "-m", "ruff", *arguments)
    result = subprocess.run(command, capture_output=True, encoding="utf-8")  # noqa: S603
    if result.returncode:
        raise CommandError(f"ruff failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def format_revision(path: Path) -> None:
    """Format a new revision, fix what ruff can fix, and log the rest; without ruff log that.

    An empty revision keeps its imports, which whoever fills it in needs.
    """
    if not find_spec("ruff"):
        logger.warning("%s is not formatted: ruff is a development dependency", path.name)
        return
    file = str(path)
    try:
        run_ruff("format", "--quiet", file)
        keep = ("--ignore=F401",) if is_empty(path.read_text("utf-8")) else ()
        run_ruff("check", "--quiet", "--exit-zero", "--fix-only", *keep, file)
        run_ruff("format", "--quiet", file)
        found = run_ruff("check", "--quiet", "--exit-zero", "--output-format=concise", *keep, file)
    except CommandError as error:
        logger.warning("%s is not formatted: %s", path.name, error)
        return
    for line in found.splitlines():
        logger.warning("%s", line)


def is_empty(source: str) -> bool:
    """Whether the functions of a revision do nothing yet."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return all(
        isinstance(statement, ast.Pass) for function in functions for statement in function.body
    )
