"""The tables that migrations keep for themselves: they belong to no schema that is compared."""

from typing import Final

VERSION_TABLE: Final = "alembic_version"

JOURNAL_TABLE: Final = "alembic_journal"

OWN_TABLES: Final = frozenset((VERSION_TABLE, JOURNAL_TABLE))
