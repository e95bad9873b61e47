"""Changes of a table on SQLite that keep what the revision does not name.

Alembic's batch mode copies a table into one that it makes of what SQLAlchemy reads. This package
edits the table's own definition instead, as SQLite keeps it, follows SQLite's procedure
(https://www.sqlite.org/lang_altertable.html#otheralter), and compares before and after.
"""
