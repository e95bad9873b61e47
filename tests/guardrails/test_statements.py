"""The classifier of SQL statements."""

import pytest
from alembic_guardrails.statements import TOKENS, Kind, ends_transaction, split, tokens
from hypothesis import given
from hypothesis import strategies as st

DIALECTS = [*TOKENS]

# Statements that all dialects read alike: the verb, what it does, and the text.
STATEMENTS = [
    ("SELECT", Kind.READ, "SELECT a, 'b;c' FROM d"),
    ("SELECT", Kind.READ, "WITH c AS (SELECT 1), d (n) AS (VALUES (2)) SELECT * FROM c, d"),
    ("UPDATE", Kind.ROWS, "UPDATE a SET n = 'it''s -- no /* comment'"),
    ("UPDATE", Kind.ROWS, "WITH RECURSIVE c AS (SELECT 1) UPDATE a SET n = (SELECT * FROM c)"),
    ("DELETE", Kind.ROWS, "WITH c AS (SELECT 'DELETE' FROM b) DELETE FROM a"),
    ("INSERT", Kind.ROWS, "INSERT INTO a (n) SELECT CASE WHEN n THEN 1 END FROM b"),
    ("REPLACE", Kind.ROWS, "REPLACE INTO a VALUES (1)"),
    ("CREATE", Kind.SCHEMA, "CREATE TABLE a (event INT, n INT DEFAULT 1)"),
    (
        "CREATE",
        Kind.SCHEMA,
        "CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW BEGIN UPDATE b SET n = CASE WHEN n THEN 1"
        " END; DELETE FROM c; END",
    ),
    ("ALTER", Kind.SCHEMA, "ALTER TABLE a ADD COLUMN n INT"),
    ("SET", Kind.SESSION, "SET a = 1"),
    ("ROLLBACK", Kind.TRANSACTION, "ROLLBACK TO SAVEPOINT a"),
    ("CALL", Kind.OTHER, "CALL p()"),
    ("SELECT", Kind.OTHER, "SELECT 1 INTO a"),
]

# What differs, or is only in one dialect.
ODD = [
    ("mysql", "SELECT", Kind.READ, "# UPDATE\n SELECT 1"),
    ("mysql", "UPDATE", Kind.ROWS, r"UPDATE a SET n = 'a\'; DROP TABLE b', m = " '"x;\\"'),
    ("mysql", "SET", Kind.SESSION, "/*!40101 SET NAMES utf8 */"),
    ("mariadb", "CREATE", Kind.SCHEMA, "/*M!100100 CREATE TABLE a (n INT) */"),
    (
        "mysql",
        "CREATE",
        Kind.SCHEMA,
        "CREATE DEFINER=`a;`@`%` PROCEDURE p() IF 1 THEN DO 1; END IF",
    ),
    ("mariadb", "BEGIN", Kind.OTHER, "BEGIN NOT ATOMIC INSERT INTO a VALUES (1); END"),
    ("mariadb", "WHILE", Kind.OTHER, "WHILE @n DO SET @n = IF(@n, 0, 1); END WHILE"),
    (
        "mysql",
        "CREATE",
        Kind.SCHEMA,
        "CREATE PROCEDURE p() BEGIN a: LOOP IF IF(n, 1, 0) THEN SELECT 1; ELSEIF n THEN DO 1; "
        "END IF; CASE n WHEN 1 THEN DO 1; END CASE; LEAVE a; END LOOP; REPEAT SET n = 1; UNTIL n "
        "END REPEAT; FOR i IN (SELECT 1) DO DO 2; END FOR; END",
    ),
    ("mysql", "UPDATE", Kind.ROWS, "UPDATE a SET n = 1--1"),
    ("mysql", "START", Kind.OTHER, "START REPLICA"),
    ("mysql", "EXPLAIN", Kind.READ, "EXPLAIN UPDATE a SET n = 1"),
    ("mysql", "EXPLAIN", Kind.OTHER, "EXPLAIN ANALYZE SELECT f()"),
    ("mysql", "SELECT", Kind.READ, "((SELECT 1) UNION (SELECT 2))"),
    ("postgresql", "DELETE", Kind.ROWS, "WITH a AS (DELETE FROM b RETURNING n) SELECT * FROM a"),
    ("postgresql", "INSERT", Kind.ROWS, "WITH a AS MATERIALIZED ((INSERT INTO b)) SELECT 1"),
    ("postgresql", "SELECT", Kind.READ, r"SELECT 'a\', E'b\';', $$;$$, $x$ $$; $x$, a$b$ FROM c"),
    ("postgresql", "DO", Kind.OTHER, "DO $$ BEGIN DELETE FROM a; END $$"),
    ("postgresql", "CREATE", Kind.SCHEMA, "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END"),
    ("postgresql", "DROP", Kind.SCHEMA, '/* a /* ; */ ; */ DROP TABLE U&"b;"'),
    ("sqlite", "DROP", Kind.SCHEMA, 'DROP TABLE [a;"]'),
    ("sqlite", "SELECT", Kind.READ, "SELECT '\\' -- '"),
]

