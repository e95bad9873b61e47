"""Changes of many rows in batches, on a database in memory that commits each statement."""

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from alembic_guardrails.guard import operations
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

ROWS = sa.table("rows", sa.column("id", sa.Integer), sa.column("changes", sa.Integer))
UNDONE = sa.update(ROWS).where(ROWS.c.changes == 0).values(changes=ROWS.c.changes + 1)


def change(keys: set[int], statement: Any, size: int) -> tuple[list[Any], list[str]]:
    """Run a statement in batches; return the rows, and the statements that changed some."""
    statements: list[str] = []
    engine = sa.create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER PRIMARY KEY, changes INTEGER)')
        values = [{"id": key, "changes": key % 3 and 5} for key in keys]
        if values:
            connection.execute(sa.insert(ROWS), values)

        def record(_: object, __: object, statement: str, *others: object) -> None:
            if not statement.startswith("SELECT"):
                statements.append(statement)

        sa.event.listen(connection, "before_cursor_execute", record)
        operations.change_in_batches(connection, statement, ROWS.c.id, size, 0)
        return list(connection.execute(sa.select(ROWS).order_by(ROWS.c.id))), statements


@settings(max_examples=30)
@given(keys=st.sets(st.integers(-50, 50)), size=st.integers(1, 9))
def test_each_row_that_is_not_done_is_changed_once(keys: set[int], size: int) -> None:
    rows, statements = change(keys, UNDONE, size)

    assert dict(map(tuple, rows)) == {key: 1 if key % 3 == 0 else 5 for key in keys}
    undone = sum(key % 3 == 0 for key in keys)
    assert len(statements) == undone // size + 1


@settings(max_examples=30)
@given(keys=st.sets(st.integers(-50, 50)), size=st.integers(1, 9))
def test_rows_are_deleted(keys: set[int], size: int) -> None:
    rows, _ = change(keys, sa.delete(ROWS).where(ROWS.c.changes == 0), size)

    assert {row.id for row in rows} == {key for key in keys if key % 3}


def test_the_progress_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "alembic.progress"):
        change({0, 3, 6, 7}, UNDONE, 2)
    assert "rows: 3 of 3 rows, " in caplog.text


class Deadlocked:
    """A connection whose statements end in an error a few times."""

    def __init__(self, failures: int, code: str) -> None:
        self.failures, self.code, self.executed = failures, code, 0

    def execute(self, statement: object) -> Any:
        self.executed += 1
        if self.executed <= self.failures:
            raise DBAPIError("UPDATE", {}, Exception({"C": self.code, "M": "no"}))
        return SimpleNamespace(rowcount=7)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(operations, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.mark.parametrize("failures", [0, 1, 10])
def test_a_batch_is_tried_again_after_a_deadlock(failures: int, pauses: list[float]) -> None:
    connection = Deadlocked(failures, "40P01")
    assert operations.change_batch(cast(sa.Connection, connection), UNDONE) == 7
    assert pauses == [0.5] * failures


@pytest.mark.parametrize(("failures", "code"), [(1, "23505"), (11, "40P01")])
def test_other_errors_and_endless_deadlocks_are_raised(
    failures: int, code: str, pauses: list[float]
) -> None:
    with pytest.raises(DBAPIError):
        operations.change_batch(cast(sa.Connection, Deadlocked(failures, code)), UNDONE)
