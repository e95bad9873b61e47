"""Statements of revisions that reach more than the database in which they run."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from alembic_guardrails.sandbox import confined, postgresql
from alembic_guardrails.sandbox.mysql import is_about_accounts, is_contained, other_database
from alembic_guardrails.statements import split
from hypothesis import given
from hypothesis import strategies as st

NAMES = {"other", "shop"}

CHANGING = [
    "UPDATE other.t SET a = 1",
    "update `other`.`t` set a = 1",
    "UPDATE Other.t SET a = 1",
    "UPDATE t, other.u SET u.a = 1",
    "UPDATE shop.t, shop SET t.a = 1",
    "UPDATE t JOIN other.u ON t.id = u.id SET u.a = 1",
    "INSERT INTO other.t VALUES (1)",
    "INSERT IGNORE INTO other . t (a) SELECT 1",
    "REPLACE INTO other.t VALUES (1)",
    "REPLACE other.t VALUES (1)",
    "INSERT INTO shop.shop VALUES (1)",
    "DELETE FROM other.t WHERE other IS NULL",
    "DELETE other.t FROM other.t JOIN u ON t.id = u.id",
    "WITH a AS (SELECT 1) UPDATE other.t, a SET t.x = 1",
    "CREATE TABLE other.t (a int)",
    "CREATE TABLE IF NOT EXISTS other.t (a int)",
    "CREATE TABLE t LIKE other.t",
    "CREATE TABLE t (a int REFERENCES other.t (id))",
    "ALTER TABLE other.t ADD COLUMN b int",
    "ALTER TABLE t RENAME TO other.t",
    "RENAME TABLE t TO other.t",
    "DROP TABLE t, other.t",
    "DROP TABLE IF EXISTS other.t",
    "TRUNCATE other.t",
    "TRUNCATE TABLE other.t",
    "CREATE INDEX i ON other.t (a)",
    "CREATE TRIGGER g AFTER INSERT ON other.t FOR EACH ROW SET @a = 1",
    "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW UPDATE other.t SET a = NEW.a",
    "CREATE VIEW other.v AS SELECT 1",
    "DROP VIEW IF EXISTS other.v",
    "CALL other.p()",
    "SELECT other.f(1)",
    "DO other.f()",
    "LOCK TABLES other.t WRITE",
    "LOAD DATA INFILE 'x' INTO TABLE other.t",
    "GRANT SELECT ON other.* TO ada",
    "USE other",
    "DROP DATABASE other",
    "DROP SCHEMA IF EXISTS `other`",
    "ALTER DATABASE shop CHARACTER SET utf8mb4",
    "CREATE DATABASE new",
    "CREATE OR REPLACE DATABASE IF NOT EXISTS new",
    "SELECT 1; UPDATE other.t SET a = 1",
    "/*! UPDATE other.t SET a = 1 */",
    "PREPARE s FROM 'UPDATE other.t SET a = 1'",
    "SET @s = 'DROP TABLE other.t'",
    "EXECUTE IMMEDIATE 'DROP TABLE other.t'",
    "UPDATE t SET a = (SELECT max(b) FROM other.u)",
    "SELECT NEXTVAL(other.s)",
    "SELECT NEXT VALUE FOR other.s",
    "SELECT SETVAL(`other`.s, 1)",
    'UPDATE "other"."t" SET a = 1',
    'DROP TABLE t, "other".t',
]

HARMLESS = [
    "UPDATE t SET a = 1",
    "UPDATE t SET other = 1 WHERE a = 'other.t'",
    "UPDATE shop SET shop.a = 1",
    "UPDATE customers AS shop SET shop.a = 1",
    "UPDATE customers shop SET shop.a = 1",
    "UPDATE t JOIN shop ON shop.id = t.shop SET t.a = shop.a",
    "UPDATE t, shop SET t.a = shop.a",
    "UPDATE (SELECT 1 AS a) shop SET t.a = shop.a",
    "INSERT INTO t (other) VALUES ('a')",
    "INSERT INTO t SELECT shop.id FROM shop",
    "SELECT a FROM other.t",
    "CREATE VIEW v AS SELECT a FROM other.t",
    "CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v AS SELECT t.a FROM other.t",
    "ALTER TABLE shop ADD COLUMN other int",
    "SHOW CREATE TABLE other.t",
    "CREATE TABLE other (a int)",
    "DROP TABLE IF EXISTS other",
    "ALTER DATABASE CHARACTER SET utf8mb4",
    "SELECT DATABASE()",
    "-- UPDATE other.t\nSELECT 1",
    "SET @a = 'other'",
    "SET @@session.sql_mode = 'other'",
    "CREATE TABLE t (a int DEFAULT 1.5)",
    "INSERT INTO t SELECT table_name FROM information_schema.tables",
]


@pytest.mark.parametrize("statement", CHANGING)
def test_what_changes_another_database(statement: str) -> None:
    assert other_database(statement, NAMES)


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_changes_none(statement: str) -> None:
    assert other_database(statement, NAMES) == ""


def test_rows_of_triggers_are_no_databases() -> None:
    names = {"new", "old"}
    trigger = "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = OLD.a"

    assert other_database(trigger, names) == ""
    assert other_database("UPDATE new.t SET a = 1", names) == "new"


CONTAINED = [
    *HARMLESS,
    "SET SESSION sql_mode = '', @a = @@GLOBAL.sql_mode",
    "SET NAMES utf8mb4",
    "LOCK TABLES t WRITE",
    "FLUSH PRIVILEGES",
    "ANALYZE TABLE t",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    "CREATE DEFINER=`a`@`%` TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @a = 1",
    "CREATE PROCEDURE p() BEGIN PREPARE q FROM @s; EXECUTE q; END",
    "CREATE TABLE user (server int, role int)",
    "DROP PREPARE p",
    "ALTER TABLE t ADD COLUMN connect int, ENGINE = InnoDB",
    "SELECT a INTO @b FROM t",
    "IF EXISTS (SELECT 1) THEN INSERT INTO t VALUES (1); END IF",
    "ROLLBACK",
    "SET STATEMENT max_statement_time = 1 FOR UPDATE t SET a = 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM t",
]

FAR = [
    "SET GLOBAL max_connections = 5",
    "SET @a = 1, @@GLOBAL.max_connections = 5",
    "SET SESSION sql_mode = '', PERSIST max_connections = 5",
    "SELECT 1 INTO OUTFILE 'x'",
    "TABLE t INTO OUTFILE 'x'",
    "WITH a AS (SELECT 1) SELECT * FROM a INTO DUMPFILE 'x'",
    "FLUSH TABLES WITH READ LOCK",
    "FLUSH LOCAL TABLES",
    "LOCK INSTANCE FOR BACKUP",
    "BEGIN NOT ATOMIC FLUSH TABLES WITH READ LOCK; END",
    "IF 1 THEN LOCK INSTANCE FOR BACKUP; END IF",
    "KILL 5",
    "SHUTDOWN",
    "RESET MASTER",
    "PURGE BINARY LOGS BEFORE NOW()",
    "START REPLICA",
    "INSTALL PLUGIN x SONAME 'y'",
    "CREATE FUNCTION f RETURNS INT SONAME 'y'",
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",
    "CREATE TABLESPACE s ADD DATAFILE 'x'",
    "CREATE TABLE t (a int) ENGINE=FEDERATED CONNECTION='mysql://a@b/c/d'",
    "ALTER TABLE t COMMENT 'a', ENGINE CONNECT",
    "BEGIN NOT ATOMIC CREATE USER a; END",
    "IF 1 THEN PREPARE p FROM 'DROP TABLE t'; END IF",
    "SET STATEMENT max_statement_time = 1 FOR CREATE USER a",
    "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO CALL p()",
    "BEGIN NOT ATOMIC CALL p(); END",
    "nonsense",
]

ACCOUNTS = [
    "CREATE USER IF NOT EXISTS a IDENTIFIED BY 'b'",
    "CREATE OR REPLACE ROLE a",
    "DROP USER a",
    "ALTER USER a IDENTIFIED BY 'b'",
    "GRANT SELECT ON t TO a",
    "REVOKE ALL PRIVILEGES ON *.* FROM a",
    "SET PASSWORD FOR a = 'b'",
    "SET DEFAULT ROLE a FOR b",
]


@pytest.mark.parametrize("sql", CONTAINED)
def test_what_stays_in_its_database(sql: str) -> None:
    for statement in split(sql, "mysql"):
        assert is_contained(statement)
        assert not is_about_accounts(statement)


@pytest.mark.parametrize("sql", FAR)
def test_what_may_change_the_server(sql: str) -> None:
    assert not all(map(is_contained, split(sql, "mysql")))


@pytest.mark.parametrize("sql", ACCOUNTS)
def test_what_is_about_accounts(sql: str) -> None:
    assert all(map(is_about_accounts, split(sql, "mysql")))


def test_another_engine_can_only_read(tmp_path: Path) -> None:
    here, there = (sa.create_engine(f"sqlite:///{tmp_path / name}") for name in ("a", "b"))
    with here.connect() as connection, there.connect() as other:
        with confined(connection, ["r1"]):
            other.exec_driver_sql("SELECT 1")
            connection.exec_driver_sql("CREATE TABLE a (n INT)")
            with pytest.raises(CommandError, match=r"^Revision r1 writes over a connection of its"):
                other.exec_driver_sql("CREATE TABLE a (n INT)")
        other.exec_driver_sql("CREATE TABLE a (n INT)")


@given(st.text(st.sampled_from("other.`'\"; \n/*-#UPDATE(")))
def test_no_text_is_too_odd(text: str) -> None:
    assert other_database(text, NAMES).casefold() in ("", "other")


def test_another_file_is_not_attached(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a'}")
    with engine.connect() as connection, confined(connection, ["r1"]):
        connection.exec_driver_sql("CREATE TABLE a (n INT)")
        for far in (f"ATTACH '{tmp_path / 'b'}' AS b", f"VACUUM INTO '{tmp_path / 'b'}'"):
            with pytest.raises(CommandError, match=r"^Revision r1 may change more than its dat"):
                connection.exec_driver_sql(far)
    assert not (tmp_path / "b").exists()


# Statements of PostgreSQL.
INSIDE = [
    "CREATE UNLOGGED TABLE t (role int, system int)",
    "CREATE UNIQUE INDEX i ON t (role)",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE USER MAPPING FOR ada SERVER s",
    "CREATE MATERIALIZED VIEW v AS SELECT 1",
    "CREATE PUBLICATION p",
    "ALTER TABLE t OWNER TO ada",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ada",
    "COMMENT ON COLUMN t.role IS 'x'",
    "DROP OPERATOR FAMILY IF EXISTS o USING btree",
    "TRUNCATE t",
    "GRANT SELECT ON t TO ada",
    "GRANT USAGE ON SCHEMA s TO ada",
    "COPY t FROM STDIN",
    "COPY t TO STDOUT",
    "REFRESH MATERIALIZED VIEW v",
    "SET LOCAL ROLE ada",
    "SELECT 1 INTO t",
    "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    "DO 'BEGIN END'",
    "LOCK TABLE t",
]

OF_SERVER = [
    "CREATE ROLE ada",
    "ALTER USER ada PASSWORD 'b'",
    "DROP GROUP ada",
    "ALTER ROLE ada IN DATABASE shop SET work_mem = '9MB'",
    "GRANT ada TO bob",
    "REVOKE ALL ON DATABASE shop FROM PUBLIC",
    "GRANT SET ON PARAMETER work_mem TO ada",
    "ALTER DATABASE shop SET work_mem = '9MB'",
    "ALTER SYSTEM SET work_mem = '9MB'",
    'COMMENT ON DATABASE "shop" IS NULL',
    "SECURITY LABEL FOR x ON ROLE ada IS 'y'",
]

REACHING = [
    "CREATE DATABASE shop",
    "DROP DATABASE IF EXISTS shop",
    "ALTER DATABASE shop RENAME TO b",
    "CREATE TABLESPACE s LOCATION '/x'",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
    "COPY t TO '/x'",
    "COPY t FROM PROGRAM 'x'",
    "DROP OWNED BY ada",
    "CHECKPOINT",
    "nonsense",
]


@pytest.mark.parametrize("sql", INSIDE)
def test_what_stays_in_a_database_of_postgresql(sql: str) -> None:
    [statement] = split(sql, "postgresql")

    assert postgresql.is_contained(statement)
    assert not postgresql.is_about_server(statement)


@pytest.mark.parametrize("sql", OF_SERVER)
def test_what_is_about_the_server_of_postgresql(sql: str) -> None:
    assert all(map(postgresql.is_about_server, split(sql, "postgresql")))


@pytest.mark.parametrize("sql", REACHING)
def test_what_may_change_the_server_of_postgresql(sql: str) -> None:
    [statement] = split(sql, "postgresql")

    assert not postgresql.is_about_server(statement)
    assert not postgresql.is_contained(statement)
