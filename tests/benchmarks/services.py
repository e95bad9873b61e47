"""A rendered service beside what `alembic init` makes, with the same models and revisions."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from copier import run_copy
from drivers import Backend, Driver, text_of
from matrix import Setup
from project import QUIETLY, Project, copy_template
from servers import SERVERS, Server
from sqlalchemy import URL, make_url
from timing import Work

PACKAGE = "my_service"
TARGET = f"from {PACKAGE}.models import Base\n\ntarget_metadata = Base.metadata"
MODULE = f"""
from datetime import datetime
from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column
from {PACKAGE}.db.base import Base
"""
TABLE = """

class Item{number}(Base):
    __tablename__ = "items_{number}"

    id: Mapped[int] = mapped_column(primary_key=True)
"""
COLUMNS = """
    code: Mapped[str] = mapped_column(String(40), unique=True)
    note: Mapped[str | None] = mapped_column(String(200))
    quantity: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=text("CURRENT_TIMESTAMP"))
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("items_{previous}.id"), index=True)
"""
COLUMN = "    note_{number}: Mapped[str | None] = mapped_column(String(50))\n"
REVISION = '''"""Revision {id}.

Revision: {id}
Revises: {down}
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "{id}"
down_revision: str | Sequence[str] | None = "{down}"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.{up}


def downgrade() -> None:
    op.{down_again}
