"""Schemas as text, and what differs between two."""

import re
from collections.abc import Iterator

import pytest
from alembic.util import CommandError
from alembic_guardrails import differences, snapshot
from alembic_guardrails.dialects import module_for
from alembic_guardrails.schema import SchemaReader, mysql, postgresql, sqlite
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from .tables import Speller, Table, changes, tables

# mypy checks that each module offers what the protocol demands.
READERS: dict[str, SchemaReader] = {
    "mysql": mysql,
    "mariadb": mysql,
    "postgresql": postgresql,
    "sqlite": sqlite,
}

seeds = st.integers(0, 2**32)


def schema_of(*statements: str) -> dict[str, str]:
    """Return the schema that statements make in a SQLite database."""
    with create_engine("sqlite://").connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        return snapshot(connection)


@pytest.mark.parametrize("dialect", READERS)
def test_each_database_has_its_reader(dialect: str) -> None:
    assert module_for("schema", dialect) is READERS[dialect]


def test_another_database_is_refused() -> None:
    with pytest.raises(CommandError, match="oracle"):
        module_for("schema", "oracle")


# --- SQLite -------------------------------------------------------------------------------------


@given(tables, seeds, seeds)
def test_spelling_does_not_count(table: Table, one: int, other: int) -> None:
    assert schema_of(Speller(one).table(table)) == schema_of(Speller(other).table(table))


@given(tables, seeds, seeds)
def test_each_change_counts(table: Table, one: int, other: int) -> None:
    before = schema_of(Speller(one).table(table))
    for changed in changes(table):
        assert schema_of(Speller(other).table(changed)) != before, changed


def test_null_goes_without_saying() -> None:
    said = schema_of("CREATE TABLE t (a INT NULL DEFAULT NULL, b NULL, c TEXT NULL UNIQUE)")
    assert said == schema_of("CREATE TABLE t (a INT DEFAULT NULL, b, c TEXT UNIQUE)")
    assert said != schema_of("CREATE TABLE t (a INT DEFAULT NULL, b, c TEXT NOT NULL UNIQUE)")


@given(st.text(min_size=1), st.text(min_size=1))
def test_strings_are_kept(one: str, other: str) -> None:
    """Also those that SQLite takes for strings although they stand in double quotes."""

    def schema(value: str) -> dict[str, str]:
        single = value.replace("'", "''")
        return {"": sqlite.render(sqlite.parse(f"a DEFAULT '{single}'"))}

    def doubly_quoted(value: str) -> dict[str, str]:
        double = value.replace('"', '""')
        return {"": sqlite.render(sqlite.parse(f'a DEFAULT "{double}"'))}

    assert (schema(one) == schema(other)) == (one == other)
    assert schema(one) == doubly_quoted(one)


@pytest.mark.parametrize(
    ("columns", "is_same"),
    [
        ("a {}, b TEXT", True),
        ("a {} DEFAULT 'primary'", True),
        ("b {}, a TEXT, PRIMARY KEY (a)", True),
        ("a {} PRIMARY KEY", False),
        ("a {} CONSTRAINT pk PRIMARY KEY", False),
        ("a {}, b INT, CONSTRAINT pk PRIMARY KEY (a)", False),
    ],
)
def test_int_is_integer_but_in_a_primary_key(columns: str, is_same: bool) -> None:
    """There INTEGER alone makes the column the number of the row."""
    one, other = (
        schema_of(f"CREATE TABLE t ({columns.format(word)})") for word in ("INT", "INTEGER")
    )
    assert (one == other) is is_same


def test_what_sqlite_has_beside_tables() -> None:
    schema = schema_of(
        "CREATE TABLE a (n INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, g INT AS (n)) STRICT",
        "CREATE UNIQUE INDEX i ON a (t DESC) WHERE t > ''",
        "CREATE VIEW v AS SELECT n FROM a",
        "CREATE TRIGGER g AFTER INSERT ON a BEGIN DELETE FROM a WHERE n < 0; END",
        "CREATE TRIGGER h INSTEAD OF DELETE ON v BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE f USING fts5(t)",
        "CREATE TABLE alembic_version (version_num)",
    )

    assert {name for name in schema if "f_" not in name} == {
        "table a",
        "column n of table a",
        "column t of table a",
        "column g of table a",
        "constraint primary key (n) autoincrement on table a",
        "index i on table a",
        "view v",
        "trigger g on table a",
        "trigger h on view v",
        "table f",
    }
    assert schema["table a"] == "strict"
    assert schema["column g of table a"] == "integer as (n)"
    assert schema["index i on table a"] == "create unique index i on a (t desc) where t > ''"


# --- MySQL and MariaDB --------------------------------------------------------------------------

