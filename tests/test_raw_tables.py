"""Tables that SQL of a revision's own makes: the recorder says of them what the database says, or
that it does not know them."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic_guardrails.autogenerate import escape_parameters
from alembic_guardrails.offline.recorder import Recorder
from guardrails.offline_revisions import offline_context, upgrade_text, write_script
from sqlalchemy import Connection, Dialect

pytestmark = pytest.mark.slow

ALL = ("mariadb", "mysql", "postgresql", "sqlite")
MYSQL = ("mariadb", "mysql")
SERVERS = (*MYSQL, "postgresql")

# Statements about a table t, and the databases that have them. A table p is there already.
UNDERSTOOD: dict[str, tuple[str, ...]] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)": ALL,
    "create table t (id int not null, b bigint, s smallint, primary key (id))": ALL,
    "CREATE TABLE IF NOT EXISTS t (id INTEGER, n NUMERIC(10, 2) DEFAULT 0)": ALL,
    "CREATE TABLE t (id INTEGER, d DATE, at TIMESTAMP NULL, x TEXT)": ALL,
    "CREATE TABLE t (a CHAR(5) DEFAULT 'it''s', b VARCHAR(9) DEFAULT ':a' NOT NULL)": ALL,
    "CREATE TABLE t (a INTEGER UNIQUE, b INTEGER, CONSTRAINT u UNIQUE (a, b))": ALL,
    "CREATE TABLE t (a INTEGER, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id))": ALL,
    "CREATE TABLE t (a INTEGER, CONSTRAINT c CHECK (a > 0))": ALL,
    "CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a)": ALL,
    "CREATE TABLE t (a INTEGER, b INTEGER); CREATE UNIQUE INDEX i ON t (b, a)": ALL,
    "CREATE TABLE t (a INTEGER); ALTER TABLE t ADD COLUMN b INTEGER": ALL,
    "CREATE TABLE t (a INTEGER); ALTER TABLE t ADD b VARCHAR(5) DEFAULT 'x' NOT NULL": ALL,
    "CREATE TABLE t (a INTEGER, b INTEGER); ALTER TABLE t DROP COLUMN b": ALL,
    "CREATE TABLE t (a INTEGER); ALTER TABLE t RENAME COLUMN a TO b": ALL,
    "CREATE TABLE o (a INTEGER); ALTER TABLE o RENAME TO t": ALL,
    "CREATE TABLE o (a INTEGER); RENAME TABLE o TO t": MYSQL,
    "CREATE TABLE t (a INTEGER); DROP TABLE t; CREATE TABLE t (b INTEGER)": ALL,
    "CREATE TABLE t (a INTEGER); DROP TABLE IF EXISTS t, u": SERVERS,
    "CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a); DROP INDEX i": ("postgresql", "sqlite"),
    "CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a); DROP INDEX i ON t": MYSQL,
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, b TINYINT(1)) ENGINE=InnoDB": MYSQL,
    "CREATE TABLE `t` (`Id` INT NOT NULL, `b` LONGTEXT, c DATETIME) DEFAULT CHARSET=utf8mb4": MYSQL,
    "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, c BOOLEAN)": ("sqlite",),
    'CREATE TABLE "t" ([a b] INTEGER, `c` REAL)': ("sqlite",),
    'CREATE TABLE public.t (ID serial PRIMARY KEY, "Name" varchar, b bool)': ("postgresql",),
    "CREATE TABLE t (a timestamptz DEFAULT now(), b uuid, c jsonb, d double precision)": (
        "postgresql",
    ),
    "CREATE TABLE t (a timestamp with time zone, b character varying(9), c bytea)": ("postgresql",),
    "CREATE TABLE t (a int REFERENCES p (id) ON DELETE CASCADE)": ("postgresql",),
    "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY": ("postgresql",),
    "CREATE TABLE t (a int); COMMENT ON TABLE t IS 'x'; GRANT SELECT ON t TO PUBLIC": (
        "postgresql",
    ),
}

NOT_UNDERSTOOD: dict[str, tuple[str, ...]] = {
    "CREATE TABLE t AS SELECT 1 AS a": ALL,
    "CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1) STORED)": ALL,
    "CREATE TABLE t (a INTEGER REFERENCES p)": ("postgresql", "sqlite"),
    "CREATE TABLE t LIKE p": MYSQL,
    "CREATE TABLE t (LIKE p)": ("postgresql",),
    "CREATE TABLE t (a INTEGER, KEY k (a))": MYSQL,
    "CREATE TABLE t (a ENUM('x', 'y'))": MYSQL,
    "CREATE TABLE t (a DATETIME(6))": MYSQL,
    "CREATE TABLE t (a int[])": ("postgresql",),
    "CREATE TABLE t (a int); ALTER TABLE t ALTER COLUMN a TYPE bigint": ("postgresql",),
    "CREATE TABLE t (a int); ALTER TABLE t MODIFY a BIGINT": MYSQL,
    "CREATE TABLE t (a int); CREATE INDEX i ON t ((a + 1))": ("mysql", "postgresql"),
    "CREATE TABLE t (a int); DO $$ BEGIN ALTER TABLE t ADD b int; END $$": ("postgresql",),
    "DO $$ BEGIN EXECUTE 'CREATE TABLE t (a int)'; END $$": ("postgresql",),
    "CREATE TABLE t (a int); ALTER TABLE t ADD b int, ADD UNIQUE (b)": SERVERS,
}

INSPECT = """
inspector = sa.inspect(op.get_bind())
there = inspector.has_table('t')
seen.append(there and [inspector.get_columns('t'), inspector.get_pk_constraint('t'),
    inspector.get_unique_constraints('t'), inspector.get_foreign_keys('t'),
    inspector.get_check_constraints('t'), inspector.get_indexes('t')])
