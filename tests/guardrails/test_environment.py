"""`run_migrations()`, which env.py calls, and the options that owners give it."""

import gc
import inspect
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.rewriter import Rewriter
from alembic.config import Config
from alembic.operations.ops import AddColumnOp, CreateTableOp, ExecuteSQLOp, UpgradeOps
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, PriorityDispatchResult
from alembic_guardrails import Driver

from .conftest import Project

ADD = 'op.create_table("things", sa.Column("number", sa.Integer(), primary_key=True))'
DROP = 'op.drop_table("things")'
SERVER = Driver("postgresql+psycopg", ("postgresql",))
ENV = """
from alembic import context
from alembic_guardrails import run_migrations
from guardrails.minimal import Base

attributes = context.config.attributes
options = {"target_metadata": Base.metadata, **attributes.get("options", {})}
run_migrations(**options)
attributes["context"] = context.get_context()
attributes["tag"] = context.get_tag_argument()
"""
MAKO = '''"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

# ${author}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


class Owner:
    """The owner of a project, who gives options to `run_migrations()`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        (project.path / "migrations" / "env.py").write_text(ENV, encoding="utf-8")
        self.write_template(MAKO.replace("${author}", "By nobody."))

    def write_template(self, text: str) -> None:
        """Write the template of revisions."""
        (self.project.path / "migrations" / "script.py.mako").write_text(text, encoding="utf-8")

    def config(self, options: dict[str, Any], **attributes: Any) -> Config:
        """Return Alembic's settings with options for `run_migrations()`."""
        config = self.project.config()
        config.attributes.update(options=options, **attributes)
        return config

    def upgrade(self, **options: Any) -> Config:
        """Upgrade the database with these options."""
        config = self.config(options)
        command.upgrade(config, "head")
        return config

    def sql(self, revision: str = "head", **options: Any) -> str:
        """Return the SQL of an upgrade with these options."""
        config = self.config(options)
        command.upgrade(config, revision, sql=True)
        assert isinstance(config.output_buffer, StringIO)
        return config.output_buffer.getvalue()

    def autogenerate(self, **options: Any) -> str:
        """Return the revision that Alembic writes with these options."""
        script = command.revision(self.config(options), autogenerate=True)
        assert script is not None
        assert not isinstance(script, list)
        file = Path(script.path)
        text = file.read_text("utf-8")
        file.unlink()
        return text

    def execute(self, *statements: str) -> None:
        """Change the database."""
        with self.project.engine().begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture
def owner(project: Project) -> Owner:
    """The owner of an empty project."""
    return Owner(project)


def things(*columns: sa.Column[Any], name: str = "things", **options: Any) -> sa.MetaData:
    """Return models: one table, with a key and these columns."""
    metadata = sa.MetaData()
    sa.Table(name, metadata, sa.Column("number", sa.Integer, primary_key=True), *columns, **options)
    return metadata


def test_upgrade_and_downgrade(project: Project) -> None:
    project.revision("a", ADD, DROP)

    project.upgrade()
    assert sa.inspect(project.engine()).has_table("things")

    command.downgrade(project.config(), "base")
    assert not sa.inspect(project.engine()).has_table("things")


def test_the_collector_of_garbage_looks_at_nothing_older_than_the_command(owner: Owner) -> None:
    def count(**_: object) -> None:
        counts.append(gc.get_freeze_count())

    counts: list[int] = []
    owner.project.revision("a", ADD)
    gc.unfreeze()  # what pytest has collected
    owner.upgrade(on_version_apply=count)
    assert counts[0] > 10_000
    assert gc.get_freeze_count() == 0

    # The end of the process, which comes after Alembic's command line, looks at nothing of it.
    command.current(owner.project.config(raiseerr=False))
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()

    gc.freeze()  # as servers do before they fork
    command.downgrade(owner.config({}), "base")
    assert gc.get_freeze_count() > 10_000


# --- Each keyword of context.configure() --------------------------------------------------------


def test_each_keyword_has_its_test() -> None:
    """A keyword that Alembic adds fails here until somebody has looked at it."""
    *keywords, others = inspect.signature(EnvironmentContext.configure).parameters.values()
    tests = {name.removeprefix("test_option_") for name in globals() if "test_option_" in name}

    assert others.kind is inspect.Parameter.VAR_KEYWORD
    assert tests - {"version_table"} == {keyword.name for keyword in keywords} - {"self"}


def refused(owner: Owner, **options: Any) -> None:
    """Check that an option is refused in a sentence that names it, and nothing is changed."""
    [name] = options
    owner.project.revision("a", ADD, DROP)

    with pytest.raises(CommandError, match=rf"^Leave {name} out of env\.py: .*\.$"):
        owner.upgrade(**options)

    assert not (owner.project.path / "app.db").exists() or not sa.inspect(
        owner.project.engine()
    ).has_table("things")


def test_option_connection(owner: Owner) -> None:
    refused(owner, connection=owner.project.engine())


def test_option_url(owner: Owner) -> None:
    refused(owner, url="sqlite:///other.db")


def test_option_dialect_name(owner: Owner) -> None:
    refused(owner, dialect_name="sqlite")


@pytest.mark.parametrize(
    "options",
    [{"version_table": "other"}, {"version_table_schema": "other"}],
    ids=lambda options: str(*options),
)
def test_option_version_table(owner: Owner, options: dict[str, str]) -> None:
    refused(owner, **options)


def test_option_transactional_ddl(owner: Owner) -> None:
    refused(owner, transactional_ddl=False)
    owner.upgrade(transactional_ddl=True)


def test_option_transaction_per_migration(owner: Owner) -> None:
    refused(owner, transaction_per_migration=True)
    owner.upgrade(transaction_per_migration=False)


def test_option_dialect_opts(owner: Owner) -> None:
    owner.project.revision("a", f"{ADD}\nop.get_context().config.attributes['in'] = op")
    styles = []
    for options in ({}, {"paramstyle": "qmark"}, {"json_serializer": repr}):
        config = owner.config({"dialect_opts": options})
        command.upgrade(config, "head", sql=True)
        styles.append(config.attributes["context"].dialect.paramstyle)

    assert styles == ["named", "qmark", "named"]


def test_option_output_buffer(owner: Owner) -> None:
    owner.project.revision("a", ADD, DROP)
    buffer = StringIO()

    owner.sql(output_buffer=buffer)

    assert "CREATE TABLE things" in buffer.getvalue()


def test_option_starting_rev(owner: Owner) -> None:
    owner.project.revision("a", ADD, DROP)
    owner.project.revision("b", 'op.execute("SELECT 1")', down="a")

    sql = owner.sql(starting_rev="a")

    assert "SELECT 1" in sql
    assert "CREATE TABLE things" not in sql


def test_option_tag(owner: Owner) -> None:
    assert owner.upgrade(tag="friday").attributes["tag"] == "friday"


def test_option_template_args(owner: Owner) -> None:
    owner.write_template(MAKO)

    assert "# By Ada." in owner.autogenerate(template_args={"author": "By Ada."})


@pytest.mark.parametrize("batch", [True, False])
def test_option_render_as_batch(owner: Owner, batch: bool) -> None:
    owner.project.revision("a", ADD, DROP)
    owner.project.upgrade()
    metadata = things(sa.Column("name", sa.String(5)))

    written = owner.autogenerate(target_metadata=metadata, render_as_batch=batch)

    assert ("batch_alter_table" in written) == batch
    assert "batch_alter_table" in owner.autogenerate(target_metadata=metadata) or not batch


def test_option_target_metadata(owner: Owner) -> None:
    written = owner.autogenerate(target_metadata=[things(), things(name="others")])

    assert "create_table('things'" in written
    assert "create_table('others'" in written


def ignored(owner: Owner, **options: Any) -> str:
    """Autogenerate where ignore.txt lists a table, and return what is written of others."""
    (owner.project.path / "migrations" / "ignore.txt").write_text("table queue\n", "utf-8")
    owner.project.revision("a", ADD + "\n" + ADD.replace("things", "queue"))
    owner.project.upgrade()
    owner.execute("CREATE TABLE others (number INTEGER)")
    written = owner.autogenerate(**options)
    assert "queue" not in written
    assert "others" not in written
    return written


def test_option_include_name(owner: Owner) -> None:
    def include(name: str | None, kind: str, parents: dict[str, Any]) -> bool:
        return name != "things"

    assert "drop_table" not in ignored(owner, include_name=include)


def test_option_include_object(owner: Owner) -> None:
    def include(item: object, name: str | None, kind: str, *rest: object) -> bool:
        return name != "things"

    assert "drop_table" not in ignored(owner, include_object=include)


def test_filters_without_those_of_the_owner(owner: Owner) -> None:
    assert "drop_table('things')" in ignored(owner)


@pytest.mark.parametrize("include", [True, False])
def test_option_include_schemas(owner: Owner, include: bool) -> None:
    owner.project.revision("a", 'op.create_table("far", sa.Column("n"), schema="other")')
    with closing(owner.project.engine().connect()) as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS other")
        connection.exec_driver_sql("CREATE TABLE other.far (n INTEGER)")
        connection.exec_driver_sql("CREATE TABLE other.theirs (n INTEGER)")
        connection.commit()
        config = owner.config({"include_schemas": include}, connection=connection)
        command.stamp(config, "head")
        connection.commit()
        script: Any = command.revision(config, autogenerate=True)

    written = Path(script.path).read_text("utf-8")
    assert ("drop_table('far', schema='other')" in written) == include
    assert "theirs" not in written


def ours_and_theirs(owner: Owner, hook: Callable[..., None]) -> None:
    """Check that a hook sees what autogenerate has found, after this package's hook."""
    owner.project.revision("a", 'op.create_table("things", sa.Column("number", sa.Numeric(4, 2),'
                           ' server_default="0.00"))')  # fmt: skip
    owner.project.upgrade()
    metadata = sa.MetaData()
    sa.Table("things", metadata, sa.Column("number", sa.Numeric(4, 2), server_default="0"))
    sa.Table("more", metadata, sa.Column("number", sa.Integer))

    written = owner.autogenerate(
        target_metadata=metadata,
        process_revision_directives=hook,
        compare_server_default=lambda *arguments: True,
    )

    assert "create_table('more'" in written
    assert "op.execute('ANALYZE')" in written
    assert "alter_column" not in written


def test_option_process_revision_directives(owner: Owner) -> None:
    def hook(context: object, revision: object, scripts: list[Any]) -> None:
        scripts[0].upgrade_ops.ops.append(ExecuteSQLOp("ANALYZE"))

    ours_and_theirs(owner, hook)


def test_a_rewriter_that_processes_revision_directives(owner: Owner) -> None:
    rewriter = Rewriter()

    @rewriter.rewrites(CreateTableOp)
    def analyze(context: object, revision: object, op: CreateTableOp) -> list[Any]:
        return [op, ExecuteSQLOp("ANALYZE")]

    ours_and_theirs(owner, rewriter)


@pytest.mark.parametrize("compare", [True, False, lambda *arguments: None, lambda *arguments: True])
def test_option_compare_type(owner: Owner, compare: Any) -> None:
    owner.project.revision("a", ADD.replace("sa.Integer()", "sa.BigInteger()"))
    owner.project.upgrade()

    written = owner.autogenerate(target_metadata=things(), compare_type=compare)

    assert ("alter_column" in written) == (compare is not False)


@pytest.mark.parametrize(
    ("compare", "found"),
    [(True, True), (False, False), (lambda *arguments: False, False)],
)
def test_option_compare_server_default(owner: Owner, compare: Any, found: bool) -> None:
    owner.project.revision("a", ADD)
    owner.project.upgrade()
    owner.execute("ALTER TABLE things ADD COLUMN size INTEGER DEFAULT 1")
    metadata = things(sa.Column("size", sa.Integer, server_default="2"))

    written = owner.autogenerate(target_metadata=metadata, compare_server_default=compare)

    assert ("alter_column" in written) == found
    assert "alter_column" in owner.autogenerate(target_metadata=metadata)


class Trimmed(sa.types.TypeDecorator[str]):
    """A type of the owner's."""

    impl = sa.String(7)
    cache_ok = True


class Point(sa.types.UserDefinedType[str]):
    """A type that SQLAlchemy lacks."""

    def get_col_spec(self, **options: Any) -> str:
        return "POINT"


def test_option_render_item(owner: Owner) -> None:
    def render(kind: str, item: object, context: AutogenContext) -> str | bool:
        if kind == "type" and isinstance(item, Point):
            context.imports.add("import string as points")
            return "points.Point()"
        return False

    metadata = things(sa.Column("place", Point), sa.Column("name", Trimmed))
    written = owner.autogenerate(target_metadata=metadata, render_item=render)

    assert "import string as points" in written
    assert "'place', points.Point()" in written
    assert "'name', sa.String(length=7)" in written


@pytest.mark.parametrize(("literal", "shown"), [(True, "(1)"), (False, "(:number)")])
def test_option_literal_binds(owner: Owner, literal: bool, shown: str) -> None:
    insert = (
        'op.execute(sa.table("things", sa.column("number", sa.Integer)).insert().values(number=1))'
    )
    owner.project.revision("a", insert)

    assert f"INSERT INTO things (number) VALUES {shown}" in owner.sql(literal_binds=literal)
    assert "VALUES (1)" in owner.sql()


def test_option_upgrade_token(owner: Owner) -> None:
    owner.write_template(MAKO.replace("${author}", "${ups.count('create_table')}"))

    assert "\n# 1\n" in owner.autogenerate(target_metadata=things(), upgrade_token="ups")


def test_option_downgrade_token(owner: Owner) -> None:
    owner.write_template(MAKO.replace("${author}", "${downs.count('drop_table')}"))

    assert "\n# 1\n" in owner.autogenerate(target_metadata=things(), downgrade_token="downs")


def test_option_alembic_module_prefix(owner: Owner) -> None:
    written = owner.autogenerate(target_metadata=things(), alembic_module_prefix="alembic.op.")

    assert "alembic.op.create_table('things'" in written


def test_option_sqlalchemy_module_prefix(owner: Owner) -> None:
    """Also where this package writes the type."""
    written = owner.autogenerate(
        target_metadata=things(sa.Column("name", Trimmed)), sqlalchemy_module_prefix="sqlalchemy."
    )

    assert "'name', sqlalchemy.String(length=7)" in written


def test_option_user_module_prefix(owner: Owner) -> None:
    written = owner.autogenerate(
        target_metadata=things(sa.Column("place", Point)), user_module_prefix="points."
    )

    assert "'place', points.Point()" in written


def test_option_on_version_apply(owner: Owner) -> None:
    owner.project.revision("a", ADD, DROP)
    applied = []

    def note(**details: Any) -> None:
        applied.append(details["step"].up_revision_id)

    owner.upgrade(on_version_apply=note)

    assert applied == ["a"]


def test_the_guard_looks_also_with_a_callback_of_the_owner(owner: Owner) -> None:
    owner.project.revision("a", ADD)

    def forget(*, ctx: MigrationContext, **details: object) -> None:
        assert ctx.connection is not None
        ctx.connection.exec_driver_sql("DELETE FROM alembic_version")

    with pytest.raises(CommandError, match="The database is at base, not at a:"):
        owner.upgrade(on_version_apply=[forget])


def test_option_autogenerate_plugins(owner: Owner) -> None:
    """A plugin is called beside those of Alembic, and what this package filters stays left out."""
    seen = []

    def compare(context: object, operations: UpgradeOps) -> PriorityDispatchResult:
        seen.append(context)
        operations.ops.append(AddColumnOp("things", sa.Column("extra", sa.Integer)))
        return PriorityDispatchResult.CONTINUE

    plugin = Plugin("owner.plugin")
    try:
        plugin.add_autogenerate_comparator(compare, "autogenerate")
        written = ignored(owner, autogenerate_plugins=["alembic.autogenerate.*", "owner.*"])
    finally:
        plugin.remove()

    assert len(seen) == 1
    assert "'extra'" in written
    assert "drop_table('things')" in written


# --- -x, and the URL that revisions read --------------------------------------------------------

READ = """
from alembic import context
config = op.get_context().config
config.attributes["x"] = context.get_x_argument(as_dictionary=True)
config.attributes["url"] = config.get_main_option("sqlalchemy.url")
config.attributes["section"] = config.get_section(config.config_ini_section)["sqlalchemy.url"]
"""


def test_x_of_the_owner(owner: Owner) -> None:
    owner.project.revision("a", READ)
    config = owner.project.config()
    assert config.cmd_opts
    config.cmd_opts.x = ["tenant=a=b", "fast"]

    command.upgrade(config, "head")

    assert config.attributes["x"] == {"tenant": "a=b", "fast": ""}


def test_x_of_the_owner_beside_another_database(owner: Owner) -> None:
    owner.project.revision("a", READ)
    config = owner.project.config()
    assert config.cmd_opts
    config.cmd_opts.x = ["tenant=a", "url=sqlite:///50%25 off.db"]

    command.upgrade(config, "head")

    assert config.attributes["url"] == config.attributes["section"]
    assert sa.make_url(config.attributes["url"]).database == "50% off.db"
    assert (owner.project.path / "50% off.db").exists()


def test_revisions_read_the_url_in_use(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the password and its signs; afterwards Alembic's settings are as they were."""
    owner.project.revision("a", READ)
    ini = owner.project.path / "alembic.ini"
    text = ini.read_text("utf-8").replace("guardrails.minimal:DRIVER", f"{__name__}:SERVER")
    ini.write_text(text, encoding="utf-8")
    url = sa.URL.create(SERVER.name, "me", "p%40/%s#$ @", "host", 1, "db")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    config = owner.project.config()

    command.upgrade(config, "head", sql=True)

    assert sa.make_url(config.attributes["url"]) == url
    assert config.attributes["section"] == config.attributes["url"]
    assert config.get_main_option("sqlalchemy.url") == "sqlite:///app.db"
    assert isinstance(config.output_buffer, StringIO)
    assert "p%" not in config.output_buffer.getvalue() + "".join(capfd.readouterr())


def test_revisions_read_the_url_of_a_callers_connection(owner: Owner) -> None:
    owner.project.revision("a", READ)
    engine = sa.create_engine("sqlite:///caller.db")
    config = owner.project.config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()

    assert config.attributes["url"] == "sqlite:///caller.db"


def test_settings_without_a_url_stay_without(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.project.revision("a", READ)
    ini = owner.project.path / "alembic.ini"
    ini.write_text(ini.read_text("utf-8").replace("sqlalchemy.url", "# sqlalchemy.url"), "utf-8")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")

    config = owner.upgrade()

    assert (
        config.attributes["url"].endswith("sqlite:///other.db")
        or "other.db" in (config.attributes["url"])
    )
    assert config.get_main_option("sqlalchemy.url") is None


def test_a_database_that_cannot_be_reached(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/at/all/app.db")

    with pytest.raises(CommandError, match=r"cannot be reached .*`migrations create`"):
        owner.upgrade()


TABBED = """
rows = op.create_table("rows", sa.Column("a", sa.Text(), server_default="x\\ty"))
op.bulk_insert(rows, [{"a": "b\\tc"}])
op.execute("INSERT INTO rows\\t(a) VALUES ('\\td ')")
"""


def test_offline_sql_keeps_tabs_in_values(owner: Owner) -> None:
    """And leaves those that Alembic indents with to Alembic."""
    owner.project.revision("tabs", TABBED)

    sql = owner.sql()

    assert "INSERT INTO rows (a) VALUES ('b\tc');" in sql
    assert "INSERT INTO rows\t(a) VALUES ('\td ');" in sql
    assert "DEFAULT 'x\ty'" in sql
    assert "\n    version_num VARCHAR(32)" in sql
    owner.upgrade()
    engine = owner.project.engine()
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT a FROM rows").scalars().all()
    assert found == ["b\tc", "\td "]


PARAMETERS = "sa.text('UPDATE t SET a = :a')"


@pytest.mark.parametrize("given", ['{"a": 1}', '[{"a": 1}, {"a": 2}]'])
def test_offline_sql_loses_no_parameters(owner: Owner, given: str) -> None:
    """Alembic would write `:a`, which SQLite takes for NULL."""
    owner.project.revision("a", f"op.get_bind().execute({PARAMETERS}, {given})")

    with pytest.raises(CommandError, match="with parameters cannot be written as SQL"):
        owner.sql()


def test_offline_sql_without_parameters(owner: Owner) -> None:
    body = f"op.get_bind().execute({PARAMETERS}.bindparams(a=1))"
    owner.project.revision("a", body)

    assert "UPDATE t SET a = 1;" in owner.sql()
