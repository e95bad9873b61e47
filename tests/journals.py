"""Revisions on a server, run in forks that are killed: for the tests of the journal."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from textwrap import dedent, indent
from typing import Any

import pymysql
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pymysql.constants import CLIENT, COMMAND
from servers import SERVERS, Server
from sqlalchemy import URL

ENV = """
from alembic import context
from alembic_guardrails.guard import guarding
from alembic_guardrails.guard.failure import Activity
from sqlalchemy import create_engine

options = context.config.attributes
with create_engine(options["url"]).connect() as connection:
    context.configure(connection=connection, transactional_ddl=False)
    if options["settings"]:
        guard = guarding(context.get_context(), options["settings"], Activity())
        with guard, context.begin_transaction():
            context.run_migrations()
    else:
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()  # which stock Alembic forgets if a revision has committed
"""

REVISION = """
import sqlalchemy as sa
from alembic import op
from alembic_guardrails.op import backfill
from sqlalchemy import orm, text

revision, down_revision = "r1", None
{head}

def upgrade():
    bind = op.get_bind()
{body}

def downgrade():
    pass
"""

# Imported before the forks, because each of them would import them again.
for name in ("sqlalchemy.orm", "alembic_guardrails.op", "alembic_guardrails.guard.mysql"):
    importlib.import_module(name)


@dataclass(frozen=True)
class Kill:
    """Where a run is killed: at which message to the server, or at one with these words, and how.

    `before` it is sent, just after it is `sent`, `after` its answer; or the `server` dies, `delay`
    seconds after it got the message.
    """

    way: str
    message: int = 0
    delay: float = 0
    words: str = ""


class Machine:
    """A server, which can be killed if the tests have started it."""

    def __init__(self, backend: str, server: Server) -> None:
        self.backend = backend
        self.server = server
        self.can_be_killed = server.socket is not None
        self.folder = server.socket.parent if server.socket else Path()
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: pymysql.Connection[Any] | None = None

    def run(self, *statements: str, database: str = "information_schema") -> list[Any]:
        """Run statements in one round trip, over a connection that stays; return the rows of each.

        A connection and a round trip for each take longer than what they do.
        """
        if not self.connection:
            arguments = self.server.url.translate_connect_args(username="user")
            options: dict[str, Any] = {**arguments, **self.server.url.query, "autocommit": True}
            self.connection = pymysql.connect(client_flag=CLIENT.MULTI_STATEMENTS, **options)
        with self.connection.cursor() as cursor:
            cursor.execute(";\n".join((f"USE {database}", *statements)))
            rows = []
            while cursor.nextset():
                rows.append(cursor.fetchall())
        return rows

    @contextmanager
    def scratch_database(self) -> Iterator[URL]:
        """Yield the URL of a new database, which is dropped afterwards."""
        name = f"test_{token_hex(8)}"
        url = self.server.url.set(drivername="mysql+pymysql", database=name)
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            # Without TLS, for which each run would read all certificates of the machine.
            yield url.update_query_dict({"ssl_disabled": "true"})
        finally:
            query = f"SELECT id FROM processlist WHERE db = '{name}'"
            [processes] = self.run(query)
            for (process,) in processes:
                with suppress(pymysql.OperationalError):  # the connection has ended by itself
                    self.run(f"KILL {process}")
            self.run(f"DROP DATABASE {name}")

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self.can_be_killed
        return int((self.folder / "pid").read_text())

    def take_over(self) -> None:
        """Start the server anew, in the place of the one that runs, which is another's child."""
        pid = self.pid
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        # What is committed has to survive a kill of the server, but not a loss of power.
        safety = ("--innodb-flush-log-at-trx-commit=2", "--loose-innodb-flush-method=nosync")
        self.command = [*arguments, *safety]
        os.kill(pid, signal.SIGKILL)
        while self.server.answers():
            time.sleep(0.01)
        self.start()

    def start(self) -> None:
        """Start the server, and wait for it."""
        # MySQL does not start beside the lock of a process that its parent has not waited for.
        (self.folder / "socket.lock").unlink(missing_ok=True)
        self.connection = None  # it has ended with the server
        libc = ctypes.CDLL(None)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL),  # with its parent
            )
        deadline = time.monotonic() + 60
        while not self.server.answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def recover(self) -> None:
        """Start the server again if a run has killed it."""
        if not self.process:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
            self.start()


@contextmanager
def machine(backend: str) -> Iterator[Machine]:
    """Yield a private server that can be killed, or a named one that is left running."""
    with SERVERS[backend]() as server:
        running = Machine(backend, server)
        if not running.can_be_killed:
            yield running
            return
        running.take_over()
        try:
            yield running
        finally:
            assert running.process
            running.process.kill()
            running.process.wait(30)


