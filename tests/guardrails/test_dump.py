"""Dumps: SQL that creates a schema, with its rows, and SQL that drops it."""

from math import inf
from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError
from alembic_guardrails import snapshot
from alembic_guardrails.dialects import module_for
from alembic_guardrails.dump import (
    Dump,
    Dumper,
    mysql,
    postgresql,
    python_literal,
    read_content,
    read_dump,
    sqlite,
    write_revision,
)
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.schema import StoredObject
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.dialects.sqlite import pysqlite

from .tables import Speller, Table, tables

DUMPERS: dict[str, Dumper] = {
    "mysql": mysql,
    "mariadb": mysql,
    "postgresql": postgresql,
    "sqlite": sqlite,
}

NOTHING = IgnoreList()
QUOTE = pysqlite.dialect().identifier_preparer.quote_identifier

# SQLite stores no lone surrogates and ends texts at a NUL in some functions.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
# SQLite itself misreads the last digit of smaller and of greater numbers; squash refuses these.
tiny, huge = 1e-200, 1e200
floats = st.floats().filter(
    lambda number: number in (0, inf, -inf) or number != number or tiny < abs(number) < huge
)
values = st.none() | st.integers(-(2**63), 2**63 - 1) | floats | texts | st.binary()


@pytest.mark.parametrize("dialect", DUMPERS)
def test_each_database_has_its_dumper(dialect: str) -> None:
    assert module_for("dump", dialect) is DUMPERS[dialect]


# --- SQLite -------------------------------------------------------------------------------------


def connect() -> Connection:
    """Return a connection to an empty database."""
    return create_engine("sqlite://", poolclass=NullPool).connect()


def rebuild(dump: Dump) -> Connection:
    """Execute a dump on an empty database."""
    connection = connect()
    for _, statement in dump.create:
        connection.exec_driver_sql(statement)
    return connection


def assert_same(one: Connection, other: Connection) -> None:
    """Compare the schemas and the rows of two databases."""
    assert snapshot(one) == snapshot(other)
    assert read_content(one, NOTHING) == read_content(other, NOTHING)


@given(tables, st.integers(0, 2**32))
def test_a_dump_builds_the_same_table(table: Table, seed: int) -> None:
    with connect() as connection:
        connection.exec_driver_sql(Speller(seed).table(table))
        dump = read_dump(connection, NOTHING)

        with rebuild(dump) as copy:
            assert_same(connection, copy)
            for statement in dump.drop:
                copy.exec_driver_sql(statement)
            assert snapshot(copy) == {}


@given(st.lists(st.tuples(values, values), max_size=250), st.text(st.sampled_from("a\"'`[%:é ")))
def test_a_dump_inserts_the_same_rows(rows: list[tuple[object, object]], suffix: str) -> None:
    name = QUOTE(f"t{suffix}")
    with connect() as connection, connect() as copy:
        # Of SQLAlchemy's statements, names with a percent sign would be parameters.
        source: Any = connection.connection.dbapi_connection
        target: Any = copy.connection.dbapi_connection
        source.execute("CREATE TABLE alembic_version (version_num)")
        source.execute("INSERT INTO alembic_version VALUES ('head')")
        source.execute(f"CREATE TABLE {name} (a, {name})")
        source.executemany(f"INSERT INTO {name} VALUES (?, ?)", rows)

        dump = read_dump(connection, NOTHING, with_rows=True)
        for _, statement in dump.create:
            target.execute(statement)

        query = f"SELECT a, typeof(a), quote({name}) FROM {name}"
        assert target.execute(query).fetchall() == source.execute(query).fetchall()
        assert_same(connection, copy)
        assert "table alembic_version" not in dict(dump.create)


