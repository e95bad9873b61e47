"""Databases that are created, and temporary ones."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_guardrails import create_database, run_with_connection, temporary_database
from alembic_guardrails import temporary as package
from alembic_guardrails.connection import UnreachableError
from alembic_guardrails.databases import can_connect, locale_options
from alembic_guardrails.dialects import module_for
from alembic_guardrails.temporary import (
    Provisions,
    RevisionSource,
    TemporaryServer,
    is_created,
    is_mentioned,
    mysql,
    postgresql,
    read_sources,
    temporary_database_beside,
)
from alembic_guardrails.temporary.build import build_schema
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from .conftest import Project

SERVERS: dict[str, TemporaryServer] = {
    "mysql": mysql,
    "mariadb": mysql,
    "postgresql": postgresql,
}


@pytest.mark.parametrize("dialect", SERVERS)
def test_each_server_has_its_module(dialect: str) -> None:
    assert module_for("temporary", dialect) is SERVERS[dialect]


@pytest.mark.slow
def test_a_session_that_stays_open_keeps_no_temporary_database(connection: Connection) -> None:
    """As in a revision that leaves one open."""
    url = connection.engine.url
    with temporary_database(url) as temporary:
        left_open = create_engine(temporary).connect()
        left_open.execute(text("SELECT 1"))

    left_open.invalidate()
    assert url.get_backend_name() == "sqlite" or not can_connect(temporary)


# --- Files --------------------------------------------------------------------------------------


def test_the_folder_of_a_file_is_created(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'new' / 'folder' / 'app.db'}")
    assert not can_connect(url)

    create_database(url)
    create_database(url)

    assert can_connect(url)


def test_a_temporary_file_is_gone_when_the_block_raises() -> None:
    files: list[Path] = []

    def fail() -> None:
        with temporary_database(make_url("sqlite:///app.db?timeout=3")) as url:
            assert url.query == {"timeout": "3"}
            files.append(Path(str(url.database)))
            run_with_connection(url, lambda connection: connection.exec_driver_sql("VACUUM"))
            assert files[0].exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not files[0].parent.exists()


def test_a_schema_is_built_in_a_temporary_file(project: Project) -> None:
    project.revision("a", 'op.create_table("things", sa.Column("n", sa.Integer()))')
    project.revision("b", 'op.execute("CREATE VIEW v AS SELECT n FROM things")', down="a")
    started: list[str] = []

    def build(connection: Connection) -> dict[str, str]:
        return build_schema(
            project.config(),
            connection,
            "b",
            lambda step: started.append(step.revision.revision),
        )

    with temporary_database_beside(project.config(), make_url("sqlite:///app.db")) as url:
        schema = run_with_connection(url, build)

    assert schema == {
        "table things": "",
        "column n of table things": "integer",
        "view v": "create view v as select n from things",
    }
    assert started == ["a", "b"]
    assert not (project.path / "app.db").exists()


# --- Servers ------------------------------------------------------------------------------------


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is executed on the server, in place of it."""
    executed: list[str] = []

    def create(url: URL, like: str | None = None) -> None:
        executed.append(f"CREATE DATABASE {url.database} {like}")

    def drop(url: URL) -> None:
        executed.append(f"DROP DATABASE {url.database}")

    monkeypatch.setattr(package, "create_on_server", create)
    monkeypatch.setattr(package, "drop_on_server", drop)
    monkeypatch.setattr(package, "provide", lambda *_, **__: None)
    return executed


