"""What an error of the database means."""

from sqlalchemy.exc import DBAPIError, IntegrityError


def error_code(error: DBAPIError) -> int | str | None:
    """Return the database's own code: MySQL's number, else SQLSTATE. Drivers keep it anywhere."""
    first = error.orig.args[0] if error.orig and error.orig.args else None
    if isinstance(first, dict):
        return str(first.get("C"))
    if isinstance(first, int):
        return first
    codes = (getattr(error.orig, name, None) for name in ("errno", "sqlstate", "pgcode"))
    return next(filter(None, codes), None)


def reason(error: BaseException) -> str:
    """Give the first line of what the driver says."""
    said = getattr(error, "orig", None) or error
    match said.args:
        case [{"M": str(message)}, *_] | [int(), str(message), *_]:
            pass
        case _:
            message = str(said)
    return message.partition("\n")[0] or type(said).__name__


def violates_constraint(error: DBAPIError) -> bool:
    """Whether a unique, foreign key, check or NOT NULL constraint refused the statement."""
    # Not every driver sorts its errors; SQLSTATE for this is 23xxx.
    return isinstance(error, IntegrityError) or str(error_code(error)).startswith("23")