STATEMENTS = (
    "CREATE TABLE counted (n INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT)",
    "CREATE TABLE log (t TEXT)",
    "CREATE VIEW v AS SELECT n FROM counted",
    "CREATE TRIGGER g AFTER INSERT ON counted BEGIN INSERT INTO log VALUES (new.t); END",
    "CREATE INDEX i ON counted (t) WHERE t <> ''",
    "INSERT INTO counted VALUES (7, 'a'), (90, 'b')",
    "DELETE FROM counted WHERE n = 90",
)


def test_many_rows_are_inserted_by_several_statements() -> None:
    with connect() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (n)")
        connection.exec_driver_sql(
            "INSERT INTO numbers WITH RECURSIVE c (n) AS (SELECT 1 UNION SELECT n + 1 FROM c"
            " LIMIT 250) SELECT n FROM c"
        )

        dump = read_dump(connection, NOTHING, with_rows=True)

        assert [name for name, _ in dump.create][1:] == ["rows of table numbers"] * 3
        with rebuild(dump) as copy:
            assert_same(connection, copy)


def test_counters_triggers_and_views() -> None:
    with connect() as connection:
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement)

        dump = read_dump(connection, NOTHING, with_rows=True)

        with rebuild(dump) as copy:
            assert_same(connection, copy)
            assert copy.exec_driver_sql("SELECT count(*) FROM log").scalar() == 2
            copy.exec_driver_sql("INSERT INTO counted (t) VALUES ('c')")
            assert copy.exec_driver_sql("SELECT max(n) FROM counted").scalar() == 91
            assert dump.drop[0] == 'DROP VIEW "v"'
            for statement in dump.drop:
                copy.exec_driver_sql(statement)
            assert snapshot(copy) == {}
        assert read_content(connection, NOTHING)["last number of table counted"] == ["90"]


def test_what_the_ignore_list_matches_is_left_out() -> None:
    with connect() as connection:
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement)

        dump = read_dump(connection, IgnoreList(("table counted", "view v")), with_rows=True)

        assert {name for name, _ in dump.create} == {"table log", "rows of table log"}
        assert dump.drop == ['DROP TABLE "log"']
        assert set(read_content(connection, IgnoreList(("table *",)))) == set()


def test_rows_of_a_virtual_table_are_refused() -> None:
    with connect() as connection:
        connection.exec_driver_sql("CREATE VIRTUAL TABLE forest USING rtree(id, low, high)")
        dump = read_dump(connection, NOTHING, with_rows=True)
        assert [name for name, _ in dump.create] == ["table forest"]

        connection.exec_driver_sql("INSERT INTO forest VALUES (1, 2, 3)")
        with pytest.raises(CommandError, match="Table forest has rows that cannot be written"):
            read_dump(connection, NOTHING, with_rows=True)


# --- PostgreSQL ---------------------------------------------------------------------------------

# What pg_dump 18 writes, shortened.
SCRIPT = r"""--
-- PostgreSQL database dump
--

\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

ALTER TABLE ONLY public.children DROP CONSTRAINT children_parent_fkey;
ALTER TABLE ONLY public.children DROP CONSTRAINT children_pkey;
DROP INDEX public.by_name;
DROP TABLE public.children;
DROP FUNCTION other.answer(integer);
DROP FUNCTION public.quote();
DROP SCHEMA other;
--
-- Name: other; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA other;


--
-- Name: answer(integer); Type: FUNCTION; Schema: other; Owner: -
--

CREATE FUNCTION other.answer(n integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT 1;
END;


--
-- Name: FUNCTION answer(n integer); Type: COMMENT; Schema: other; Owner: -
--

COMMENT ON FUNCTION other.answer(n integer) IS 'a; b -- c';


--
-- Name: quote(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.quote() RETURNS text
    LANGUAGE sql
    AS $_$ SELECT ';'; /* "it''s" */ $_$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: children; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.children (
    "semi;colon" text DEFAULT 'x;y'::text
);


SET default_table_access_method = other;

--
-- Name: children_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.children_id_seq', 1, false);


--
-- Name: used_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.used_seq', 5, true);


--
-- Name: USER MAPPING postgres SERVER far; Type: USER MAPPING; Schema: -; Owner: -
--

CREATE USER MAPPING FOR postgres SERVER far OPTIONS (password 'secret');


--
-- Name: children children_parent_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_parent_fkey FOREIGN KEY (parent) REFERENCES public.parents(id);


\unrestrict abc
"""


