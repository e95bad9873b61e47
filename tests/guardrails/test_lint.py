"""What `lint` says of one revision: the rules over every dialect, without a database."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from alembic_guardrails.commands.lint import lint
from alembic_guardrails.commands.sql import sql
from alembic_guardrails.lint import apply_comments, lint_revision
from alembic_guardrails.lint.checks import widens
from alembic_guardrails.lint.rule import Reading, Source
from alembic_guardrails.lint.rules import BY_NAME, RULES
from alembic_guardrails.offline.recorder import Recorder
from alembic_guardrails.output import Finding
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_output import DATABASES as DATABASES_WITH_OUTPUT
from lint_output import outputs, stored
from lint_seeds import SAFE, UNSAFE, plain_text, revision_text, seeds
from operations import OPERATIONS

from .conftest import Project
from .offline_revisions import offline_context, write_script

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
MYSQL = DIALECTS[2:]
CASES = [
    pytest.param(dialect, body, rules, id=f"{dialect}-{number}")
    for dialect in DIALECTS
    for text in (UNSAFE, SAFE)
    for number, (body, rules) in enumerate(seeds(text, dialect))
]
OF_RULES = {rule for name in DIALECTS for _, rules in seeds(UNSAFE, name) for rule in rules}


def findings(folder: Path, dialect: str, text: str, downgrade: bool = False) -> list[Finding]:
    """Return what lint says of a revision with this text."""
    script = write_script(folder, text)
    context = offline_context(dialect)
    recorder = Recorder(context)
    up, down, source = (
        recorder.record_upgrade(script),
        recorder.record_downgrade(script),
        Source(text),
    )
    found = lint_revision(Reading(up, context.dialect, source, down))
    if downgrade:
        found += lint_revision(Reading(down, context.dialect, source, up, is_downgrade=True))
    return apply_comments(found, source, script.path)


@pytest.mark.parametrize(("dialect", "body", "rules"), CASES)
def test_each_rule_on_each_dialect(
    tmp_path: Path, dialect: str, body: str, rules: set[str]
) -> None:
    found = findings(tmp_path, dialect, revision_text("seed", "before", body))

    assert {finding.rule for finding in found} == rules, body


UNNAMED = {
    "op.create_unique_constraint(None, 'customers', ['name', 'email'])": "uq_customers_name_email",
    "op.create_check_constraint(None, 'customers', 'id > 0')": "ck_customers_...",
    "op.create_foreign_key(None, 'invoices', 't', ['c'], ['id'])": "fk_invoices_c_t",
    "op.create_table('t', sa.Column('n'), sa.Column('m'),"
    " sa.ForeignKeyConstraint(['n', 'm'], ['s.a', 's.b']))": "fk_t_n_m_s",
    "op.add_column('t', sa.Column('n', sa.Integer, unique=True))": "uq_t_n",
    "op.add_column('t', sa.Column('n', sa.ForeignKey('s.p.id')))": "fk_t_n_p",
    "op.create_table('t', sa.Column('n', sa.Integer, sa.CheckConstraint('n > 0')))": "ck_t_...",
    "op.execute('ALTER TABLE customers ADD UNIQUE (name)')": "uq_customers_email",
    "op.execute('ALTER TABLE customers ADD CHECK (id > 0)')": "uq_customers_email",
}


@pytest.mark.parametrize("statement", UNNAMED)
def test_names_that_are_left_out(tmp_path: Path, statement: str) -> None:
    found = findings(tmp_path, "postgresql", revision_text("a", "b", f"    {statement}"))

    [helped] = [each.help for each in found if each.rule == "unnamed-constraint"]
    assert helped
    assert f"{UNNAMED[statement]}" in helped.advice


RENAMED = {
    "op.add_column('customers', sa.Column('b', sa.Integer)); op.drop_column('customers', 'a')": (
        "alter_column"
    ),
    "op.create_table('b', sa.Column('n', sa.Integer)); op.drop_table('a')": "rename_table",
    "op.add_column('invoices', sa.Column('b', sa.Integer)); op.drop_column('customers', 'a')": "",
    "op.drop_table('a')": "",
}


@pytest.mark.parametrize("statements", RENAMED)
def test_what_may_be_a_rename(tmp_path: Path, statements: str) -> None:
    """Autogenerate writes it as something new beside something dropped."""
    found = findings(tmp_path, "sqlite", revision_text("a", "b", f"    {statements}"))

    [helped] = [each.help for each in found if each.rule.startswith("ban-drop")]
    assert helped
    name = RENAMED[statements]
    assert ("If it is renamed" in helped.advice, name in helped.advice) == (bool(name), True)


NAMED = (
    "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True))",
    "op.create_table('t', sa.Column('n', sa.Integer, index=True))",
    "op.create_table('t', sa.Column('n'), sa.Column('m'),"
    " sa.ForeignKeyConstraint(['n', 'm'], ['s.a', 's.b'], name='fk'))",
    "op.create_table('t', sa.Column('kind', sa.Enum('a', name='kind')))",
    "op.create_unique_constraint(op.f('uq'), 'customers', ['name'])",
    "op.execute('ALTER TABLE customers ADD CONSTRAINT uq UNIQUE (name)')",
)


@pytest.mark.parametrize("statement", NAMED)
def test_names_that_are_written(tmp_path: Path, statement: str) -> None:
    found = findings(tmp_path, "postgresql", revision_text("a", "b", f"    {statement}"))

    assert "unnamed-constraint" not in {each.rule for each in found}


def test_each_rule_has_a_seed() -> None:
    assert BY_NAME.keys() == OF_RULES
    assert len(BY_NAME) == len(RULES)


@pytest.mark.parametrize("dialect", DATABASES_WITH_OUTPUT)
def test_rules_name_their_databases(dialect: str) -> None:
    """A rule that can be broken on a database has a seed there."""
    broken = {rule for _, rules in seeds(UNSAFE, dialect) for rule in rules}

    assert broken == {rule.name for rule in RULES if dialect in rule.databases}


LINES = revision_text(
    "a",
    "b",
    """\
    op.drop_table('a')  # allow: ban-drop-table (empty)
    op.drop_table('b')
    op.drop_column(
        'c',
        'd',
    )  # allow: ban-drop-column
    text = '# allow: ban-truncate'
    # allow: renaming-table (nobody reads them)
    op.rename_table('e', 'f')
    op.rename_table('g', 'h')
    op.rename_table('i', 'j')  # allow: ban-drop-table