CASES = [(dialect, *case) for dialect in DIALECTS for case in STATEMENTS] + ODD


@pytest.mark.parametrize(("dialect", "verb", "kind", "text"), CASES)
def test_statements_are_told_apart(dialect: str, verb: str, kind: Kind, text: str) -> None:
    (statement,) = split(text, dialect)

    assert (statement.verb, statement.kind) == (verb, kind)


@given(
    st.sampled_from(DIALECTS),
    st.lists(st.sampled_from(STATEMENTS), max_size=5),
    st.sampled_from(["", " ", "\n", "-- a; b\n", "/* ; */", "-- 'x\n", '/* " */']),
)
def test_statements_are_the_same_in_any_company(
    dialect: str, cases: list[tuple[str, Kind, str]], between: str
) -> None:
    text = between + "".join(f"{text}{between};{between}" for *_, text in cases)

    found = split(text, dialect)

    assert [(statement.verb, statement.kind, statement.text) for statement in found] == cases


@given(st.sampled_from(DIALECTS), st.text(st.sampled_from(" ;'\"`$[]()/*!#-\\\n@:aE1%sé")))
def test_any_text_is_taken_apart_without_a_gap(dialect: str, text: str) -> None:
    end = 0
    for token in tokens(text, dialect):
        assert token.begin >= end
        assert text[token.begin : token.end] == token.text != ""
        end = token.end
    assert end <= len(text)
    for statement in split(text, dialect):
        assert statement.text in text
        assert statement.verb == statement.verb.upper()


@given(st.sampled_from(DIALECTS), st.text().map(lambda text: text.replace("\\", "")))
def test_what_is_in_a_string_or_a_name_is_no_code(dialect: str, text: str) -> None:
    quote = "`" if dialect in ("mysql", "mariadb") else '"'
    name, string = text.replace(quote, quote * 2), text.replace("'", "''")

    (statement,) = split(f"UPDATE {quote}{name}{quote} SET n = '{string}'", dialect)

    assert statement.tokens[1].identifier == text
    assert statement.words == ("UPDATE", "", "SET", "N", "=", "")
    assert statement.code == f"UPDATE {quote}{name}{quote} SET n = ''"


def test_code_has_neither_comments_nor_strings() -> None:
    (statement,) = split("/* a */ SELECT -- b\n  n,'c' FROM d#e", "mysql")

    assert statement.code == "SELECT n,'' FROM d"


def test_a_dialect_that_is_not_known_is_read_all_the_same() -> None:
    assert [statement.kind for statement in split("SELECT 1; DROP TABLE a", "other")] == [
        Kind.READ,
        Kind.SCHEMA,
    ]


def test_nothing_is_no_statement() -> None:
    assert split(" ; -- a\n;; /* b */", "mysql") == []


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("COMMIT", True),
        ("/* now */ end;", True),
        ("UPDATE a SET b = 1; COMMIT; UPDATE a SET b = 2", True),
        ("PREPARE TRANSACTION 'a'", True),
        ("ROLLBACK", True),
        ("ROLLBACK TO SAVEPOINT a", False),
        ("PREPARE a AS SELECT 1", False),
        ("UPDATE a SET b = 'COMMIT; COMMIT'", False),
        ("SELECT CASE WHEN a THEN 1 END FROM b", False),
        ("CREATE TRIGGER a AFTER INSERT ON b BEGIN DELETE FROM c; END", False),
        ("CREATE FUNCTION a() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", False),
        ("DO $$ BEGIN UPDATE a SET b = 1; END $$", False),
        ("COMMENT ON TABLE a IS 'b'", False),
    ],
)
def test_the_end_of_a_transaction(text: str, ends: bool) -> None:
    assert ends_transaction(text, "postgresql") is ends
