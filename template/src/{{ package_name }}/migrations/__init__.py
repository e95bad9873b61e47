"""What `migrations/env.py` and Alembic's commands are made of, beyond Alembic itself."""
