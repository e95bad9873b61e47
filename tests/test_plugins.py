"""Plugins of autogenerate, put into a service by the lines of their own README.

Their revisions go up, down and up; a second one has nothing to write.
"""

from dataclasses import dataclass

import pytest
from conftest import Render
from drivers import text_of
from matrix import FIRST, Setup, setups
from project import Project
from sqlalchemy import URL

pytestmark = pytest.mark.slow

ON_POSTGRESQL = setups(among=[setup for setup in FIRST if setup.backend.name == "postgresql"])


@dataclass(frozen=True)
class Plugin:
    """What a plugin wants in `env.py`, and a module of models, before and after a change."""

    lines: str
    models: str
    change: tuple[str, str]
    wrote: tuple[str, str]
    """What stands in the revision for each."""


PLUGINS = {
    # https://github.com/Pogchamp-company/alembic-postgresql-enum#usage
    "alembic-postgresql-enum": Plugin(
        "import alembic_postgresql_enum",
        """
import enum
from sqlalchemy import Enum
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column
from {package}.db.base import Base

class Kind(enum.Enum):
    one = 1
    two = 2

class Parent(Base):
    __tablename__ = "parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(postgresql.ENUM(Kind), server_default="one")

class Size(enum.Enum):
    small = 1

class Child(Base):
    __tablename__ = "child"
    id: Mapped[int] = mapped_column(primary_key=True)
    sizes: Mapped[list[Size]] = mapped_column(postgresql.ARRAY(Enum(Size)))
    kind: Mapped[Kind] = mapped_column(postgresql.ENUM(Kind), index=True)
""",
        ("    two = 2", "    two = 2\n    three = 3"),
        (".create(op.get_bind())", "sync_enum_values"),
    ),
    # https://github.com/olirice/alembic_utils#tldr
    "alembic-utils": Plugin(
        """
from alembic_utils.replaceable_entity import register_entities
from {package}.models.plugin import ENTITIES
register_entities(ENTITIES)
""",
        """
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView

# The plugin creates them to compare them, so that their table has to be there.
ENTITIES = [
    PGFunction(
        schema="public",
        signature="to_upper(some_text text)",
        definition="returns text as $$ select upper(some_text) $$ language SQL",
    ),
    PGFunction(
        schema="public",
        signature="on_customer()",
        definition="returns trigger as $$ begin return new; end $$ language plpgsql",
    ),
    PGView(schema="public", signature="names", definition="select name from customers"),
    PGTrigger(
        schema="public",
        signature="customer_changes",
        on_entity="public.customers",
        definition="before insert on public.customers"
        " for each row execute function public.on_customer()",
    ),
]
""",
        ("select name from", "select name, id from"),
        ("op.create_entity", "op.replace_entity"),
    ),
    # https://github.com/DanCardin/sqlalchemy-declarative-extensions#register_alembic_events
    "sqlalchemy-declarative-extensions": Plugin(
        """
from sqlalchemy_declarative_extensions import register_alembic_events
register_alembic_events()
""",
        '''
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy_declarative_extensions import (
    Row, Schemas, View, declare_database,
)
from sqlalchemy_declarative_extensions.dialects.postgresql import Function, Trigger
from {package}.db.base import Base

class Foo(Base):
    __tablename__ = "foo"
    id: Mapped[int] = mapped_column(primary_key=True)

class Color(Base):
    __tablename__ = "color"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

declare_database(
    Base.metadata,
    schemas=Schemas().are("example"),
    rows=[Row("color", id=1, name="it's red"), Row("color", id=2, name="blue")],
    views=[View("low_foo", "select * from foo where id < 10")],
    functions=[
        Function(
            "fancy_function",
            """
            BEGIN
            INSERT INTO foo (id) select NEW.id + 1;
            RETURN NULL;
            END
            """,
            language="plpgsql",
            returns="trigger",
        ),
    ],
    triggers=[
        Trigger.after("insert", on="foo", execute="fancy_function")
        .named("on_insert_foo")
        .when("pg_trigger_depth() < 1")
        .for_each_row(),
    ],
)
''',
        ("where id < 10", "where id < 11"),
        ("CREATE VIEW", "VIEW low_foo"),
    ),
}


# What each revision has to bear; what differs from the models afterwards is an error.
UP_AND_DOWN = ("upgrade head", "check", "downgrade -1", "upgrade head", "check")
FROM_THE_BASE = ("downgrade base", "upgrade head", "check")


def revision(project: Project, message: str) -> str:
    """Return the revision with this message."""
    [file] = (project.path / "migrations" / "versions").glob(f"*_{message}.py")
    return file.read_text(encoding="utf-8")


# One of them shows in each run that plugins keep their places.
USUAL = "alembic-postgresql-enum"


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(plugin, id=name, marks=() if name == USUAL else pytest.mark.sweep)
        for name, plugin in PLUGINS.items()
    ],
)
@pytest.mark.parametrize("setup", ON_POSTGRESQL)
def test_revisions_of_plugins(render: Render, setup: Setup, database: URL, plugin: Plugin) -> None:
    project = render(**setup.answers(database_url=text_of(database), include_example=True))
    project.environment["PYTHONPATH"] = "src"
    models = project.path / "src" / project.package / "models" / "plugin.py"
    models.write_text(plugin.models.replace("{package}", project.package), encoding="utf-8")
    env = project.path / "migrations" / "env.py"
    lines = plugin.lines.replace("{package}", project.package)
    text = env.read_text(encoding="utf-8").replace("\nconfig =", f"\n{lines}\nconfig =")
    env.write_text(text, encoding="utf-8")

    for name, wrote in zip("ab", plugin.wrote, strict=True):
        write = f"revision --autogenerate --message={name}"
        project.alembic("upgrade head", write, *UP_AND_DOWN, *FROM_THE_BASE)
        assert wrote in revision(project, name)
        text = models.read_text(encoding="utf-8")
        models.write_text(text.replace(*plugin.change), encoding="utf-8")
