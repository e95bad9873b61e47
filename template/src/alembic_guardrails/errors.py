"""What a database's error means, whichever driver raised it."""

import re

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, IntegrityError

CLASS = re.compile("^<class '[^']+'>: ")


class IrreversibleError(CommandError, NotImplementedError):
    """A downgrade would lose rows.

    Tests that run downgrades stop at a NotImplementedError, and Alembic prints a CommandError in
    one line.
    """


def error_code(error: Exception) -> int | str | None:
    """Return the database's own code: a number on MySQL and MariaDB, else the SQLSTATE.

    Drivers keep it in the arguments of their error, or in one of several attributes. The error is
    SQLAlchemy's or the driver's own. The result is None if there is no code, as with the errors of
    SQLite's driver.
    """
    cause = getattr(error, "orig", None) or error
    first = cause.args[0] if cause.args else None
    if isinstance(first, dict):
        return str(first.get("C"))
    if isinstance(first, int):
        return first
    codes = (getattr(cause, name, None) for name in ("errno", "sqlstate", "pgcode"))
    return next(filter(None, codes), None)


def reason(error: BaseException) -> str:
    """Return the first line of what the driver says; the name of the error if it says nothing."""
    cause = getattr(error, "orig", None) or error
    match cause.args:
        case [{"M": str(message)}, *_] | [int(), str(message), *_]:
            pass
        case _:
            message = str(cause)
    # For some async drivers SQLAlchemy puts the class of the error before its text.
    message = CLASS.sub("", message.partition("\n")[0])
    return message or type(cause).__name__


def violates_constraint(error: DBAPIError) -> bool:
    """Whether a unique, foreign key, check or NOT NULL constraint refused the statement."""
    # Not every driver raises an IntegrityError. The SQLSTATE is 23xxx:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    return isinstance(error, IntegrityError) or str(error_code(error)).startswith("23")
