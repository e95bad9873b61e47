"""Warnings of SQLAlchemy and Alembic while they read tables, which call for no action."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# What they cannot read or compare: indexes on expressions, options and types of columns. Nothing
# is proposed for it, in models or in revisions.
MESSAGES = (
    "autogenerate skipping .*expression-based index",
    "Computed default on .* cannot be modified",  # computed.py has the word
    "Can't validate argument 'dialect_options'",
    "Converting unknown KEY type",
    "Could not instantiate type",
    "Could not parse CHECK constraint",
    "Did not recognize type",
    "Failed to look up filter predicate",
    "Incomplete reflection of column definition",
    "Skipped unsupported reflection of expression-based index",
    "Unknown column definition",
    "Unknown schema content",
    "WARNING: SQL-parsed foreign key constraint",
)

# Of what Alembic logs, this about an index on expressions, which it compares by its columns.
LOGGED = "Generating approximate signature for index"


def calls_for_action(record: logging.LogRecord) -> bool:
    """Whether a reader of the log can do anything about a line."""
    return not str(record.msg).startswith(LOGGED)


@contextmanager
def reading_quietly() -> Iterator[None]:
    """Ignore these warnings, and no others."""
    logger = logging.getLogger("alembic.ddl.impl")
    logger.addFilter(calls_for_action)
    try:
        with warnings.catch_warnings():
            for message in MESSAGES:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.removeFilter(calls_for_action)
