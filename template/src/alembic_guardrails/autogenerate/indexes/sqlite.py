"""SQLAlchemy reads nothing of SQLite's indexes but columns, so that there is nothing to compare."""

INDEX_COMPARISON = None
