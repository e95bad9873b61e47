"""What the journal knows of statements and databases, without a server."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from alembic_guardrails.guard.catalog import (
    Catalog,
    Reads,
    fingerprint,
    identifiers,
    read_definition,
)
from alembic_guardrails.guard.effects import (
    FUNCTIONS,
    NOT_FUNCTIONS,
    Action,
    DatabaseObject,
    called_functions,
    first_number,
    locks_tables,
    read_effect,
    reads_session,
)
from alembic_guardrails.guard.journal import Entry, cannot_continue, excerpt
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

EFFECTS = [
    (Action.READ, "-- a\n(SELECT n FROM a)"),
    (Action.READ, "SHOW CREATE TABLE a"),
    (Action.READ, "DO SLEEP(1)"),
    (Action.READ, "SAVEPOINT a"),
    (Action.READ, " -- nothing"),
    (Action.SETTING, "SET NAMES utf8mb4"),
    (Action.SETTING, "SET SESSION sql_mode = '', @@foreign_key_checks = 0, @a = @@sql_mode"),
    (Action.SETTING, "SET @a = @@SESSION.time_zone, @b = @a"),
    (Action.SETTING, "SET sql_mode = (SELECT REPLACE(@@sql_mode, 'ANSI', ''))"),
    (Action.SETTING, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    (Action.SETTING, "USE other"),
    (Action.COMMIT, "COMMIT"),
    (Action.COMMIT, "START TRANSACTION"),
    (Action.COMMIT, "ANALYZE TABLE a"),
    (Action.ROLLBACK, "ROLLBACK TO SAVEPOINT a"),
    (Action.ROWS, "# a\nUPDATE a SET n = 1"),
    (Action.ROWS, "WITH c AS (SELECT 1) DELETE FROM a"),
    (Action.AGAIN, "TRUNCATE a"),
    (Action.AGAIN, "GRANT SELECT ON a TO b"),
    (Action.AGAIN, "ALTER DATABASE a CHARACTER SET utf8mb4"),
    (Action.SESSION, "CREATE TEMPORARY TABLE a (n INT)"),
    (Action.SESSION, "SET @a = 1, @b = (SELECT MAX(n) FROM a)"),
    (Action.SESSION, "SET @a = @@GLOBAL.sql_mode"),
    (Action.SESSION, "SET @a = @@timestamp"),
    (Action.SESSION, "SELECT n INTO @a FROM b"),
    (Action.SESSION, "SELECT @a := n FROM b"),
    (Action.SESSION, "TABLE b LIMIT 1 INTO @a"),
    (Action.SESSION, "EXPLAIN FORMAT=JSON INTO @a SELECT 1"),
    (Action.UNKNOWN, "SET autocommit = 1"),
    (Action.UNKNOWN, "SET PASSWORD = 'a'"),
    (Action.UNKNOWN, "SET STATEMENT max_statement_time = 1 FOR UPDATE a SET n = 1"),
    (Action.UNKNOWN, "SELECT 1 INTO OUTFILE 'a'"),
    (Action.UNKNOWN, "CALL p()"),
    (Action.UNKNOWN, "BEGIN NOT ATOMIC DELETE FROM a; END"),
    (Action.UNKNOWN, "UPDATE a SET n = 1; DELETE FROM a"),
    (Action.UNKNOWN, "LOCK TABLES a WRITE"),
    (Action.UNKNOWN, "PREPARE a FROM 'b'"),
    (Action.UNKNOWN, "XA START 'a'"),
    (Action.UNKNOWN, "nonsense"),
    (Action.UNKNOWN, "CREATE USER a"),
    (Action.UNKNOWN, "CREATE FUNCTION f RETURNS INT SONAME 'a.so'"),
    (Action.UNKNOWN, "RENAME TABLE a TO c, b TO a, c TO b"),
    (Action.UNKNOWN, "ALTER TABLE a CHANGE x y INT, CHANGE y x INT"),
    (Action.UNKNOWN, "ALTER TABLE a DROP COLUMN x, CHANGE y `X` INT, ADD y INT"),
    (Action.UNKNOWN, "UPDATE a SET n = (@a := 6)"),
    (Action.UNKNOWN, "CREATE TABLE a AS SELECT @a := 6"),
    (Action.UNKNOWN, "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b"),
    (Action.UNKNOWN, "ALTER TABLE a ADD PARTITION (PARTITION p VALUES LESS THAN (1))"),
    (Action.UNKNOWN, 'DROP TABLE "a"'),
    (Action.UNKNOWN, "CREATE EVENT e ON SCHEDULE AT NOW() DO DELETE FROM every"),
    (Action.UNKNOWN, "CREATE OR REPLACE EVENT every ON SCHEDULE AT NOW() DO DO 1"),
    (Action.UNKNOWN, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS NOW() DO DELETE FROM a"),
]


@pytest.mark.parametrize(("action", "sql"), EFFECTS)
def test_what_a_statement_is(action: Action, sql: str) -> None:
    assert read_effect(sql).action is action


SCHEMA = [
    ("CREATE TABLE IF NOT EXISTS a (n INT)", [], ["TABLE a"]),
    ("CREATE OR REPLACE VIEW `a`.`b` AS SELECT 1", [], ["TABLE `a`.`b`"]),
    ("CREATE UNIQUE INDEX i ON a (n)", [], ["TABLE a"]),
    ("DROP INDEX i ON a", [], ["TABLE a"]),
    ("CREATE DEFINER=`x`@`%` TRIGGER t AFTER INSERT ON a FOR EACH ROW DO 1", [], ["TRIGGER t"]),
    ("DROP PROCEDURE IF EXISTS p", ["PROCEDURE p"], []),
    ("DROP TABLE a, `b c` CASCADE", ["TABLE a", "TABLE `b c`"], []),
    ("RENAME TABLE a TO b, c TO d", ["TABLE a", "TABLE c"], ["TABLE b", "TABLE d"]),
    ("ALTER TABLE a RENAME TO b, ADD n INT", ["TABLE a"], ["TABLE b"]),
    ("ALTER TABLE a WAIT 5 ADD n INT, RENAME COLUMN x TO y", [], ["TABLE a"]),
    ("ALTER TABLE a DROP x, RENAME COLUMN y TO z, ADD y INT", [], ["TABLE a"]),
    ("ALTER TABLE a ADD COLUMN (x INT, y INT), DROP KEY k", [], ["TABLE a"]),
    ("ALTER VIEW v AS SELECT 1", [], ["TABLE v"]),
    ("CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO DO 1", [], ["EVENT e"]),
    ("ALTER EVENT e DISABLE", [], ["EVENT e"]),
]


@pytest.mark.parametrize(("sql", "gone", "there"), SCHEMA)
def test_which_objects_a_statement_changes(sql: str, gone: list[str], there: list[str]) -> None:
    effect = read_effect(sql)

    assert effect.action is Action.SCHEMA
    assert [" ".join(item) for item in effect.gone] == gone
    assert [" ".join(item) for item in effect.there] == there


@given(st.text(st.sampled_from(" ;'\"`()=,.@:-#/*!aAnN1\n"), max_size=30))
def test_nothing_is_safe_because_it_begins_as_if(text: str) -> None:
    """A procedure is unknown behind another statement, and before any text."""
    for begin in ("SELECT 1", "UPDATE a SET n = 1", "DROP TABLE a"):
        action = read_effect(f"{begin}; CALL p()").action
        assert action is Action.UNKNOWN
        assert read_effect(f"CALL p() {text}").action is Action.UNKNOWN


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT)", 1),
        ("CREATE TABLE a (id INT AUTO_INCREMENT, n INT DEFAULT 5)AUTO_INCREMENT=7 COMMENT=''", 7),
        ("CREATE TABLE a (id INT AUTO_INCREMENT) /* 9 */ auto_increment 7", 7),
        ("CREATE TABLE a (id INT PRIMARY KEY)", 0),
        ("CREATE TABLE IF NOT EXISTS a (id INT AUTO_INCREMENT)", 0),
        ("CREATE OR REPLACE TABLE a (id INT AUTO_INCREMENT)", 0),
        ("CREATE TABLE a (id INT AUTO_INCREMENT) SELECT 1", 0),
        ("CREATE TABLE a (id INT AUTO_INCREMENT) TABLE b", 0),
        ("ALTER TABLE a AUTO_INCREMENT = 7", 0),
    ],
)
def test_the_first_number_of_a_new_table(sql: str, number: int) -> None:
    assert first_number(read_effect(sql).statement) == number


def test_functions_of_the_server_are_known() -> None:
    sql = (
        "INSERT INTO a (n) WITH c (x) AS (SELECT COUNT(*) FROM b WHERE n IN (1)) SELECT IF(x, 1, 2)"
        " FROM c ON DUPLICATE KEY UPDATE n = VALUES(n)"
    )
    assert not [*called_functions(read_effect(sql).statement)]
    assert not FUNCTIONS & NOT_FUNCTIONS


@pytest.mark.parametrize(
    "call", ["f()", "`f` ()", "a.f()", "other . f(1)", "NEXTVAL(s)", "GET_LOCK('a', 1)"]
)
def test_other_functions_are_not(call: str) -> None:
    assert [*called_functions(read_effect(f"SELECT n, {call} FROM a").statement)]
    assert [*called_functions(read_effect(f"SELECT n FROM a JOIN b ON {call} = 1").statement)]


def test_the_next_value_of_a_sequence_is_a_call() -> None:
    assert [*called_functions(read_effect("INSERT INTO a VALUES (NEXT VALUE FOR s)").statement)]


@pytest.mark.parametrize(
    "sql", ["SELECT LAST_INSERT_ID()", "DO ROW_COUNT()", "SET @a = @@identity", "SHOW WARNINGS"]
)
def test_what_reads_the_session(sql: str) -> None:
    assert reads_session(read_effect(sql).statement)
    assert not reads_session(read_effect("SELECT id FROM identity").statement)


def test_what_locks_tables() -> None:
    assert locks_tables(read_effect("LOCK TABLES a READ").statement)
    assert locks_tables(read_effect("FLUSH TABLES WITH READ LOCK").statement)
    assert not locks_tables(read_effect("FLUSH TABLES").statement)


def catalog(*rows: tuple[str, str, str]) -> Catalog:
    """Return the catalog of a database that has these."""
    answer = SimpleNamespace(all=lambda: rows)
    connection: Any = SimpleNamespace(exec_driver_sql=lambda *_, **__: answer)
    return Catalog(connection)


DATABASE = catalog(
    ("rows", "M", ""),
    ("database", "other", ""),
    ("program", "a", "BEGIN UPDATE b SET n = 1; END"),
    ("program", "b", "INSERT INTO m VALUES (1)"),
    ("program", "v", "select `f`() AS `n`"),
    ("program", "f", "BEGIN PREPARE p FROM 'DELETE FROM c'; END"),
    ("program", "twice", "(n * 2)"),
    ("touched", "changed_at", ""),
    ("delete", "parent", "child"),
    ("delete", "child", "grandchild"),
    ("update", "owner", "pet"),
    ("mode", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES", ""),
    ("index", "C", "Id"),
    ("index", "c", "twice"),
)


@pytest.mark.parametrize(
    ("sql", "outlives"),
    [
        ("UPDATE m SET n = 1", True),
        ("INSERT INTO a VALUES (1)", True),
        ("UPDATE other.t SET n = 1", True),
        ("SELECT * FROM v", True),
        ("UPDATE c SET n = 'm'", True),
        ("UPDATE c SET n = 1", False),
    ],
)
def test_what_a_rollback_does_not_undo(sql: str, outlives: bool) -> None:
    assert DATABASE.outlives_rollback(read_effect(sql).statement) is outlives


def test_a_view_can_call_a_function() -> None:
    assert DATABASE.calls_unknown(read_effect("SELECT n FROM v").statement)
    assert not DATABASE.calls_unknown(read_effect("SELECT n FROM c").statement)


def test_a_mode_that_ends_strings_elsewhere() -> None:
    assert DATABASE.can_misread(read_effect(r"INSERT INTO c VALUES ('\')").statement)
    assert not DATABASE.can_misread(read_effect("INSERT INTO c VALUES (1)").statement)


@pytest.mark.parametrize(
    ("query", "change", "can_differ"),
    [
        ("SELECT n FROM c", "UPDATE c SET n = 1", True),
        ("SELECT n FROM c", "UPDATE c SET x = 1, y = 2 WHERE n = 1", False),
        ("SELECT * FROM c", "UPDATE c SET x = 1", True),
        ("SELECT COUNT(*) FROM c", "UPDATE c SET x = 1", False),
        ("SELECT COUNT(*) FROM c", "INSERT INTO c (n) VALUES (1)", True),
        ("SELECT n FROM d", "INSERT INTO c (n) VALUES (1)", False),
        ("SELECT twice FROM c", "UPDATE c SET n = 1", True),
        ("SELECT changed_at FROM c", "UPDATE c SET n = 1", True),
        ("SELECT n FROM grandchild", "DELETE FROM parent", True),
        ("SELECT n FROM m", "INSERT INTO a VALUES (1)", True),
        ("SELECT n FROM c", "ALTER TABLE c ADD COLUMN x INT, LOCK=NONE", False),
        ("SELECT n FROM c", "ALTER TABLE c ADD COLUMN x INT UNIQUE", True),
        ("SELECT n FROM c", "ALTER TABLE c ADD COLUMN x INT, DROP COLUMN y", True),
        ("SELECT MAX(n) FROM c", "ALTER TABLE c ADD COLUMN x INT, DROP COLUMN y", False),
        ("SELECT n FROM c", "ALTER TABLE c MODIFY n VARCHAR(1)", True),
        ("SELECT * FROM c", "ALTER TABLE c ADD COLUMN x INT", True),
        ("SELECT n FROM c", "CREATE INDEX i ON c (n)", True),
        ("SELECT n FROM c LIMIT 1", "ALTER TABLE c ADD INDEX (n)", True),
        ("SELECT n FROM c", "ALTER TABLE d ADD INDEX (n)", False),
        ("SELECT COUNT(*) AS k FROM c WHERE n = 1", "CREATE INDEX i ON c (n)", False),
        ("SELECT COUNT(*) FROM (SELECT n FROM c LIMIT 9) AS x", "DROP INDEX i ON c", True),
        ("SELECT MIN(n), x FROM c", "ALTER TABLE c ADD UNIQUE (n)", True),
        ("SELECT n FROM c", "UPDATE c SET id = id + 1", True),
        ("SELECT x FROM c LIMIT 1", "UPDATE c SET n = 1", True),
        ("SELECT MAX(x) FROM c", "UPDATE c SET n = 1", False),
        ("WITH w AS (SELECT x FROM c LIMIT 1) SELECT x FROM w", "UPDATE c SET id = 1", True),
        ("SHOW CREATE TABLE c", "UPDATE c SET id = 1", False),
        ("SELECT n FROM c", "RENAME TABLE d TO e", False),
        ("DESCRIBE c", "ALTER TABLE c ADD COLUMN x INT", True),
        ("SHOW TABLES", "CREATE TABLE d (n INT)", True),
        ("SELECT n FROM c", "UPDATE d JOIN e USING (id) JOIN c USING (id) SET c.n = 1", True),
        ("SELECT n FROM c", "UPDATE d JOIN (SELECT 1 AS id) e JOIN c SET c.n = 1", True),
        ("SELECT n FROM c", "DELETE x FROM (SELECT 1 AS id) e JOIN c AS x", True),
        ("SELECT n FROM c", "DELETE FROM d WHERE n IN (SELECT n FROM c)", False),
        ("SELECT n FROM c", "INSERT INTO d (n) SELECT n FROM c", False),
        ("SELECT owner_id FROM pet", "UPDATE owner SET id = 2", True),
        ("SELECT owner_id FROM pet", "REPLACE INTO owner VALUES (2)", True),
        ("SELECT SQL_NO_CACHE * FROM c", "UPDATE c SET x = 1", True),
        ("SELECT COUNT(*), x * n FROM c", "UPDATE c SET y = 1", False),
        ("SELECT COUNT(*) FROM c NATURAL JOIN d", "UPDATE c SET x = 1", True),
        ("TABLE c", "UPDATE c SET x = 1", True),
        ("CHECKSUM TABLE c", "UPDATE c SET x = 1", True),
        ('SELECT "n" FROM "c"', 'UPDATE "c" SET "n" = 1', True),
        ("SELECT n FROM c", "ALTER TABLE c DROP COLUMN n, ADD COLUMN n INT", True),
    ],
)
def test_what_changes_the_result_of_a_query(query: str, change: str, can_differ: bool) -> None:
    reads = Reads()
    reads.note(read_effect(query), (), DATABASE)

    assert reads.can_differ(read_effect(change), DATABASE) is can_differ


@pytest.mark.parametrize(
    ("change", "can_differ"),
    [
        ("DROP TRIGGER t", True),
        ("CREATE OR REPLACE VIEW v2 AS SELECT 1 AS n", True),
        ("ALTER TABLE d DROP FOREIGN KEY f", True),
        ("ALTER TABLE d ADD COLUMN x INT, DROP CONSTRAINT f", True),
        ("ALTER TABLE d RENAME TO e", True),
        ("RENAME TABLE d TO e", True),
        ("DROP TABLE d", True),
        ("ALTER TABLE d DROP COLUMN x", False),
        ("CREATE TRIGGER t AFTER INSERT ON d FOR EACH ROW DO 1", False),
        ("CREATE TABLE e (n INT)", False),
    ],
)
def test_what_a_change_of_rows_did_can_be_unknown_later(change: str, can_differ: bool) -> None:
    """A trigger or a key that was there when it ran is not any more."""
    reads = Reads()
    reads.note(read_effect("SELECT n FROM c"), (), DATABASE)
    assert not reads.can_differ(read_effect(change), DATABASE)
    assert not reads.can_differ(read_effect("INSERT INTO d (n) VALUES (1)"), DATABASE)

    assert reads.can_differ(read_effect(change), DATABASE) is can_differ


def test_a_parameter_can_be_the_name_of_a_table() -> None:
    reads = Reads()
    query = "SELECT COUNT(*) FROM x WHERE name = %s"
    reads.note(read_effect(query), [{"name": "C"}, ("d",)], DATABASE)

    assert reads.can_differ(read_effect("DELETE FROM c"), DATABASE)
    assert not reads.can_differ(read_effect("DELETE FROM e"), DATABASE)


def test_reserved_words_and_calls_are_no_names() -> None:
    statement = read_effect("SELECT COUNT(*) FROM `select` WHERE n = 'Text'").statement

    assert identifiers(statement) == {"select", "n", "text"}


def shown(*row: str | int) -> Connection:
    """Return a connection that shows a definition, or an error with a code."""

    def execute(*_: object, **__: object) -> Any:
        if isinstance(row[0], int):
            raise DBAPIError("SHOW", {}, Exception(row[0], "no"))
        return SimpleNamespace(one=lambda: row)

    return cast(Connection, SimpleNamespace(exec_driver_sql=execute))


def test_a_definition_is_that_of_the_server_without_its_counter() -> None:
    item = DatabaseObject("TABLE", "a")
    first = read_definition(shown("a", "CREATE TABLE a (n INT) AUTO_INCREMENT=5 COMMENT='b'"), item)
    assert first == "CREATE TABLE a (n INT) COMMENT='b'"
    assert read_definition(shown(1146), item) is None
    with pytest.raises(DBAPIError):
        read_definition(shown(1142), item)
    assert fingerprint([first, None]) != fingerprint([None, first])


def test_a_refusal_names_every_way_out() -> None:
    message = str(cannot_continue(Entry("upgrade a -> b", 3), "it is odd"))

    assert message.startswith("upgrade a -> b was interrupted after 3 statements")
    assert "because it is odd: restore its file" in message
    assert "`alembic stamp <revision>`" in message
    assert "`repeatable = True`" in message
    assert message.count(".") == 1


def test_an_excerpt_has_no_strings() -> None:
    assert excerpt(read_effect("SET PASSWORD = 'secret'")) == "SET PASSWORD = ''"
    assert len(excerpt(read_effect(f"CALL {'p' * 99}()"))) == 60
