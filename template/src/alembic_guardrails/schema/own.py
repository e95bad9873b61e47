"""The tables of the migrations themselves."""

OWN_TABLES = {"alembic_version", "alembic_journal"}
