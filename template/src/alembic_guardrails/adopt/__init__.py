"""Adopt a database that is older than the code: models, a baseline revision, and a stamp.

Only services that answered `existing_database` with yes have this package. Nothing else in
`alembic_guardrails` imports it.
"""
