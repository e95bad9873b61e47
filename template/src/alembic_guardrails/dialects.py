"""The one place that knows which module of a package is for which database."""

from importlib import import_module
from typing import Any

from alembic.util import CommandError

# SQLAlchemy's names of dialects, and the modules for them.
MODULES = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}


def module_for(package: str, dialect: str) -> Any:
    """Import the module of a package of `alembic_guardrails` that is for a dialect.

    Raises:
        CommandError: There is none for this dialect.
    """
    if dialect not in MODULES:
        raise CommandError(f"alembic_guardrails knows {', '.join(MODULES)}, not {dialect}")
    return import_module(f"{__package__}.{package}.{MODULES[dialect]}")