def test_a_script_of_pg_dump_is_split() -> None:
    dump = postgresql.read_script(SCRIPT, NOTHING)

    assert [name for name, _ in dump.create] == [
        "",
        "schema other",
        "function other.answer(integer)",
        "comment other.FUNCTION answer(n integer)",
        "function quote()",
        "table children",
        "",
        "sequence set used_seq",
        "fk constraint children children_parent_fkey",
    ]
    created = dict(dump.create)
    assert created["function quote()"].endswith("AS $_$ SELECT ';'; /* \"it''s\" */ $_$")
    assert created["function other.answer(integer)"].endswith(" SELECT 1;\nEND")
    assert created[""] == "SET LOCAL default_table_access_method = other"
    assert "secret" not in str(dump)
    assert dump.drop == [
        "ALTER TABLE ONLY public.children DROP CONSTRAINT children_parent_fkey",
        "DROP TABLE public.children",
        "DROP FUNCTION other.answer(integer)",
        "DROP FUNCTION public.quote()",
        "DROP SCHEMA other",
    ]


def test_what_is_ignored_is_taken_out_of_a_script() -> None:
    ignored = IgnoreList(("function other.answer*", "schema other"))

    dump = postgresql.read_script(SCRIPT, ignored)

    assert "answer" not in str(dump)
    assert "SCHEMA" not in str(dump)
    assert "DROP FUNCTION public.quote()" in dump.drop


statements = st.lists(
    st.sampled_from(
        [
            "SELECT 1",
            "SELECT ';', \"a;b\"",
            "DO $$ BEGIN; END $$",
            "DO $a$ $$ ; $$ $a$",
            "SELECT 'it''s;' /* ; */",
            "SELECT 1 -- ;\n, 2",
        ]
    )
)


@given(statements)
def test_statements_are_split_at_their_ends(written: list[str]) -> None:
    script = "".join(f"\n-- comment;\n{statement};\n" for statement in written)

    assert [statement for _, statement in postgresql.split(script)] == written


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ada:secret@db:5433/shop", "host='db' port='5433' user='ada' dbname='shop'"),
        ("postgresql+asyncpg://db/it's?ssl=require", r"sslmode='require' host='db' dbname='it\'s'"),
        (
            "postgresql+pg8000:///shop?unix_sock=/run/.s.PGSQL.5432",
            "host='/run' port='5432' dbname='shop'",
        ),
        ("postgresql:///shop?host=a:1&host=b:2&options=-c", "host='a:1,b:2' dbname='shop'"),
    ],
)
def test_a_url_is_written_for_libpq(url: str, expected: str) -> None:
    assert postgresql.conninfo(make_url(url)) == expected


def test_without_pg_dump_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "major_version", lambda program: 14)

    with pytest.raises(CommandError, match="Install pg_dump of PostgreSQL 15 or newer"):
        postgresql.find_pg_dump(15)
    assert postgresql.find_pg_dump(14)


def test_what_pg_dump_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 18.1' && exit\n"
        "echo 'no entry' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match=f"{program} failed: no entry"):
        postgresql.run_pg_dump(make_url("postgresql://db/shop"), 18, [])


# --- MySQL and MariaDB --------------------------------------------------------------------------

