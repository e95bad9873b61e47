"""Temporary databases are like the real one: with what an administrator set up, on each server."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import psycopg
import pymysql
import pytest
from conftest import Render
from drivers import text_of
from matrix import DISTINCT, PROGRAMS, Setup
from project import Project
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

REVISION = '''"""More, written by hand."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None


def upgrade():
    for statement in {up!r}:
        op.execute(statement)


def downgrade():
    for statement in {down!r}:
        op.execute(statement)
'''

SETUP = {setup.backend.name: setup for setup in PROGRAMS}


@dataclass
class Case:
    """How an administrator sets a database up, what a revision does, and how the user connects.

    {user} and {database} stand for their names. The user owns the database.
    """

    create: str = "CREATE DATABASE {database} OWNER {user} TEMPLATE template0 ENCODING 'UTF8'"
    setup: list[str] = field(default_factory=list)
    up: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    may_create: bool = True
    is_superuser: bool = False


# Views, which are not compared with models.
VECTOR = ["CREATE VIEW more AS SELECT CAST('[1, 2]' AS vector) AS at"]
DROP = ["DROP VIEW more"]
SCHEMA = ["CREATE SCHEMA app AUTHORIZATION {user}"]

POSTGRESQL = {
    "search_path in the URL": Case(setup=SCHEMA, query={"options": "-csearch_path=app"}),
    "search_path of the role": Case(
        setup=[*SCHEMA, "ALTER ROLE {user} SET search_path TO app, public"]
    ),
    "search_path of the database": Case(
        setup=[*SCHEMA, "ALTER DATABASE {database} SET search_path TO 'app', '$user'"]
    ),
    "search_path of the role in the database": Case(
        setup=[*SCHEMA, "ALTER ROLE {user} IN DATABASE {database} SET search_path TO app"]
    ),
    "a schema named as the user": Case(setup=["CREATE SCHEMA {user} AUTHORIZATION {user}"]),
    "a schema of an administrator": Case(
        setup=SCHEMA, up=["CREATE VIEW app.more AS SELECT 1 AS n"], down=["DROP VIEW app.more"]
    ),
    "a schema of a revision": Case(
        up=["CREATE SCHEMA app", "CREATE VIEW app.more AS SELECT 1 AS n"],
        down=["DROP VIEW app.more", "DROP SCHEMA app"],
        query={"options": "-csearch_path=public,app"},
    ),
    "an extension of an administrator": Case(
        setup=["CREATE EXTENSION vector"], up=VECTOR, down=DROP, is_superuser=True
    ),
    "an extension in a schema": Case(
        setup=[
            "CREATE SCHEMA extensions",
            "CREATE EXTENSION vector SCHEMA extensions",
            "ALTER DATABASE {database} SET search_path TO public, extensions",
        ],
        is_superuser=True,
        up=VECTOR,
        down=DROP,
    ),
    "an extension of a revision": Case(
        up=["CREATE EXTENSION IF NOT EXISTS vector", *VECTOR],
        down=[*DROP, "DROP EXTENSION vector"],
        is_superuser=True,
    ),
    "a locale": Case(
        create="CREATE DATABASE {database} OWNER {user} TEMPLATE template0 ENCODING 'UTF8'"
        " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
        up=["CREATE VIEW more AS SELECT 'a' COLLATE pg_c_utf8 AS t"],
        down=DROP,
    ),
    "another encoding": Case(
        create="CREATE DATABASE {database} OWNER {user} TEMPLATE template0 ENCODING 'LATIN1'"
        " LOCALE 'C'"
    ),
    "a database without public": Case(
        setup=["DROP SCHEMA public", *SCHEMA, "ALTER ROLE {user} SET search_path TO app"]
    ),
}

MYSQL = {
    "another collation": Case(
        create="CREATE DATABASE {database} CHARACTER SET latin1 COLLATE latin1_german2_ci"
    ),
    "a sql_mode that quotes otherwise": Case(
        create="CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        query={"sql_mode": "ANSI,NO_ZERO_DATE"},
        up=["CREATE VIEW more AS SELECT 'a' AS \"b\""],
        down=DROP,
    ),
}

MYSQLS = [name for name in SETUP if name in ("mariadb", "mysql")]

CASES = [
    *(
        pytest.param("postgresql", case, id=f"postgresql-{name}")
        for name, case in POSTGRESQL.items()
    ),
    *(
        pytest.param(
            *(backend, case),
            id=f"{backend}-{name}",
            marks=() if SETUP[backend] in DISTINCT else pytest.mark.sweep,
        )
        for backend in MYSQLS
        for name, case in MYSQL.items()
    ),
]


class Administrator:
    """A database and its user, set up by the administrator of a server."""

    def __init__(self, server: Server, backend: str, case: Case) -> None:
        self.server, self.backend, self.case = server, backend, case
        self.name = f"odd_{token_hex(4)}"
        self.user = f"user_{token_hex(4)}"
        self.password = "s3cret"

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Execute statements as the administrator."""
        url = self.server.url.set(database=database or self.server.url.database)
        arguments = url.translate_connect_args(username="user")
        names = {"database": self.name, "user": self.user, "password": self.password}
        written = [statement.format(**names) for statement in statements]
        if self.backend == "postgresql":
            arguments["dbname"] = arguments.pop("database")
            with psycopg.connect(autocommit=True, **arguments) as connection:
                for statement in written:
                    connection.execute(statement.encode())
            return
        with pymysql.connect(autocommit=True, **arguments) as client, client.cursor() as cursor:
            for statement in written:
                cursor.execute(statement)

    def create(self) -> URL:
        """Create the user and the database; return the URL of the user."""
        if self.backend == "postgresql":
            self.execute("CREATE ROLE {user} LOGIN PASSWORD '{password}'")
            if self.case.may_create:
                self.execute("ALTER ROLE {user} CREATEDB")
            if self.case.is_superuser:
                self.execute("ALTER ROLE {user} SUPERUSER")
            self.execute(self.case.create)
        else:
            self.execute("CREATE USER {user}@'%' IDENTIFIED BY '{password}'", self.case.create)
            self.execute("GRANT ALL ON `{database}`.* TO {user}@'%'")
            if self.case.may_create:
                self.execute(r"GRANT ALL ON `{database}\_%`.* TO {user}@'%'")
        self.execute(*self.case.setup, database=self.name)
        url = self.server.url.set(database=self.name, username=self.user, password=self.password)
        return url.set(drivername=self.backend, query=self.case.query)

    def give_to(self, user: str) -> None:
        """Let another user do everything in the database."""
        if self.backend == "postgresql":
            self.execute(f"ALTER DATABASE {{database}} OWNER TO {user}")
        else:
            self.execute(f"GRANT ALL ON `{{database}}`.* TO {user}@'%'")

    def ask(self, query: str) -> object:
        """Return the first value that a query of MariaDB or MySQL returns."""
        arguments = self.server.url.set(database=self.name).translate_connect_args(username="user")
        with pymysql.connect(**arguments) as client, client.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
        return row and row[0]

    def read(self, query: str) -> object:
        """Return the first row of a query of PostgreSQL."""
        arguments = self.server.url.translate_connect_args(username="user", database="dbname")
        with psycopg.connect(**arguments) as connection:
            written = query.format(database=self.name, user=self.user)
            return connection.execute(written.encode()).fetchone()

    def drop(self) -> None:
        """Drop the database and the user."""
        self.server.drop_database(self.name)
        self.server.drop_user(self.user)


@pytest.fixture
def administrator(
    server: Callable[[str], Server], backend: str, case: Case
) -> Iterator[Administrator]:
    """Whoever creates the database for the service."""
    chief = Administrator(server(backend), backend, case)
    try:
        yield chief
    finally:
        chief.drop()


@pytest.fixture
def odd(
    render: Render,
    environment: Callable[[Setup], Path],
    administrator: Administrator,
    backend: str,
    case: Case,
) -> Project:
    """A service with a revision of its own, on a database that is set up in an odd way."""
    setup = SETUP[backend]
    url = administrator.create()
    project = render(**setup.answers(database_url=text_of(url), include_example=True))
    project.use(environment(setup))
    revision = project.path / "migrations" / "versions" / "0002_more.py"
    revision.write_text(REVISION.format(up=case.up, down=case.down), encoding="utf-8")
    return project


@pytest.mark.parametrize(("backend", "case"), CASES)
def test_commands_are_quiet(odd: Project) -> None:
    odd.run("alembic", "upgrade", "head")

    assert "No new upgrade operations detected." in odd.run("alembic", "check")
    said = odd.run("migrations", "drift", check=False)
    assert said == "The database is what the migrations make it, at revision 0002.\n"
    assert " passed" in odd.test("tests/test_migrations.py", "-p", "no:cacheprovider")


# --- Users who may not create databases ---------------------------------------------------------

LIMITED = [
    pytest.param("postgresql", Case(may_create=False), id="postgresql"),
    *(
        pytest.param(
            backend,
            Case("CREATE DATABASE {database} CHARACTER SET utf8mb4", may_create=False),
            id=backend,
        )
        for backend in MYSQLS
    ),
]


@pytest.mark.parametrize(("backend", "case"), LIMITED)
def test_who_may_not_create_databases_is_told_what_to_do(
    odd: Project, administrator: Administrator, server: Callable[[str], Server], backend: str
) -> None:
    odd.run("alembic", "upgrade", "head")

    said = odd.run("migrations", "drift", check=False)
    found = re.fullmatch(
        "FAILED: No temporary database can be created to compare with: .*[^.]\\. Allow it with"
        " `(.*)`, or name an empty database in SCRATCH_DATABASE_URL\\.\n",
        said,
    )
    assert found, said

    named = Administrator(server(backend), backend, administrator.case)
    try:
        url = named.create().set(username=administrator.user)
        named.give_to(administrator.user)
        odd.environment["SCRATCH_DATABASE_URL"] = text_of(url)
        for _ in range(2):  # the first run has emptied it
            said = odd.run("migrations", "drift", check=False)
            assert said.startswith("The database is what the migrations make it"), said
        named.execute("CREATE TABLE precious (n int)", database=named.name)
        said = odd.run("migrations", "drift", check=False)
        assert said == (
            "FAILED: The database of SCRATCH_DATABASE_URL is not empty: it has table precious."
            " Name an empty database, because everything in it is dropped at the end.\n"
        )
    finally:
        named.drop()

    del odd.environment["SCRATCH_DATABASE_URL"]
    administrator.execute(found[1].replace("{", "{{"))
    said = odd.run("migrations", "drift", check=False)
    assert said.startswith("The database is what the migrations make it"), said


UNTRUSTED = Case(up=VECTOR, down=DROP, setup=["CREATE EXTENSION vector"])


@pytest.mark.parametrize(("backend", "case"), [("postgresql", UNTRUSTED)], ids=["vector"])
def test_an_extension_that_only_an_administrator_creates(
    odd: Project, administrator: Administrator, server: Callable[[str], Server], backend: str
) -> None:
    odd.run("alembic", "upgrade", "head")

    said = odd.run("migrations", "drift", check=False)
    assert said.startswith(
        "FAILED: Extension vector, which no revision creates, cannot be created in a temporary"
        ' database: permission denied to create extension "vector". Name an empty database that has'
        " it in SCRATCH_DATABASE_URL."
    ), said

    named = Administrator(server(backend), backend, administrator.case)
    try:
        url = named.create().set(username=administrator.user)
        named.give_to(administrator.user)
        odd.environment["SCRATCH_DATABASE_URL"] = text_of(url)
        for _ in range(2):
            said = odd.run("migrations", "drift", check=False)
            assert said.startswith("The database is what the migrations make it"), said
    finally:
        named.drop()


# --- Other databases on the server --------------------------------------------------------------

OTHER = Case("CREATE DATABASE {database} CHARACTER SET utf8mb4")


@pytest.mark.parametrize("backend", MYSQLS)
@pytest.mark.parametrize("case", [OTHER], ids=["other"])
def test_a_revision_that_changes_another_database_is_refused(
    odd: Project, administrator: Administrator
) -> None:
    name = administrator.name
    odd.run("alembic", "upgrade", "head")
    revision = odd.path / "migrations" / "versions" / "0003_other.py"
    text = REVISION.format(up=[f"UPDATE {name}.customers SET name = concat(name, '!')"], down=[])
    text = text.replace('"0002"', '"0003"').replace('"0001"', '"0002"')
    revision.write_text(text, encoding="utf-8")
    customer = "INSERT INTO customers (email, name) VALUES ('ada@example.com', 'Ada')"
    administrator.execute(customer, database=name)
    odd.run("alembic", "upgrade", "head")
    assert administrator.ask("SELECT name FROM customers") == "Ada!"
    said = odd.run("migrations", "drift", check=False)

    assert said.splitlines()[-1] == (
        f"FAILED: Revision 0003 names the database {name}, which it would change for real from a"
        f" temporary database: UPDATE {name}.customers SET name = concat(name, '!'). Leave the"
        " name out if it is the service's own database, or name an empty database on a server"
        f" without {name} in SCRATCH_DATABASE_URL."
    ), said
    assert administrator.ask("SELECT name FROM customers") == "Ada!"


OUTSIDE = {
    "names the database": [
        [
            "CREATE VIEW through AS SELECT name FROM {name}.customers",
            "UPDATE through SET name = 'changed'",
        ],
        [
            "SET @s = CONCAT('UPDATE {name}', '.customers SET name = 1')",
            "PREPARE p FROM @s",
            "EXECUTE p",
        ],
    ],
    "may change more than its database": [
        [
            "CREATE PROCEDURE p() BEGIN"
            " SET @s = CONCAT('UPDATE {name}', '.customers SET name = 1');"
            " PREPARE p FROM @s; EXECUTE p; END",
            "CALL p()",
        ],
        ["SET GLOBAL max_connections = 99"],
        ["FLUSH TABLES WITH READ LOCK"],
    ],
}

CURSOR = "op.get_bind().connection.cursor().execute(statement)"
ENGINE = """import sqlalchemy
        url = op.get_bind().engine.url.set(database=NAME)
        with sqlalchemy.create_engine(url).begin() as connection:
            connection.exec_driver_sql(statement)"""


@pytest.mark.parametrize("backend", MYSQLS)
@pytest.mark.parametrize("case", [OTHER], ids=["other"])
def test_nothing_outside_of_a_temporary_database_is_changed(
    odd: Project, administrator: Administrator
) -> None:
    """The revision has not run on the database: it is stamped."""
    name = administrator.name
    odd.run("alembic", "upgrade", "head")
    customer = "INSERT INTO customers (email, name) VALUES ('ada@example.com', 'Ada')"
    administrator.execute(customer, database=name)

    def drift(statements: list[str], execute: str = "op.execute(statement)") -> str:
        up = [statement.format(name=name) for statement in statements]
        text = (
            REVISION.format(up=up, down=[]).replace('"0002"', '"0003"').replace('"0001"', '"0002"')
        )
        text = text.replace("op.execute(statement)", execute, 1)
        path = odd.path / "migrations" / "versions" / "0003_outside.py"
        path.write_text(text, encoding="utf-8")
        return odd.run("migrations", "drift", check=False)

    drift([])
    odd.run("alembic", "stamp", "head")
    for message, revisions in OUTSIDE.items():
        for statements in revisions:
            said = drift(statements).splitlines()[-1]
            assert said.startswith(f"FAILED: Revision 0003 {message}"), said
    said = drift(["DO 0"], CURSOR).splitlines()[-1]
    assert said.startswith("FAILED: Revision 0003 uses the driver's own connection"), said
    engine = ENGINE.replace("NAME", repr(name))
    said = drift(["UPDATE customers SET name = 'changed'"], engine).splitlines()[-1]
    assert said.startswith("FAILED: Revision 0003 writes over a connection of its own"), said
    said = drift(["CREATE USER nobody_else", f"GRANT SELECT ON {name}.customers TO nobody_else"])
    assert "is what the migrations make it" in said
    assert administrator.ask("SELECT name FROM customers") == "Ada"


# What is about roles and settings does not run in a temporary database.
LEFT_OUT = [
    "ALTER ROLE {user} CONNECTION LIMIT 3",
    "CREATE ROLE {user}_more",
    "GRANT SELECT ON customers TO {user}_more",
    "GRANT pg_monitor TO {user}",
    "GRANT CONNECT ON DATABASE {name} TO pg_monitor",
    "ALTER DATABASE {name} SET work_mem = '9MB'",
    "COMMENT ON ROLE {user} IS 'changed'",
]

# These stay inside.
INSIDE = [
    "GRANT SELECT ON customers TO {user}",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}')"
    " THEN CREATE ROLE {user}; END IF; END $$",
    "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET work_mem = 9000'; END $$",
]

FAR = [
    ["ALTER DATABASE {name} CONNECTION LIMIT 3"],
    ["DO $$ BEGIN ALTER ROLE {user} CONNECTION LIMIT 4; END $$"],
    ["DO $$ BEGIN ALTER DATABASE {name} SET work_mem = '7MB'; END $$", "COMMIT"],
    [
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'ALTER ROLE {user} CONNECTION LIMIT 5'",
        "SELECT f()",
    ],
    ["COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'"],
]

# All that belongs to a server and not to one of its databases; others come and go in parallel.
OF_SERVER = """
    SELECT (SELECT to_jsonb(r) FROM pg_authid r WHERE rolname = '{user}'),
        (SELECT count(*) FROM pg_authid WHERE rolname ~ '^{user}'),
        (SELECT to_jsonb(d) - 'datfrozenxid' FROM pg_database d WHERE datname = '{database}'),
        (SELECT jsonb_agg(s) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
            WHERE datname = '{database}'),
        (SELECT count(*) FROM pg_auth_members WHERE member::regrole::text = '{user}'),
        (SELECT description FROM pg_shdescription
            WHERE classoid = 'pg_authid'::regclass AND objoid = '{user}'::regrole)
"""


@pytest.mark.parametrize(("backend", "case"), [("postgresql", Case(is_superuser=True))], ids=["pg"])
def test_nothing_of_the_server_is_changed_from_a_temporary_database(
    odd: Project, administrator: Administrator
) -> None:
    """The revision has run on no database."""

    def write(up: list[str], down: list[str]) -> None:
        names = {"name": administrator.name, "user": administrator.user}
        written = [[statement.format(**names) for statement in part] for part in (up, down)]
        text = REVISION.format(up=written[0], down=written[1])
        revision = odd.path / "migrations" / "versions" / "0003_server.py"
        revision.write_text(text.replace('"0002"', '"0003"').replace('"0001"', '"0002"'), "utf-8")

    odd.run("alembic", "upgrade", "head")
    before = administrator.read(OF_SERVER)
    write(LEFT_OUT + INSIDE, LEFT_OUT)
    plan = odd.run("migrations", "plan")
    assert "CONNECTION LIMIT 3" in plan
    assert "Can it be taken back? Yes." in plan
    assert administrator.read(OF_SERVER) == before
    for statements in FAR:
        write(statements, [])
        said = odd.run("migrations", "plan", check=False)
        assert said.startswith("FAILED: Revision 0003 may change more than its database"), said
        write(INSIDE, statements)
        said = odd.run("migrations", "plan")
        assert "No: Revision 0003 may change more than its database" in said, said
        assert administrator.read(OF_SERVER) == before

    write(LEFT_OUT[:1], [])
    odd.run("alembic", "upgrade", "head")
    assert administrator.read(OF_SERVER) != before
