"""What `pyproject.toml` says to lint."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.lint.rules import BY_NAME

SECTION = "tool.alembic-guardrails.lint"


def read_ignored(config: Config) -> frozenset[str]:
    """Return the rules that `ignore` lists in the pyproject.toml beside alembic.ini.

    Raises:
        CommandError: The file is no TOML, or the section has anything but a list of known rules.
    """
    file = Path(config.config_file_name or "").resolve().parent / "pyproject.toml"
    if not file.is_file():
        return frozenset()
    try:
        section: Any = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"pyproject.toml cannot be read: {error}.") from error
    for name in SECTION.split("."):
        section = section.get(name, {}) if isinstance(section, Mapping) else section
    return frozenset(check_section(section))


def check_section(section: Any) -> list[str]:
    """Return the list of ignored rules.

    Raises:
        CommandError: It is not a list of known rules.
    """
    if not isinstance(section, Mapping):
        raise CommandError(f"[{SECTION}] in pyproject.toml has to be a table.")
    for name in section.keys() - {"ignore"}:
        raise CommandError(
            f"[{SECTION}] in pyproject.toml has the unknown key {name}: `ignore` is the only one."
        )
    ignored = section.get("ignore", [])
    if not isinstance(ignored, list) or not all(isinstance(name, str) for name in ignored):
        raise CommandError(f"`ignore` of [{SECTION}] in pyproject.toml has to be a list of rules.")
    for name in ignored:
        if name not in BY_NAME:
            raise CommandError(
                f"`ignore` of [{SECTION}] in pyproject.toml has {name}, which is no rule:"
                " `migrations explain` lists all."
            )
    return ignored