@dataclass
class Service:
    """An Alembic environment with one revision, and its database."""

    path: Path
    url: URL
    machine: "Machine"

    def __post_init__(self) -> None:
        (self.path / "versions").mkdir(parents=True, exist_ok=True)
        (self.path / "env.py").write_text(ENV)

    @property
    def log(self) -> Path:
        """What the runs have printed."""
        return self.path / "log"

    def write(self, body: str, head: str = "") -> None:
        """Write the revision."""
        source = REVISION.format(head=head, body=indent(dedent(body), "    ") or "    pass")
        (self.path / "versions" / "r1.py").write_text(source)

    def run(self, *statements: str) -> list[Any]:
        """Run statements on the database, and commit them; return the rows of each."""
        return self.machine.run(*statements, database=str(self.url.database))

    def upgrade(self, settings: Any, kill: Kill | None = None) -> int:
        """Run `alembic upgrade head` in a fork; return 0, 1 or minus a signal.

        Without settings of a guard, it is stock Alembic that runs.
        """
        config = Config()
        config.set_main_option("script_location", str(self.path))
        config.attributes.update(url=self.url, settings=settings, configure_logger=False)
        sys.stdout.flush()
        child = os.fork()
        if not child:
            code = 1
            try:
                sys.stdout = sys.stderr = self.log.open("w", buffering=1)
                sys.dont_write_bytecode = True
                if kill:
                    arm(kill, self.machine.pid if kill.way == "server" else None)
                command.upgrade(config, "head")
                code = 0
            except CommandError as error:
                print(f"FAILED: {error}")
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def scalar(self, query: str) -> Any:
        """Return what a query finds."""
        [[[value]]] = self.run(query)
        return value

    def state(self) -> dict[str, Any]:
        """Return definitions and rows; not the numbers that the server counts up."""
        tables, columns, procedures, functions, triggers = self.run(
            "SELECT table_name, table_type FROM information_schema.tables"
            " WHERE table_schema = DATABASE()",
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND extra NOT LIKE '%auto_increment%'"
            " ORDER BY table_name, ordinal_position",
            "SHOW PROCEDURE STATUS WHERE db = DATABASE()",
            "SHOW FUNCTION STATUS WHERE db = DATABASE()",
            "SHOW TRIGGERS",
        )
        found: dict[str, Any] = {
            "PROCEDURE": sorted(row[1] for row in procedures),
            "FUNCTION": sorted(row[1] for row in functions),
            "TRIGGER": sorted(row[0] for row in triggers),
        }
        names = [table for table, _ in tables]
        with_rows = [table for table, kind in tables if kind != "SEQUENCE"]
        selected = {
            table: ", ".join(f"`{column}`" for of, column in columns if of == table) or "1"
            for table in with_rows
        }
        shown = self.run(
            *(f"SHOW CREATE TABLE `{table}`" for table in names),
            *(f"SELECT {selected[table]} FROM `{table}`" for table in with_rows),
        )
        for table, [row] in zip(names, shown, strict=False):
            definition = str(row[1]).replace(str(self.url.database), "")
            words = (word for word in definition.split(" ") if "AUTO_INCREMENT=" not in word)
            found[table] = " ".join(words)
        for table, rows in zip(with_rows, shown[len(names) :], strict=True):
            found[f"rows of {table}"] = sorted(map(repr, rows))
        return found


def arm(kill: Kill, server: int | None) -> None:
    """Have this process, or the process of a server, killed at a message."""
    seen = 0
    is_now = False
    connection: Any = pymysql.connections.Connection
    execute, read = connection._execute_command, connection._read_packet

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def execute_command(self: Any, kind: int, sql: Any) -> None:
        nonlocal seen, is_now
        if kind == COMMAND.COM_QUERY:
            seen += 1
            text = sql if isinstance(sql, str) else sql.decode(errors="replace")
            is_named = kill.words in text and "alembic_journal" not in text
            is_now = is_named if kill.words else seen == kill.message
        if is_now and kill.way == "before":
            die()
        execute(self, kind, sql)
        if is_now and kill.way == "sent":
            die()
        if is_now and server:
            time.sleep(kill.delay)
            os.kill(server, signal.SIGKILL)

    def read_packet(self: Any, *arguments: Any) -> Any:
        packet = read(self, *arguments)
        if is_now and kill.way == "after":
            die()
        return packet

    connection._execute_command = execute_command
    connection._read_packet = read_packet
