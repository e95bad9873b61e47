"""What a service brings for the package: a driver and models, as alembic.ini names them."""

from alembic_guardrails import Driver
from sqlalchemy.orm import DeclarativeBase

DRIVER = Driver("sqlite+pysqlite", ("sqlite",), is_file=True, parameters={"timeout": float})


class Base(DeclarativeBase):
    """Models of no table; tests add tables to metadata of their own."""