""",
)


def test_a_comment_behind_code_counts_there_alone(tmp_path: Path) -> None:
    found = findings(tmp_path, "sqlite", LINES)

    lines = LINES.splitlines()
    assert [(finding.rule, lines[finding.line - 1].strip()) for finding in found] == [
        ("ban-drop-table", "op.drop_table('b')"),
        ("unused-allow", "op.rename_table('i', 'j')  # allow: ban-drop-table"),
    ]


WITH_NAMES = '''
from string import capwords

import sqlalchemy as sa
from alembic import op

TABLE = "invoices"


def upgrade():
    made = op.create_table("visits", sa.Column("id", sa.Integer, primary_key=True))
    if made is None:
        old = "other"
    else:
        old = capwords("number")
        sql = f"""
ALTER TABLE {TABLE}
"""
        sql += f"DROP COLUMN {old}"
        with op.batch_alter_table(TABLE) as batch:
            op.execute(sql) or made


def downgrade():
    pass
'''
COPIED = '''
from string import capwords

TABLE = "invoices"
old = capwords("number")
sql = f"""
ALTER TABLE {TABLE}
"""
sql += f"DROP COLUMN {old}"
op.execute(sql) or made  # allow: ban-drop-column (no release uses it any more)
'''


def test_code_comes_with_the_names_that_it_needs(tmp_path: Path) -> None:
    """Those of other branches stay, and what changes the database is not done again."""
    [found] = findings(tmp_path, "sqlite", WITH_NAMES)

    assert found.help
    assert [code.text for code in found.help.code] == [COPIED.strip()]


DOWNGRADE = """
import sqlalchemy as sa
from alembic import op


def upgrade():
    op.drop_column('customers', 'age')  # allow: ban-drop-column


def downgrade():
    op.add_column('customers', sa.Column('age', sa.Integer, nullable=False))
    op.drop_table('invoices')
"""


def test_the_way_back(tmp_path: Path) -> None:
    """What is for the previous release is not asked of the way back to it."""
    assert not findings(tmp_path, "sqlite", DOWNGRADE)
    [found] = findings(tmp_path, "sqlite", DOWNGRADE, downgrade=True)

    assert (found.rule, found.line) == ("adding-required-field", 11)


TYPES = """
import sqlalchemy as sa
from alembic import op


def upgrade():
    kind = sa.Enum('a', 'b', name='kind')
    kind.create(op.get_bind())
    op.create_table('t', sa.Column('k', sa.Enum('a', name='other')))


