"""Files that are written whole or not at all, and formatted with ruff, a development dependency."""

import ast
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError

# Below Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.formatting")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write in place of `path`, which it replaces at the end.

    If the block raises, `path` stays as it was. A run that is killed leaves a file that ends in
    `.part`.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with the line ends that the text has."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file."""
    with replacing(target) as part:
        shutil.copyfile(source, part)


def run_ruff(*arguments: str, code: str | None = None) -> str:
    """Run ruff, on code or on the files in its arguments; return what it prints.

    Raises:
        CommandError: ruff is not installed, or it fails.
    """
    if not find_spec("ruff"):
        raise CommandError(
            "This needs ruff, a development dependency that is not installed: run `uv sync`."
        )
    command = (sys.executable, "-m", "ruff", *arguments)
    result = subprocess.run(  # noqa: S603
        command, input=code, capture_output=True, encoding="utf-8"
    )
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