OBJECTS = [
    StoredObject("view", "a", "", "CREATE VIEW `a` AS select 1 from (`b` join `t`)"),
    StoredObject("view", "b", "", "CREATE VIEW `b` AS select 1 from `t`"),
    StoredObject("table", "t", "", "CREATE TABLE `t` (\n  `n` int\n) AUTO_INCREMENT=5"),
    StoredObject("trigger", "g", " on table t", "CREATE TRIGGER `g`", "ANSI"),
    StoredObject("function", "f", "", "CREATE FUNCTION `f`", "ANSI"),
    StoredObject("sequence", "s", "", "CREATE SEQUENCE `s`"),
]


def test_objects_of_mysql_stand_in_an_order_in_which_they_can_be_created() -> None:
    dump = mysql.assemble(OBJECTS, [], with_counters=False)

    assert dump.create[2:-1] == [
        ("sequence s", "CREATE SEQUENCE `s`"),
        ("table t", "CREATE TABLE `t` (\n  `n` int\n)"),
        ("", "SET sql_mode = 'ANSI'"),
        ("function f", "CREATE FUNCTION `f`"),
        ("", "SET sql_mode = ''"),
        ("view b", "CREATE VIEW `b` AS select 1 from `t`"),
        ("view a", "CREATE VIEW `a` AS select 1 from (`b` join `t`)"),
        ("", "SET sql_mode = 'ANSI'"),
        ("trigger g", "CREATE TRIGGER `g`"),
    ]
    assert dump.drop[2:-1] == [
        "DROP VIEW `a`",
        "DROP VIEW `b`",
        "DROP FUNCTION `f`",
        "DROP TABLE `t`",
        "DROP SEQUENCE `s`",
    ]


def test_rows_of_mysql_come_before_triggers() -> None:
    rows = [("", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"), ("rows of table t", "INSERT")]

    dump = mysql.assemble(OBJECTS, rows, with_counters=True)

    created = [name or statement for name, statement in dump.create]
    assert created[3:6] == ["table t", rows[0][1], "rows of table t"]
    assert dump.create[3][1].endswith("AUTO_INCREMENT=5")
    assert created.index("SET sql_mode = 'ANSI'") == 6


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("CREATE TABLE `t` (\n  `n` int AUTO_INCREMENT\n) ENGINE=InnoDB AUTO_INCREMENT=12", "12"),
        ("CREATE TABLE `t` (\n  `n` int COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB", ""),
    ],
)
def test_the_next_number_of_a_table(statement: str, number: str) -> None:
    assert mysql.next_number(statement) == number


def test_types_that_have_no_literals_are_refused() -> None:
    assert mysql.table_literals("BASE TABLE", "t", {"a`b": "int"}) == {
        "`a``b`": "IFNULL(CAST(`a``b` AS CHAR), 'NULL')"
    }
    with pytest.raises(CommandError, match="cannot be written as SQL: at is of type point"):
        mysql.table_literals("BASE TABLE", "t", {"at": "point"})
    with pytest.raises(CommandError, match="Table t has rows and their history"):
        mysql.table_literals("SYSTEM VERSIONED", "t", {"n": "int"})


# --- Revisions ----------------------------------------------------------------------------------


@given(st.text() | st.text(st.sampled_from("\\'\"\n\t a")))
def test_python_reads_sql_as_it_was(statement: str) -> None:
    assert eval(python_literal(statement)) == statement


def test_a_revision_executes_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "a_baseline.py"
    dump = Dump([("table t", "CREATE TABLE t (\n  n int\n)"), ("table t", r"SET '\'")], ["DROP"])

    write_revision(
        path,
        "a",
        "A title.",
        dump,
        versions=str(tmp_path),
        more='replaces = ("b",)\n',
        was_found=True,
    )

    text = path.read_text("utf-8")
    code: dict[str, Any] = {}
    exec(text, code)
    assert code["CREATE"] == tuple(statement for _, statement in dump.create)
    assert (code["DROP"], code["replaces"], code["was_found"]) == (("DROP",), ("b",), True)
    assert text.count("# table t") == 1
    assert "require_missing_tables(DROP)\n    run_sql(CREATE)" in text