def downgrade():
    op.drop_table('t')
    {body}
"""


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("pass", 2),
        ("op.execute('DROP TYPE kind')", 1),
        ("op.execute('DROP TYPE kind'); sa.Enum(name='other').drop(op.get_bind())", 0),
        ("op.execute('DROP TYPE IF EXISTS kind'); op.execute('DROP TYPE public.\"other\"')", 0),
        ("raise NotImplementedError('there is no way back')", 0),
    ],
)
def test_types_that_the_downgrade_leaves(tmp_path: Path, body: str, left: int) -> None:
    found = findings(tmp_path, "postgresql", TYPES.format(body=body))

    assert [finding.rule for finding in found] == left * ["type-outlives-downgrade"]


DATABASES = [offline_context(name).dialect for name in DIALECTS]
NUMBERS = st.integers(1, 300)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_a_text_widens_if_it_gets_longer(short: int, long: int) -> None:
    """MySQL stores the length of a text in one byte up to 255 bytes, which are 63 characters."""
    for dialect in DATABASES:
        has_same_bytes = dialect.name not in MYSQL or (short > 63) == (long > 63)

        assert widens(sa.String(short), sa.String(long), dialect) == (
            short <= long and (has_same_bytes or short == long)
        )


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.integers(0, 5), st.integers(0, 5))
def test_a_number_widens_if_it_keeps_its_scale(old: int, new: int, before: int, after: int) -> None:
    types = sa.Numeric(old, before), sa.Numeric(new, after)

    assert widens(*types, DATABASES[1]) == (old <= new and before == after)
    assert widens(*types, DATABASES[2]) == ((old, before) == (new, after))


BUILT_IN = st.sampled_from(
    [sa.Integer(), sa.BigInteger(), sa.Text(), sa.String(9), sa.Date(), sa.DateTime(), sa.Float()]
)


@settings(deadline=None)
@given(BUILT_IN, BUILT_IN)
def test_no_other_type_widens(old: Any, new: Any) -> None:
    is_text = isinstance(old, sa.String) and isinstance(new, sa.Text)
    for dialect in DATABASES:
        expected = str(old) == str(new) or (is_text and dialect.name not in MYSQL)

        assert widens(old, new, dialect) == expected
    assert not widens(None, new, DATABASES[0])


def printed(project: Project, **options: Any) -> tuple[int, str]:
    """Return the exit code of lint, and what it prints."""
    config = project.config()
    code = lint(config, **options)
    return code, str(config.stdout.getvalue())  # type: ignore[attr-defined]


CREATE = "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True))"

FOUND = """\
error[ban-drop-table]: The previous release may still use table t.
  --> migrations/versions/b.py:17:5
   |
17 |     op.drop_table('t')
   |     ^^^^^^^^^^^^^^^^^^
   |
help: Stop using it in this release, and drop it in the next.

    # a revision of the next release
    op.drop_table('t')  # allow: ban-drop-table (no release uses it any more)

