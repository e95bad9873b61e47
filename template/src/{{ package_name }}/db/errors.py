"""What an error of the database means."""

from sqlalchemy.exc import DBAPIError, IntegrityError


def violates_constraint(error: DBAPIError) -> bool:
    """Whether a unique, foreign key, check or NOT NULL constraint refused the statement."""
    if isinstance(error, IntegrityError):
        return True
    # Not every driver sorts its errors; the database's own code (SQLSTATE) for this is 23xxx.
    fields = error.orig.args[0] if error.orig and error.orig.args else None
    return isinstance(fields, dict) and str(fields.get("C")).startswith("23")