'''
TABLE_EVERY = 10  # revisions of a history; those between add a column to it
FACTS = f"""
import platform, sys
from importlib.metadata import version
from sqlalchemy import make_url
from alembic_guardrails import run_with_connection
from {PACKAGE}.settings import DatabaseSettings
url = DatabaseSettings().database_url
server = run_with_connection(url, lambda connection: connection.dialect.server_version_info)
names = "alembic", "sqlalchemy", *sys.argv[1:]
print(platform.python_version(), ".".join(map(str, server[:2])), *map(version, names))
"""


@dataclass(frozen=True)
class Service:
    """A service on an empty database, which `reset` empties again."""

    setup: Setup
    project: Project
    database: URL
    reset: Work

    def add_stock(self) -> None:
        """Put what `alembic init` makes beside what is rendered, for the same models, revisions
        and database."""
        kind = "async" if self.setup.is_async else "generic"
        self.project.run("alembic", "-c", "stock.ini", "init", "-t", kind, "stock")
        drivername = f"{self.setup.backend.name}+{self.setup.driver.name}"
        url = text_of(self.database.set(drivername=drivername)).replace("%", "%%")
        versions = "version_locations = %(here)s/migrations/versions"
        self.edit("stock.ini", "sqlalchemy.url = .*", f"sqlalchemy.url = {url}\n{versions}")
        self.edit("stock/env.py", "target_metadata = None", TARGET)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the one line that matches."""
        path = self.project.path / name
        text, found = re.subn(f"(?m)^{old}$", lambda _: new, path.read_text(encoding="utf-8"))
        assert found == 1, name
        path.write_text(text, encoding="utf-8")

    def alembic(self, *arguments: str) -> dict[str, Work]:
        """An Alembic command as it is, and with the configuration that `alembic init` makes."""
        return {
            "ours": partial(self.project.run, "alembic", *arguments),
            "stock": partial(self.project.run, "alembic", "-c", "stock.ini", *arguments),
        }

    def migrations(self, *arguments: str) -> Work:
        """A command that the service has beside Alembic's."""
        return partial(self.project.run, "python", "-m", "alembic_guardrails", *arguments)

    def against_heads(self, *arguments: str) -> dict[str, Work]:
        """A command that the service has beside Alembic's, and the least that Alembic can do."""
        heads = partial(self.project.run, "python", "-m", "alembic", "-c", "stock.ini", "heads")
        return {"ours": self.migrations(*arguments), "stock": heads}

    def add_revision(self) -> None:
        """Add a revision that is not released to those that are."""
        self.commit()
        text = REVISION.format(
            id="0002",
            down="0001",
            up='create_table("items", sa.Column("id", sa.Integer(), primary_key=True))',
            down_again='drop_table("items")',
        )
        path = self.project.path / "migrations" / "versions" / "0002_new.py"
        path.write_text(text, encoding="utf-8")
        self.migrations("repair")()

    def upgrade(self) -> None:
        """Bring the empty database to the newest revision."""
        self.reset()
        self.alembic("upgrade", "head")["ours"]()

    def write_models(self, text: str) -> None:
        """Give the service more models."""
        path = self.project.path / "src" / PACKAGE / "models" / "items.py"
        path.write_text(MODULE + text, encoding="utf-8")

    def add_tables(self, count: int) -> None:
        """Add tables, and one revision for all of them."""
        self.write_models(
            "".join(
                (TABLE + COLUMNS).format(number=number, previous=max(number - 1, 0))
                for number in range(count)
            )
        )
        self.upgrade()
        self.alembic("revision", "--autogenerate", "-m", "tables")["ours"]()

    def add_revisions(self, count: int) -> None:
        """Lengthen the history to that many revisions, each with a table or a column."""
        models = ""
        for number in range(1, count):
            table, column = f"items_{number // TABLE_EVERY}", f"note_{number}"
            if number == 1 or number % TABLE_EVERY == 0:
                models += TABLE.format(number=number // TABLE_EVERY)
                up = f'create_table("{table}", sa.Column("id", sa.Integer(), primary_key=True))'
                down_again = f'drop_table("{table}")'
            else:
                models += COLUMN.format(number=number)
                up = f'add_column("{table}", sa.Column("{column}", sa.String(50)))'
                down_again = f'drop_column("{table}", "{column}")'
            name, down = f"{number + 1:04}", f"{number:04}"
            text = REVISION.format(id=name, down=down, up=up, down_again=down_again)
            path = self.project.path / "migrations" / "versions" / f"{name}_revision.py"
            path.write_text(text, encoding="utf-8")
        self.write_models(models)
        self.migrations("repair")()

    def commit(self) -> None:
        """Commit everything to a repository."""
        self.project.git("init", "--quiet", "--initial-branch=main")
        self.project.git("add", "--all")
        self.project.git("commit", "--quiet", "--message=Commit")

    def facts(self) -> dict[str, str]:
        """The versions of what runs."""
        names = "Python", self.setup.backend.title, "Alembic", "SQLAlchemy"
        return dict(zip(names, self.project.run("python", "-c", FACTS).split(), strict=True))


class Workshop:
    """Makes services in a folder, on servers that it starts; each driver is installed once."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.template = copy_template(Path(mkdtemp(dir=folder)))
        self.server = cache(self.start)
        self.commands = cache(self.install)
        self.facts: dict[str, str] = {}

    def start(self, backend: Backend) -> Server:
        """Start a backend's server, to be stopped with the stack."""
        return self.stack.enter_context(SERVERS[backend.name]())

    def install(self, driver: Driver, backend: Backend) -> Path:
        """Install what a service with this driver requires; return where its commands are."""
        path = self.folder / f"environment_{backend.name}_{driver.name}"
        Project(path, self.render(path, Setup(backend, driver))).run(
            "uv", "sync", "--quiet", "--no-install-project"
        )
        return path / ".venv" / "bin"

    def render(self, path: Path, setup: Setup, **answers: Any) -> dict[str, Any]:
        """Render a service; return its answers."""
        data = {"project_name": "My Service", **setup.answers(), **answers}
        return {**run_copy(str(self.template), path, data=data, **QUIETLY).answers.combined}

    @contextmanager
    def service(self, setup: Setup, **answers: Any) -> Iterator[Service]:
        """Yield a service on a database of its own; what `alembic init` makes is beside it."""
        path = Path(mkdtemp(dir=self.folder))
        database = make_url(f"{setup.backend.name}:///app.db")
        with ExitStack() as stack:
            if setup.backend.is_file:
                reset: Work = partial((path / "app.db").unlink, missing_ok=True)
            else:
                server = self.server(setup.backend)
                database = stack.enter_context(server.scratch_database())
                database = database.set(drivername=setup.backend.name)

                def reset() -> None:
                    server.drop_database(str(database.database))
                    server.create_database(str(database.database))

            answers = self.render(path, setup, database_url=text_of(database), **answers)
            service = Service(setup, Project(path, answers), database, reset)
            service.project.use(self.commands(setup.driver, setup.backend), in_forks=False)
            service.add_stock()
            yield service