Found 1 error in 2 revisions; `migrations explain ban-drop-table` says more.
"""


def test_the_command_reads_a_history(project: Project) -> None:
    project.revision("a", CREATE)
    project.revision("b", "op.drop_table('t')", CREATE, down="a")

    assert printed(project) == (1, FOUND)


def test_the_command_finds_nothing(project: Project) -> None:
    project.revision("a", CREATE)
    project.revision("b", "op.add_column('t', sa.Column('n', sa.Integer))", down="a")

    said = "Nothing unsafe: 2 revisions read, 0 released and left out.\n"
    assert printed(project) == (0, said)


def test_a_warning_fails_nothing(project: Project) -> None:
    project.revision("a", CREATE)
    project.revision("b", "pass  # allow: ban-drop-table", down="a")

    code, said = printed(project)

    assert code == 0
    assert "warning[unused-allow]: Nothing here needs `# allow: ban-drop-table`." in said
    assert "b.py:17:11\n" in said
    assert said.endswith(
        "\n\nFound 1 warning in 2 revisions; `migrations explain unused-allow` says more.\n"
    )


def ignore(project: Project, text: str) -> None:
    """Write the pyproject.toml of a project."""
    (project.path / "pyproject.toml").write_text(text, encoding="utf-8")


SECTION = "[tool.alembic-guardrails.lint]\n"


def test_rules_that_the_project_ignores(project: Project) -> None:
    project.revision("a", CREATE)
    project.revision("b", "op.drop_table('t')  # allow: ban-drop-table", CREATE, down="a")
    project.revision("c", f"{CREATE}; op.drop_table('u')", down="b")
    assert printed(project)[0] == 1

    ignore(project, SECTION + "ignore = ['ban-drop-table']")

    said = "Nothing unsafe: 3 revisions read, 0 released and left out.\n"
    assert printed(project) == (0, said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SECTION + "ignore = ['ban-drop-tables']", "has ban-drop-tables, which is no rule: `migr"),
        (SECTION + "ignore = 'ban-drop-table'", "has to be a list of rules"),
        (SECTION + "ignore = [1]", "has to be a list of rules"),
        (SECTION + "allow = []", "has the unknown key allow: `ignore` is the only one"),
        ("tool = 1\n", "has to be a table"),
        ("[tool.alembic-guardrails]\nlint = 1", "has to be a table"),
        ("[tool", "pyproject.toml cannot be read"),
    ],
)
def test_settings_that_are_wrong(project: Project, text: str, message: str) -> None:
    project.revision("a", CREATE)
    ignore(project, text)

    with pytest.raises(CommandError, match=re.escape(message)):
        lint(project.config())


def test_other_sections_of_pyproject_are_no_matter(project: Project) -> None:
    project.revision("a", CREATE)
    ignore(project, "[project]\nname = 'x'\n[tool.ruff]\nline-length = 100\n")

    assert printed(project)[0] == 0


@pytest.mark.parametrize("command", [lint, sql])
def test_a_missing_revision_is_a_sentence(project: Project, command: Any) -> None:
    project.revision("a", CREATE)
    project.revision("c", "pass", down="b")

    with (
        pytest.warns(UserWarning, match="not present"),
        pytest.raises(CommandError, match="'b' does not exist"),
    ):
        command(project.config())


@pytest.mark.parametrize("name", ["Integer", "sa.Integr"])
def test_sql_fails_on_an_error_of_the_code(project: Project, name: str) -> None:
    project.revision("a", f"op.add_column('t', sa.Column('n', {name}))")

    with pytest.raises(
        CommandError, match=r"a\.py:17: the revision fails on every database: .*Int"
    ):
        sql(project.config())


def test_sql_says_where_a_revision_needs_a_database(project: Project) -> None:
    needs_rows = "op.get_bind().execute(sa.text('SELECT 2')).one()"
    project.revision("a", f"op.execute('SELECT 1')\n{needs_rows}")
    config = project.config()

    sql(config)

    text = config.stdout.getvalue()  # type: ignore[attr-defined]
    assert "SELECT 1;" in text
    left_out = (
        r"-- migrations.versions.a\.py:18: the rest is left out: .*The revision asks the database"
    )
    assert re.search(left_out, text)


@pytest.mark.parametrize("text", [UNSAFE, SAFE], ids=["unsafe", "safe"])
def test_each_seed_is_for_databases_that_are_known(text: str) -> None:
    """A seed for an unknown one would never run; `mysql` stands for MariaDB, too."""
    headings = re.findall(r"^(\w[\w ]*):", text, re.MULTILINE)

    assert headings
    assert {name for heading in headings for name in heading.split()} <= {
        "all",
        *(dialect for dialect in DIALECTS if dialect != "mariadb"),
    }


@pytest.mark.parametrize("dialect", DATABASES_WITH_OUTPUT)
def test_what_is_printed_is_as_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """`uv run python tests/lint_output.py` stores it."""
    monkeypatch.chdir(tmp_path)

    assert "\n".join(outputs(dialect)) == stored(dialect).read_text(encoding="utf-8")


# How `plan` says that a statement stops everyone who writes, for longer than a moment.
STOPS = re.compile(r"lock, (?:readers and )?writers(?! of|, for a moment)")
STOPPING = [
    pytest.param(dialect, operation.statement(dialect), id=f"{dialect}-{operation.name}")
    for dialect in MYSQL
    for operation in OPERATIONS
    if STOPS.search(operation.expected(dialect))
]


@pytest.mark.parametrize(("dialect", "statement"), STOPPING)
def test_what_stops_writers_on_a_server_is_found(
    tmp_path: Path, dialect: str, statement: str
) -> None:
    """A test of `plan` finds on the server itself what stops whom."""
    text = plain_text("seed", "before", f"op.execute({statement!r})")

    assert findings(tmp_path, dialect, text)
