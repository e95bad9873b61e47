"""What errors mean, with errors made as each driver makes them."""

import asyncio
import sqlite3

import psycopg
import pymysql
import pytest
from alembic.util import CommandError
from alembic_guardrails.errors import IrreversibleError, error_code, reason, violates_constraint
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from .conftest import Project


class WithCode(Exception):
    """An error of a driver that keeps the code in an attribute."""

    def __init__(self, message: str, **attributes: object) -> None:
        super().__init__(message)
        vars(self).update(attributes)


def wrapped(error: Exception, of: type[DBAPIError] = DBAPIError) -> DBAPIError:
    """Return the error as SQLAlchemy raises it."""
    return of("SELECT 1", {}, error)


# The driver, its error, its code, and the first line of what it says.
UNIQUE = 'duplicate key value violates unique constraint "uq"'
ERRORS = {
    "pysqlite": (
        sqlite3.IntegrityError("UNIQUE constraint failed: a.b"),
        None,
        "UNIQUE constraint",
    ),
    "psycopg": (psycopg.errors.UniqueViolation(f"{UNIQUE}\nDETAIL:  Key"), "23505", UNIQUE),
    "psycopg2": (WithCode(f"{UNIQUE}\nDETAIL:  Key\n", pgcode="23505"), "23505", UNIQUE),
    "asyncpg": (
        WithCode(f"<class 'asyncpg.exceptions.X'>: {UNIQUE}", sqlstate="23505", pgcode="23505"),
        "23505",
        UNIQUE,
    ),
    "pg8000": (Exception({"S": "ERROR", "C": "23505", "M": UNIQUE}), "23505", UNIQUE),
    "pymysql": (pymysql.err.IntegrityError(1062, "Duplicate entry"), 1062, "Duplicate entry"),
    "mysqlconnector": (
        WithCode("1062 (23000): Duplicate entry", errno=1062, sqlstate="23000"),
        1062,
        "1062 (23000): Duplicate entry",
    ),
    "mariadbconnector": (
        WithCode("Duplicate entry", errno=1062, sqlstate="23000"),
        1062,
        "Duplicate entry",
    ),
    "no connection": (WithCode("refused", errno=None, sqlstate=None), None, "refused"),
    "nothing at all": (TimeoutError(), None, "TimeoutError"),
}


@pytest.mark.parametrize("driver", ERRORS)
def test_code_and_reason(driver: str) -> None:
    error, code, message = ERRORS[driver]

    assert error_code(wrapped(error)) == code
    assert reason(wrapped(error)).startswith(message)
    assert reason(error) == reason(wrapped(error))


def test_an_error_without_an_original_has_no_code() -> None:
    assert error_code(DBAPIError("SELECT 1", {}, None)) is None  # type: ignore[arg-type]


@given(message=st.text())
def test_a_reason_is_one_line_and_never_empty(message: str) -> None:
    for error in (Exception(message), Exception(1, message), Exception({"M": message})):
        assert reason(error)
        assert "\n" not in reason(error)


@given(message=st.text(st.characters(exclude_characters="\n<"), min_size=1))
def test_a_reason_is_what_the_driver_says(message: str) -> None:
    assert {reason(Exception(*args)) for args in [(message,), (7, message), ({"M": message},)]} == {
        message
    }


def test_constraints() -> None:
    psycopg_error = psycopg.errors.CheckViolation("refused")

    assert violates_constraint(wrapped(sqlite3.IntegrityError("failed"), IntegrityError))
    # pg8000 and others raise a ProgrammingError.
    assert violates_constraint(wrapped(Exception({"C": "23514"}), ProgrammingError))
    assert violates_constraint(wrapped(psycopg_error, ProgrammingError))
    assert not violates_constraint(wrapped(Exception({"C": "42P01"}), ProgrammingError))
    assert not violates_constraint(wrapped(pymysql.err.OperationalError(1205, "Lock wait")))


def test_constraints_of_a_real_database(project: Project) -> None:
    with project.engine().connect() as connection:
        connection.execute(text("CREATE TABLE a (b INTEGER NOT NULL UNIQUE CHECK (b > 0))"))
        connection.execute(text("INSERT INTO a VALUES (1)"))
        for statement in ("VALUES (1)", "VALUES (NULL)", "VALUES (0)"):
            with pytest.raises(DBAPIError) as caught:
                connection.execute(text(f"INSERT INTO a {statement}"))
            assert violates_constraint(caught.value)
        with pytest.raises(OperationalError) as missing:
            connection.execute(text("SELECT * FROM missing"))
        assert not violates_constraint(missing.value)
        assert reason(missing.value) == "no such table: missing"


def test_an_irreversible_downgrade_stops_alembic_and_tests() -> None:
    assert issubclass(IrreversibleError, CommandError)
    assert issubclass(IrreversibleError, NotImplementedError)


def test_errors_of_asyncio_have_a_reason() -> None:
    assert reason(asyncio.CancelledError()) == "CancelledError"
