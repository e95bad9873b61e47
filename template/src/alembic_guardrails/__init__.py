"""Guardrails for Alembic: what `env.py`, a service and its tests import.

Revisions import `alembic_guardrails.op`. Everything else in this package is internal; README.md
says what each part does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic_guardrails.connection import UnreachableError, run_with_connection
    from alembic_guardrails.databases import create_database
    from alembic_guardrails.environment import run_migrations
    from alembic_guardrails.errors import error_code, reason, violates_constraint
    from alembic_guardrails.revisions import CURRENT, Revisions, read_revisions
    from alembic_guardrails.schema import snapshot
    from alembic_guardrails.schema.compare import differences
    from alembic_guardrails.settings import MigrationSettings, find_encoding, read_settings
    from alembic_guardrails.temporary import temporary_database
    from alembic_guardrails.types import OtherType
    from alembic_guardrails.urls import (
        Driver,
        Hosts,
        HostsWithPorts,
        Implied,
        Renamed,
        SocketFile,
        SocketFolder,
        SslMode,
        add_password,
    )

# The module of each name, imported when the name is asked for: a service that wants `Driver` has no
# use for Alembic, and a migration none for what compares schemas.
MODULES = {
    "CURRENT": "revisions",
    "Driver": "urls",
    "Hosts": "urls",
    "HostsWithPorts": "urls",
    "Implied": "urls",
    "MigrationSettings": "settings",
    "OtherType": "types",
    "Renamed": "urls",
    "Revisions": "revisions",
    "SocketFile": "urls",
    "SocketFolder": "urls",
    "SslMode": "urls",
    "UnreachableError": "connection",
    "add_password": "urls",
    "create_database": "databases",
    "differences": "schema.compare",
    "error_code": "errors",
    "find_encoding": "settings",
    "read_revisions": "revisions",
    "read_settings": "settings",
    "reason": "errors",
    "run_migrations": "environment",
    "run_with_connection": "connection",
    "snapshot": "schema",
    "temporary_database": "temporary",
    "violates_constraint": "errors",
}

__all__ = [
    "CURRENT",
    "Driver",
    "Hosts",
    "HostsWithPorts",
    "Implied",
    "MigrationSettings",
    "OtherType",
    "Renamed",
    "Revisions",
    "SocketFile",
    "SocketFolder",
    "SslMode",
    "UnreachableError",
    "add_password",
    "create_database",
    "differences",
    "error_code",
    "find_encoding",
    "read_revisions",
    "read_settings",
    "reason",
    "run_migrations",
    "run_with_connection",
    "snapshot",
    "temporary_database",
    "violates_constraint",
]


def __getattr__(name: str) -> Any:
    """Import a name of this package when it is asked for: https://peps.python.org/pep-0562/."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
    globals()[name] = value
    return value
