"""SQL of offline mode: it has the values that the revision has with a database."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from alembic_guardrails.offline.exact import keep_line_ends, write_values_exactly
from sqlalchemy.dialects.postgresql import BYTEA, INTERVAL

from guardrails.conftest import Project

BYTES = b"it's \\001 \xff%"

BINARY = f"""
class Packed(sa.TypeDecorator):
    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return bytes([value])

rows = op.create_table(
    "rows",
    sa.Column("a", sa.LargeBinary()),
    sa.Column("b", sa.VARBINARY(9)),
    sa.Column("c", Packed),
)
op.bulk_insert(rows, [{{"a": {BYTES!r}, "b": b"text", "c": 255}}])
op.execute(rows.insert().values(a={BYTES!r}, b=b"text", c=65))
"""


def sql_of(project: Project) -> str:
    """Return what `alembic upgrade head --sql` prints."""
    config = project.config()
    command.upgrade(config, "head", sql=True)
    assert isinstance(config.output_buffer, StringIO)
    return config.output_buffer.getvalue()


def test_bytes(project: Project) -> None:
    """SQLAlchemy would write a text, which SQLite keeps as one: the service could not read it."""
    project.revision("a", BINARY)
    project.upgrade()

    with (
        closing(sqlite3.connect("printed.db")) as printed,
        closing(sqlite3.connect("app.db")) as expected,
    ):
        printed.executescript(sql_of(project))
        rows = [each.execute("SELECT * FROM rows").fetchall() for each in (printed, expected)]

    assert rows[0] == rows[1] == [(BYTES, b"text", b"\xff"), (BYTES, b"text", b"A")]


@pytest.mark.parametrize(
    ("database", "expected"),
    [("sqlite", "x'5c30'"), ("mysql+pymysql", "x'5c30'"), ("postgresql", r"'\x5c30'")],
)
def test_bytes_of_each_database(database: str, expected: str) -> None:
    dialect = sa.make_url(f"{database}://").get_dialect()()
    write_values_exactly(dialect)

    for type_ in (sa.LargeBinary(), sa.BINARY(2), sa.VARBINARY(2), BYTEA()):
        compiled = sa.literal(b"\\0", type_).compile(
            dialect=dialect, compile_kwargs={"literal_binds": True}
        )
        assert str(compiled) == expected


def test_days_of_an_interval() -> None:
    dialect = sa.make_url("postgresql://").get_dialect()()
    write_values_exactly(dialect)

    for type_ in (sa.Interval(), INTERVAL()):
        literal = sa.literal(timedelta(days=-1, seconds=90, microseconds=5), type_)
        compiled = literal.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        assert str(compiled) == "make_interval(days => -1, secs => 90.000005)"


JSON = 'rows = op.create_table("rows", sa.Column("a", sa.JSON()), sa.Column("b", sa.Text()))'


@pytest.mark.parametrize(
    "insert",
    [
        'op.bulk_insert(rows, [{"a": None}])',
        "op.execute(rows.insert().values(a=None))",
        "op.execute(rows.update().values(a=None))",
    ],
)
def test_null_of_json(project: Project, insert: str) -> None:
    """SQLAlchemy would write NULL."""
    project.revision("a", f"{JSON}\n{insert}")

    with pytest.raises(CommandError, match="None is the null of JSON"):
        sql_of(project)


def test_null(project: Project) -> None:
    values = "a=sa.null(), b=None", "a=sa.text(\"'null'\")"
    inserts = [f"op.execute(rows.insert().values({each}))" for each in values]
    project.revision("a", "\n".join((JSON, *inserts)))

    sql = sql_of(project)

    assert "INSERT INTO rows (a, b) VALUES (NULL, NULL);" in sql
    assert "INSERT INTO rows (a) VALUES ('null');" in sql


WINDOWS = "SELECT 'a\r\nb\rc', \"d\r\n\"\r\n-- 'e\r\n"


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("mysql", "SELECT 'a\\r\nb\rc', \"d\\r\n\"\r\n-- 'e\r\n"),
        ("postgresql", WINDOWS),
    ],
)
def test_line_ends_of_windows(dialect: str, expected: str) -> None:
    """The program `mariadb` would leave out what is not escaped; `psql` keeps it."""
    assert keep_line_ends(WINDOWS, dialect) == expected


def test_line_ends_of_windows_on_sqlite(project: Project) -> None:
    project.revision("a", "op.execute(sa.select(sa.literal('a\\r\\nb')))")

    with pytest.raises(CommandError, match=r"sqlite3 would read .*char\(13\)"):
        sql_of(project)

    assert keep_line_ends("SELECT 1 --\r\n", "sqlite") == "SELECT 1 --\r\n"


@pytest.mark.parametrize(
    "body",
    [
        "op.get_bind().execute(sa.text('SELECT 1')).scalar()",
        "for row in op.get_bind().execute(sa.text('SELECT 1')): pass",
        "op.get_bind().execute(sa.text('DELETE FROM t')).rowcount",
        "op.get_bind().scalar(sa.text('SELECT 1'))",
        "op.get_bind().scalars(sa.text('SELECT 1'))",
        "op.get_bind().exec_driver_sql('SELECT 1')",
        "sa.inspect(op.get_bind())",
        "op.get_bind().dialect.has_table(op.get_bind(), 't')",
        "op.get_bind().dialect.get_columns(op.get_bind(), 't')",
        "sa.engine.reflection.Inspector.from_engine(op.get_bind()).get_table_names()",
    ],
)
def test_a_revision_that_asks(project: Project, body: str) -> None:
    project.revision("a", body)

    with pytest.raises(CommandError, match="asks the database, which --sql does without"):
        sql_of(project)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("with op.get_bind().begin_nested(): pass", "begin_nested"),
        ("op.get_bind().engine.url", "url"),
        ("sa.orm.Session(op.get_bind()).execute(sa.text('SELECT 1'))", "[a-z_]+"),
    ],
)
def test_what_only_a_database_has(project: Project, body: str, name: str) -> None:
    project.revision("a", f"import sqlalchemy.orm\n{body}")

    with pytest.raises(CommandError, match=f"^The revision uses {name} of a connection"):
        sql_of(project)


def test_a_revision_can_do_without_a_result(project: Project) -> None:
    """As with Alembic, which returns None: revisions of others ask for that."""
    body = "result = op.get_bind().execute(sa.text('DELETE FROM t'))\nif result: result.rowcount"
    project.revision("a", body)

    assert "DELETE FROM t" in sql_of(project)


def test_a_revision_can_ask_what_a_connection_has(project: Project) -> None:
    project.revision("a", "assert not hasattr(op.get_bind(), 'in_transaction')")

    assert "COMMIT" in sql_of(project)


@pytest.mark.parametrize(
    "use",
    [
        'op.bulk_insert(rows, [{"a": 1}])',
        "op.execute(rows.insert().values(a=1))",
        "op.execute(rows.update().values(a=1))",
    ],
)
def test_defaults_in_python(project: Project, use: str) -> None:
    """SQLAlchemy would write NULL."""
    default = "onupdate" if "update" in use else "default"
    columns = f"sa.Column('a', sa.Integer()), sa.Column('b', sa.Text(), {default}=lambda: 'c')"
    project.revision("a", f"rows = op.create_table('rows', {columns})\n{use}")

    with pytest.raises(CommandError, match=r"^rows\.b has a default in Python"):
        sql_of(project)


@pytest.mark.parametrize("given", ["", ".params(a=1)"])
def test_a_parameter_without_a_value(project: Project, given: str) -> None:
    """SQLAlchemy would write NULL."""
    project.revision("a", f"op.execute(sa.text('DELETE FROM t WHERE a = :a'){given})")

    with pytest.raises(CommandError, match="value of the parameter a is not known in --sql"):
        sql_of(project)


def test_a_comment_at_the_end(project: Project) -> None:
    """The semicolon would be a part of it."""
    project.revision("a", "op.execute('SELECT 1 -- one')\nop.execute('SELECT 2 /* two */ ')")

    assert "SELECT 1 -- one\n;\n\nSELECT 2 /* two */;" in sql_of(project)
