"""How Alembic compares models with a database, and how it writes what it finds into revisions."""
