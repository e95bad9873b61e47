"""The code that lint advises for operations with any names: it is Python, and lint is quiet."""

import ast
from collections.abc import Iterator
from contextlib import chdir
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_output import History
from lint_seeds import plain_text

NAMES = st.sampled_from(
    ["customers", "order", "class", "a b", 'x"y', "it's", "größe", "keys", "items", "2nd", "rows"]
)
COLUMNS = st.sampled_from(
    ["name", "from", "values", "keys", "a b", 'x"y', "it's", "größe", "2nd", "id", "Upper", "in"]
)
SCHEMAS = st.sampled_from([None, "app", "a b"])
TYPES = st.sampled_from(
    [
        "sa.Integer",
        "sa.String(20)",
        "sa.Numeric(10, 2)",
        "sa.Enum('a', 'b', name='kind')",
        "sa.DateTime(timezone=True)",
        "sa.JSON",
        "sa.Uuid",
        "sa.Boolean(create_constraint=True, name='k')",
        "sa.LargeBinary",
    ]
)
DEFAULTS = st.sampled_from(
    [
        "",
        ", server_default=sa.text('clock_timestamp()')",
        ", sa.Identity()",
        ", unique=True",
        ", sa.Computed(\"n || '%' || ':x'\", persisted=True)",
        ", nullable=False",
        ", index=True",
    ]
)
DIALECTS = ["postgresql", "mysql", "sqlite"]


@st.composite
def operations(draw: st.DrawFn) -> str:
    """Write a call of an operation."""
    table, column, other = draw(NAMES), draw(COLUMNS), draw(COLUMNS)
    type_, schema = draw(TYPES), draw(SCHEMAS)
    option = f", schema={schema!r}" if schema else ""
    at = f"op.{{}}({table!r}, {{}}{option})"
    added = f"sa.Column({column!r}, {type_}{draw(DEFAULTS)})"
    calls = [
        at.format("add_column", added),
        at.format("drop_column", repr(column)),
        at.format("alter_column", f"{column!r}, nullable=False, existing_type={type_}"),
        at.format("alter_column", f"{column!r}, type_=sa.BigInteger, existing_type={type_}"),
        at.format("alter_column", f"{column!r}, new_column_name={other!r}, existing_type={type_}"),
        at.format("alter_column", f"{column!r}, server_default=None, existing_type={type_}"),
        f"op.create_index({'ix'!r}, {table!r}, [{column!r}, sa.text('lower(x)')]{option})",
        f"op.create_index({'ix'!r}, {table!r}, [{column!r}], unique=True{option})",
        f"op.create_index({'ix'!r}, {table!r}, [{column!r}], postgresql_concurrently=True{option})",
        f"op.drop_table({table!r}{option})",
        f"op.rename_table({table!r}, {other!r}{option})",
        *constraints(table, column, other, schema),
        *statements(table, column),
    ]
    return draw(st.sampled_from(calls))


def constraints(table: str, column: str, other: str, schema: str | None) -> Iterator[str]:
    """Yield calls that add constraints, in a batch as SQLite needs it."""
    batch = f"with op.batch_alter_table({table!r}, schema={schema!r}) as batch: batch."
    yield f"{batch}create_unique_constraint('uq', [{column!r}])"
    yield f"{batch}create_check_constraint('ck', sa.text(\"n <> 'a:b%'\"))"
    yield f"{batch}create_foreign_key('fk', 'customers', [{column!r}], [{other!r}])"
    yield f"{batch}create_primary_key('pk', [{column!r}])"
    yield f"{batch}drop_constraint('pk', type_='primary')"
    yield f"{batch}drop_column({column!r})"


def statements(table: str, column: str) -> Iterator[str]:
    """Yield SQL of a revision's own."""
    name, field = (text.replace('"', '""') for text in (table, column))
    for sql in (
        f'ALTER TABLE "{name}" ADD COLUMN "{field}" integer NOT NULL',
        f'ALTER TABLE "{name}" RENAME COLUMN "{field}" TO other',
        f'ALTER TABLE "{name}" RENAME TO other',
        f'ALTER TABLE "{name}" ALTER COLUMN "{field}" TYPE bigint',
        f'ALTER TABLE "{name}" ADD UNIQUE ("{field}")',
        f'ALTER TABLE "{name}" ADD CHECK ("{field}" > 1)',
        f'UPDATE "{name}" SET "{field}" = 1',
        f'UPDATE "{name}" SET "{field}" = "{field}" + 1',
        f'DELETE FROM "{name}"',
        f'CREATE INDEX i ON "{name}" ("{field}")',
        f'DROP TABLE "{name}"',
    ):
        yield f"op.execute({sql!r})"


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=15)
@given(st.lists(operations(), min_size=1, max_size=2, unique=True))
def test_code_for_any_names_is_clean(dialect: str, calls: list[str]) -> None:
    with TemporaryDirectory() as folder, chdir(folder):
        found = History(dialect).lint("seed.py", plain_text("seed", "first", "\n".join(calls)))
        for finding in found:
            history = History(dialect)
            codes = finding.help.code if finding.help else ()
            for number, (where, text) in enumerate(codes):
                ast.parse(text)
                if where.startswith("downgrade"):
                    continue
                revision = plain_text(f"r{number}", "first", text)
                left = history.lint(f"r{number}.py", revision)
                # What has nothing to do with the finding stays in a statement that is kept.
                mine = [other for other in left if other.rule in (finding.rule, "error-in-code")]
                assert not mine, (finding, text, mine)
