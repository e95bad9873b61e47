"""How a database words a type and a default: it is asked, by a temporary table."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

NAME = "alembic_guardrails_probe"


def describe_column(
    connection: Connection, type_: TypeEngine[Any], *, nullable: bool, server_default: Any = None
) -> ReflectedColumn | None:
    """Return what the database says of a new column; None if it does not make such a column."""
    column = Column("value", type_, nullable=nullable, server_default=server_default)
    described = describe_columns(connection, [column])
    return described[0] if described else None


def describe_columns(
    connection: Connection, columns: Sequence[Column[Any]]
) -> list[ReflectedColumn] | None:
    """Return what the database says of the columns of a new table; None if it does not make it.

    A savepoint is rolled back, so that nothing of the temporary table stays.
    """
    table = Table(NAME, MetaData(), *columns, prefixes=["TEMPORARY"])
    savepoint = connection.begin_nested()
    try:
        connection.execute(CreateTable(table))
        described = inspect(connection).get_columns(NAME)
        if connection.dialect.name in ("mysql", "mariadb"):  # where no DDL rolls back
            connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")
    except SQLAlchemyError:
        return None
    else:
        return described
    finally:
        if savepoint.is_active:
            savepoint.rollback()