@pytest.mark.parametrize("name", ["shop", "x" * 60])
def test_a_temporary_database_is_dropped_when_the_block_raises(
    statements: list[str], name: str
) -> None:
    databases: list[str] = []

    def fail() -> None:
        with temporary_database(make_url(f"postgresql+psycopg://ada@db/{name}")) as url:
            databases.append(str(url.database))
            assert statements == [f"CREATE DATABASE {url.database} {name}"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert statements[1:] == [f"DROP DATABASE {databases[0]}"]
    assert databases[0].startswith(f"{name[:40]}_")
    assert len(databases[0]) < 64


def test_a_temporary_database_is_dropped_if_it_cannot_be_like_the_real_one(
    statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def provide(*_: object, **__: object) -> None:
        raise CommandError("no such extension")

    monkeypatch.setattr(package, "provide", provide)
    with (
        pytest.raises(CommandError, match="no such extension"),
        temporary_database(make_url("postgresql+psycopg://ada@db/shop")),
    ):
        pass
    assert [statement.split()[0] for statement in statements] == ["CREATE", "DROP"]


class Refusal(Exception):
    """An error of a driver, with its code."""

    def __init__(self, code: int | str) -> None:
        super().__init__(*([code, "denied"] if isinstance(code, int) else ["denied"]))
        self.sqlstate = code


@pytest.mark.parametrize(
    ("url", "code", "advice"),
    [
        ("postgresql+psycopg://ada@db/shop", "42501", "`ALTER ROLE ada CREATEDB`"),
        ("mysql+pymysql://ada@db/my_shop", 1044, r"`GRANT ALL ON `my\_shop\_%`.* TO `ada``"),
        ("mysql+pymysql://ada@db/shop", 1007, ""),
        ("postgresql+psycopg://ada@db/shop", "53100", ""),
    ],
)
def test_who_may_not_create_databases_reads_what_to_do(
    url: str, code: int | str, advice: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def refuse(*_: object) -> Iterator[None]:
        raise OperationalError("CREATE DATABASE", {}, Refusal(code))
        yield

    monkeypatch.setattr(package, "temporary_database", refuse)
    with (
        pytest.raises(CommandError) as raised,
        temporary_database_beside(project.config(), make_url(url)),
    ):
        pass

    message = "No temporary database can be created to compare with: denied"
    more = f". Allow it with {advice}, or name an empty database in SCRATCH_DATABASE_URL."
    assert str(raised.value) == message + (more if advice else "")


def test_an_unreachable_server_is_named_as_such(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnreachableError("nobody answers")

    monkeypatch.setattr(package, "create_on_server", refuse)
    with (
        pytest.raises(CommandError, match=r"No temporary database can be .*: nobody answers$"),
        temporary_database_beside(project.config(), make_url("mysql+pymysql://ada@db/shop")),
    ):
        pass


DEFAULT = {"encoding": "UTF8", "datcollate": "C", "datctype": "C", "datlocprovider": "c"}


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ""),
        ({"encoding": "LATIN1"}, "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"),
        (
            {"datlocprovider": "i", "daticulocale": "de", "daticurules": "&a < 'b'"},
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'icu' ICU_LOCALE 'de'"
            " ICU_RULES '&a < ''b'''",
        ),
        (
            {"datlocprovider": "b", "datlocale": "C.UTF-8"},
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'builtin'"
            " BUILTIN_LOCALE 'C.UTF-8'",
        ),
    ],
)
def test_a_locale_is_taken_over(changes: dict[str, str], options: str) -> None:
    written = locale_options(DEFAULT | changes, DEFAULT)

    libc = " LOCALE_PROVIDER 'libc'" if options and "PROVIDER" not in options else ""
    assert written == (f" TEMPLATE template0 {options}{libc}" if options else "")


# --- What PostgreSQL stores ---------------------------------------------------------------------

names = st.text(st.sampled_from("ab$\", 'é"), min_size=1, max_size=6)


@given(st.lists(names))
def test_a_list_of_names_is_split(written: list[str]) -> None:
    stored = ", ".join(postgresql.quote_name(name) for name in written)

    assert postgresql.split_names(stored) == written


@pytest.mark.parametrize(
    ("name", "stored", "written"),
    [
        ("search_path", 'app, "$user", public', "'app', '$user', 'public'"),
        ("search_path", '""', "''"),
        ("search_path", '"it\'s"', "'it''s'"),
        ("DateStyle", "ISO, DMY", "'ISO, DMY'"),
    ],
)
def test_a_setting_is_written_as_it_was(name: str, stored: str, written: str) -> None:
    assert postgresql.setting_value(name, stored) == written


# --- What revisions create ----------------------------------------------------------------------

CREATING = [
    ("schema", "app", 'op.execute("CREATE SCHEMA app")'),
    ("schema", "app", 'op.execute("create schema if not exists \\"app\\" authorization ada")'),
    ("schema", "app", 'op.execute(sa.schema.CreateSchema("app"))'),
    ("schema", "app", 'op.execute(CreateSchema(SCHEMA, if_not_exists=True)); SCHEMA = "app"'),
    ("schema", "app", 'op.execute(f"CREATE SCHEMA {name}"); name = "app"'),
    ("schema", "app", 'op.execute("CREATE SCHEMA IF NOT EXISTS %s" % "app")'),
    ("schema", "app", 'op.execute("CREATE SCHEMA " + "app")'),
    ("extension", "uuid-ossp", "op.execute('CREATE EXTENSION \"uuid-ossp\" WITH SCHEMA public')"),
    ("extension", "hstore", 'op.execute("CREATE EXTENSION IF NOT EXISTS" " hstore")'),
    ("extension", "citext", 'for n in ("citext", "hstore"): op.execute(f"CREATE EXTENSION {n}")'),
    ("extension", "citext", 'PGExtension(schema="public", signature="citext")'),
]
NOT_CREATING = [
    ("schema", "app", 'op.execute("CREATE SCHEMA application")'),
    ("schema", "app", 'op.execute("CREATE SCHEMA other"); op.create_table("t", schema="app")'),
    ("schema", "app", 'op.create_table("t", schema="app")'),
    ("schema", "hstore", 'op.execute("CREATE EXTENSION hstore")'),
    ("extension", "uuid", "op.execute('CREATE EXTENSION \"uuid-ossp\"')"),
    ("extension", "uuid", 'op.execute("CREATE EXTENSION uuid-ossp")'),
    ("extension", "app", 'op.execute(CreateSchema("app"))'),
]


@pytest.mark.parametrize(("kind", "name", "code"), CREATING)
def test_what_a_revision_creates(kind: str, name: str, code: str) -> None:
    sources = [RevisionSource("pass"), RevisionSource(code)]

    assert is_created(sources, kind, name)
    assert is_mentioned(sources, name)


@pytest.mark.parametrize(("kind", "name", "code"), NOT_CREATING)
def test_what_a_revision_does_not_create(kind: str, name: str, code: str) -> None:
    assert not is_created([RevisionSource(code)], kind, name)


def test_what_a_revision_mentions() -> None:
    source = RevisionSource('op.create_table("t", schema="app"); op.execute("SELECT other.f()")')

    assert is_mentioned([source], "app")
    assert is_mentioned([source], "other")
    assert not is_mentioned([source], "the")
    assert not source.drops_public()
    assert RevisionSource('op.execute("DROP SCHEMA IF EXISTS public")').drops_public()


def test_the_sources_of_all_revisions_are_read(project: Project) -> None:
    project.revision("a", 'op.execute("CREATE SCHEMA app")')
    project.revision("b", 'raise RuntimeError("is not executed")', down="a")

    sources = read_sources(project.config())

    assert len(sources) == 2
    assert is_created(sources, "schema", "app")


# --- A database that is named -------------------------------------------------------------------


class FileServer:
    """A SQLite file in place of a database on a server."""

    FORBIDDEN: tuple[int | str, ...] = ()
    KEPT = ("index ",)
    BEFORE_DROPS = ("PRAGMA foreign_keys = OFF",)

    def grant(self, url: URL) -> str:
        return "GRANT"

    def read_provisions(self, connection: Connection) -> Provisions:
        return Provisions([("DATABASE", "search_path", "app")])

    def create_provisions(
        self, connection: Connection, provisions: Provisions, sources: object
    ) -> None:
        assert provisions.settings == []  # they would stay
        connection.exec_driver_sql("CREATE TABLE provided (n)")

    def create_search_path(self, connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE path (n)")

    def read_objects(self, connection: Connection) -> dict[str, str]:
        rows = connection.exec_driver_sql("SELECT type, name FROM sqlite_master").all()
        return {f"{kind} {name}": f"DROP {kind} IF EXISTS {name}" for kind, name in rows}


@pytest.fixture
def named(project: Project, monkeypatch: pytest.MonkeyPatch) -> URL:
    """The database of SCRATCH_DATABASE_URL, on a server that is a file."""
    monkeypatch.setattr(package, "module_for", lambda *_: FileServer())
    return make_url(f"sqlite:///{project.path / 'scratch.db'}")


def tables_of(url: URL) -> set[str]:
    """Return the names of all objects in a SQLite file."""
    return set(run_with_connection(url, FileServer().read_objects))


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_named_database_is_emptied(
    project: Project, named: URL, error: type[BaseException] | None
) -> None:
    url = make_url("sqlite:///app.db")
    for _ in range(2):
        with (
            pytest.raises(error) if error else nullcontext(),
            package.emptied_database(project.config(), url, named) as temporary,
        ):
            assert temporary == named
            assert tables_of(named) == {"table provided", "table path"}
            if error:
                raise error
        assert tables_of(named) == set()


def test_a_named_database_that_is_not_empty_stays_as_it_is(project: Project, named: URL) -> None:
    run_with_connection(
        named, lambda connection: connection.exec_driver_sql("CREATE TABLE precious (n)")
    )

    with (
        pytest.raises(CommandError, match="is not empty: it has table precious"),
        package.emptied_database(project.config(), make_url("sqlite:///app.db"), named),
    ):
        pass
    assert tables_of(named) == {"table precious"}


def test_what_cannot_be_dropped_is_said(
    project: Project, named: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileServer, "BEFORE_DROPS", ("DROP TABLE missing",))

    with (
        pytest.raises(CommandError, match="could not be emptied: no such table: missing"),
        package.emptied_database(project.config(), make_url("sqlite:///app.db"), named),
    ):
        pass