TABLE = """CREATE TABLE `lines` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `text` varchar(20) DEFAULT 'a, AUTO_INCREMENT=7 `shop`.`x`' COMMENT 'it''s',
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq` (`text`),
  KEY `by_text` (`text`,`id`),
  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `orders` (`id`),
  CONSTRAINT `positive` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=12 DEFAULT CHARSET=utf8mb4 COMMENT='see AUTO_INCREMENT=3'"""


def test_a_table_of_mysql_is_read_line_by_line() -> None:
    assert dict(mysql.table_parts("lines", TABLE)) == {
        "table lines": ("ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='see AUTO_INCREMENT=3'"),
        "column id of table lines": "`id` int(11) NOT NULL AUTO_INCREMENT",
        "column text of table lines": (
            "`text` varchar(20) DEFAULT 'a, AUTO_INCREMENT=7 `shop`.`x`' COMMENT 'it''s'"
        ),
        "primary key on table lines": "PRIMARY KEY (`id`)",
        "index uq on table lines": "UNIQUE KEY `uq` (`text`)",
        "index by_text on table lines": "KEY `by_text` (`text`,`id`)",
        "constraint fk on table lines": (
            "CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `orders` (`id`)"
        ),
        "constraint positive on table lines": "CONSTRAINT `positive` CHECK (`id` > 0)",
    }


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("CREATE VIEW `v` AS SELECT `shop`.`t`.`id` FROM `shop`.`t`", "`t`.`id` FROM `t`"),
        ("CREATE VIEW `v` AS SELECT 'in `shop`.`t`' FROM `shop`.`t`", "'in `shop`.`t`' FROM `t`"),
        ("CREATE VIEW `v` AS SELECT `t`.`shop`.`x` FROM `t`", "`t`.`shop`.`x` FROM `t`"),
        (r"CREATE VIEW `v` AS SELECT 'it\'s `shop`.' FROM `t`", r"'it\'s `shop`.' FROM `t`"),
    ],
)
def test_the_name_of_the_database_is_left_out(statement: str, expected: str) -> None:
    found = mysql.outside_texts(rf"(?<![.`]){re.escape('`shop`')}\.", statement)

    assert found == f"CREATE VIEW `v` AS SELECT {expected}"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("CREATE DEFINER=`root`@`%` TRIGGER `t`", "CREATE TRIGGER `t`"),
        ("CREATE DEFINER=`owner` VIEW `v`", "CREATE VIEW `v`"),
    ],
)
def test_the_definer_is_left_out(head: str, expected: str) -> None:
    assert mysql.DEFINER.sub("", head) == expected


def test_when_an_event_begins_is_left_out() -> None:
    event = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' DO SELECT 1"

    found = mysql.outside_texts(mysql.TIMES, event)

    assert found == "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1"


@given(st.text(min_size=1))
def test_any_name_can_be_quoted(name: str) -> None:
    quoted = mysql.quote_name(name)

    assert (quoted[0], quoted[-1]) == ("`", "`")
    assert quoted[1:-1].replace("``", "`") == name
    assert "`" not in quoted[1:-1].replace("``", "")


# --- Differences --------------------------------------------------------------------------------

schemas = st.dictionaries(
    st.sampled_from(("table a", "table b", "column x of table a", "index i on table b", "view v")),
    st.sampled_from(("", "one", "two\nlines")),
).map(lambda schema: {name[-7:]: "" for name in schema if "table " in name} | schema)


def described(found: list[str]) -> Iterator[tuple[str, str]]:
    """Split differences into what they are, and of which object."""
    for difference in found:
        kind, _, rest = difference.partition(": ")
        yield kind, rest.partition("\n")[0].removesuffix(":")


@given(schemas, schemas)
def test_differences(one: dict[str, str], other: dict[str, str]) -> None:
    found = set(described(differences(one, other, ("first", "second"))))

    assert bool(found) == (one != other)
    assert {name for kind, name in found if kind == "different"} == {
        name for name in one if name in other and one[name] != other[name]
    }
    for kind, name in found - {("different", name) for name in one}:
        here, there = (one, other) if kind == "only in the first" else (other, one)
        assert name in here
        assert name not in there


def test_of_a_missing_table_nothing_else_is_named() -> None:
    table = {"table a": "", "column x of table a": "int", "index i on table a": "i"}

    assert differences(table, {}) == ["only in the database: table a"]
    assert differences({"table a": ""}, table) == [
        "only in the migrations: column x of table a:\n    int",
        "only in the migrations: index i on table a:\n    i",
    ]
    assert differences({"view v": "1"}, {"view v": "2"}) == [
        "different: view v\n  database:\n    1\n  migrations:\n    2"
    ]