"""


def spelt(type_: str) -> str:
    """Return a type without what MariaDB and MySQL add to it, in one of two spellings."""
    bare = re.sub(r" (CHARACTER SET|COLLATE) .*|(?<=INT)\(\d+\)|(?<=INTEGER)\(\d+\)", "", type_)
    return bare.replace("NUMERIC", "DECIMAL")


def essence(seen: Any, dialect: Dialect) -> Any:
    """Return what a revision may ask for of what an inspector says."""
    if not seen:
        return seen
    columns, key, uniques, foreign_keys, checks, indexes = seen
    # MySQL has an index for each of these, which can have the name of the column instead.
    of_keys = {part["name"] for part in foreign_keys}
    return {
        "columns": [
            (
                column["name"],
                spelt(column["type"].compile(dialect)),
                column["nullable"],
                column["default"] is not None,
            )
            for column in columns
        ],
        # MySQL's has always the same name, which SQLAlchemy leaves out.
        "key": (key["constrained_columns"], dialect.name not in MYSQL and key["name"]),
        "unique": sorted((str(unique["name"]), unique["column_names"]) for unique in uniques),
        "foreign": sorted(
            (str(key["name"]), key["constrained_columns"], key["referred_table"])
            for key in foreign_keys
        ),
        "checks": sorted(str(check["name"]) for check in checks),
        "indexes": sorted(
            (index["name"], index["column_names"], bool(index["unique"]))
            for index in indexes
            if index["name"] not in of_keys
        ),
    }


def record(dialect: str, sql: str, folder: Path) -> Any:
    """Return what the recorder says of a table, or the error of the revision that asks."""
    recorder = Recorder(offline_context(dialect))
    statements = ["CREATE TABLE p (id INTEGER PRIMARY KEY)", *sql.split("; ")]
    if "DO $$" in sql:
        first, _, block = sql.partition("DO $$")
        statements = [statements[0], *filter(None, first.split("; ")), f"DO $${block}"]
    lines = [f"op.execute({escape_parameters(part)!r})" for part in statements]
    script = write_script(folder, upgrade_text(*lines), "first.py")
    assert recorder.record_upgrade(script).failure is None
    asking = write_script(
        folder, "seen = []\n" + upgrade_text(*INSPECT.strip().splitlines()), "second.py"
    )
    failure = recorder.record_upgrade(asking).failure
    return failure.reason if failure else asking.module.seen[0]


def inspect_table(connection: Connection) -> Any:
    """Return what the database says of the table."""
    inspector = sa.inspect(connection)
    return inspector.has_table("t") and [
        inspector.get_columns("t"),
        inspector.get_pk_constraint("t"),
        inspector.get_unique_constraints("t"),
        inspector.get_foreign_keys("t"),
        inspector.get_check_constraints("t"),
        inspector.get_indexes("t"),
    ]


def test_what_is_understood_is_as_the_database_says(
    connection: Connection, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    dialect = connection.dialect
    for sql, databases in UNDERSTOOD.items():
        if dialect.name in databases:
            for table in ("t", "o", "p"):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
            for statement in ("CREATE TABLE p (id INTEGER PRIMARY KEY)", *sql.split("; ")):
                connection.exec_driver_sql(statement)
            with subtests.test(sql):
                recorded = record(dialect.name, sql, tmp_path)
                assert essence(recorded, dialect) == essence(inspect_table(connection), dialect)


@pytest.mark.parametrize("dialect", ALL)
def test_what_is_not_understood_is_not_known(
    dialect: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    for sql, databases in NOT_UNDERSTOOD.items():
        if dialect in databases:
            with subtests.test(sql):
                said = str(record(dialect, sql, tmp_path))
                assert said.startswith("UnknownTableError: SQL creates or changes t in a way")
