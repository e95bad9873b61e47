"""Schemas that the database's own client loads: adopted, built anew, changed and changed back.

TEST_SCHEMAS names a folder with more of them, in one folder for each kind of database.
"""

import json
import os
import re
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from conftest import Scratch
from drivers import text_of
from legacy import FOLDER, connect, dump, family, rows
from matrix import DISTINCT, PROGRAMS, Setup
from project import Project
from servers import postgresql_programs
from sqlalchemy import URL
from test_adopting import noise

pytestmark = pytest.mark.slow

OWN = FOLDER / "schemas"
FOLDERS = [OWN, *map(Path, filter(None, [os.environ.get("TEST_SCHEMAS")]))]
# MariaDB reads what MySQL reads.
READ = {"mariadb": ("mariadb", "mysql"), "mysql": ("mysql", "mysql_only")}


def cases() -> Iterator[ParameterSet]:
    """Each schema on each database that reads it."""
    for setup, folder in product(PROGRAMS, FOLDERS):
        name = setup.backend.name
        for path in sorted(
            path for kind in READ.get(name, (name,)) for path in (folder / kind).glob("*.sql")
        ):
            is_usual = folder is OWN and setup in DISTINCT and path.stem != "modified_more"
            mark = () if is_usual else pytest.mark.sweep
            yield pytest.param(setup, path, id=f"{name}-{path.stem}", marks=mark)


# A module of models that changes all of them, or none.
CHANGES = '''"""Changes of all tables."""

import json
import os

from sqlalchemy import Column, Integer

from my_service.db.base import Base

CHANGE = os.environ.get("CHANGE", "")
HAS_COMMENTS = not os.environ["DATABASE_URL"].startswith("sqlite")
KEPT = {tuple(place) for place in json.loads(os.environ.get("KEPT", "[]"))}

TABLES = Base.metadata.tables.values()
referred = {key.column for table in TABLES for key in table.foreign_keys}

for table in TABLES:
    own = {column for key in table.foreign_key_constraints for column in key.columns}
    emptied = {key for key in table.foreign_keys if "SET NULL" in (key.ondelete, key.onupdate)}
    if CHANGE == "add":
        table.append_column(Column("added_here", Integer))
    for column in table.c if CHANGE == "alter" else ():
        if HAS_COMMENTS and not column.comment and not column.computed:
            column.comment = "changed here"
        if column.primary_key or column.autoincrement is True or column.identity or column.computed:
            continue
        is_kept = (str(table), column.name, "null") in KEPT or column in referred
        if not is_kept and not column.foreign_keys & emptied:
            column.nullable = not column.nullable
        is_text = type(column.type).__visit_name__ in ("string", "VARCHAR") and column.type.length
        if is_text and column not in own and (str(table), column.name, "type") not in KEPT:
            column.type = column.type.copy(length=column.type.length + 1)
'''

# What a change is allowed to do with a line of a dump.
NAMED = {
    # The column, its value in each row, and what SQLite says of it.
    "add": r"(?i),? ?[`']?added_here[`']?(?: int(?:eger|\(11\))?(?: DEFAULT NULL)?)?|\t\\N$"
    r"|, None(?=\)$)|^ .* column \('added_here'.*",
    "alter": r"(?i)(?: NOT)? NULL\b| DEFAULT NULL\b|(?<=character varying)\(\d+\)"
    r"|(?<=char)\s*\(\d+\)|(?<= column )\('[^']*', '[^']*', [01](?=, .*, \d, \d\)$)"
    r"|^ COMMENT ON COLUMN .* IS 'changed here';$| COMMENT 'changed here'|^ -- Name: COLUMN .*",
}

# What a change of a column's type or its NOT NULL is refused for by the database.
USED = """
WITH attribute AS (
    SELECT CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END || relname AS name, a.*
    FROM pg_attribute a JOIN pg_class c ON attrelid = c.oid
    JOIN pg_namespace n ON n.oid = relnamespace
)
SELECT DISTINCT name, attname, 'type' FROM pg_depend d
JOIN attribute a ON attrelid = refobjid AND attnum = refobjsubid
WHERE refclassid = 'pg_class'::regclass AND (classid IN ('pg_rewrite'::regclass,
    'pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_proc'::regclass)
    OR classid = 'pg_class'::regclass AND objsubid > 0
    OR classid = 'pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_attrdef x JOIN pg_attribute g
        ON g.attrelid = adrelid AND g.attnum = adnum WHERE x.oid = objid AND g.attgenerated <> ''))
UNION SELECT name, attname, 'null' FROM attribute JOIN pg_type t ON t.oid = atttypid
WHERE typnotnull
"""
# A spatial index takes no NULL. MariaDB gives NOT NULL and ON UPDATE a default.
NOT_NULL = """
SELECT table_name, column_name FROM information_schema.statistics
WHERE table_schema = database() AND index_type = 'SPATIAL'
UNION SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = database() AND (extra LIKE '%on update%' AND is_nullable = 'YES'
    OR extra LIKE '%auto_increment%')
"""


@pytest.fixture
def kind_of_service() -> dict[str, bool]:
    """For a database that has its tables already."""
    return {"existing_database": True}


def load_text(url: URL, text: str) -> None:
    """Load a script with the database's own client.

    Raises:
        subprocess.CalledProcessError: The client refuses it.
    """
    subprocess.run(client(url), input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def restore(url: URL, scratch: Callable[[], URL]) -> list[str]:
    """Describe what becomes of a database when its own dump is loaded into an empty one.

    PostgreSQL words some views and checks anew.
    """
    if family(url) != "postgresql":
        return describe(url)
    empty = scratch()
    # A setting that pg_dump writes for older servers, too.
    load_text(empty, dump(url).replace("SET transaction_timeout = 0;\n", ""))
    return describe(empty)


def client(url: URL) -> list[str]:
    """The client that reads a script from its input, and ends at the first error."""
    if family(url) == "sqlite":
        return ["sqlite3", "-bail", str(url.database)]
    if family(url) == "postgresql":
        target = url.set(drivername="postgresql").render_as_string(hide_password=False)
        program = f"{postgresql_programs()}/psql"
        return [program, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", target]
    options = [f"--host={url.host}", f"--port={url.port or 3306}", f"--user={url.username}"]
    options.append(f"--password={url.password or ''}")
    return ["mariadb", "--no-defaults", *options, str(url.database)]


def describe(url: URL) -> list[str]:
    """All of a database's schema and rows, a line for each part, however it was written."""
    if family(url) != "sqlite":
        text = re.sub(r" AUTO_INCREMENT=\d+", "", dump(url)).replace("\\n", "\n")
        text = text.replace('"', "'").replace("\\'", "'") if family(url) != "postgresql" else text
        # PostgreSQL 18 names a NOT NULL that is added later as it names others, also in partitions.
        text = re.sub(r" CONSTRAINT \w+_not_null\d*(?= NOT NULL)", "", text)
        # MySQL adds this to a column when a table is restored from the server's own words.
        # What a session had that created a view.
        text = re.sub(
            r"(?:, '(?:utf8|latin1)\w*')+(?:, datetime\.datetime\(.*\))?\)$",
            ")",
            text,
            flags=re.MULTILINE,
        )
        text = re.sub(r" CHARACTER SET (\w+)(?= COLLATE \1_)", "", text)
        return [line.rstrip(",") for line in text.splitlines() if line.strip(" );\\-")]
    return sorted(describe_sqlite(url))


def describe_sqlite(url: URL) -> Iterator[str]:
    """What SQLite itself says of each table, and all rows."""
    with closing(connect(url)) as file:

        def ask(*query: Any) -> list[tuple[Any, ...]]:
            found: list[tuple[Any, ...]] = file.execute(*query).fetchall()
            return found

        file.text_factory = lambda value: value.decode(errors="backslashreplace")
        for name in ("application_id", "user_version", "encoding"):
            yield f"{name} {ask(f'PRAGMA {name}')}"
        for kind, name, table, sql in ask("SELECT type, name, tbl_name, sql FROM sqlite_master"):
            if table.startswith(("alembic_", "sqlite_")):
                continue
            if kind != "table":
                yield f"{kind} {name} on {table}: {' '.join((sql or '').split())}"
                continue
            for row in ask("SELECT type, wr, strict FROM pragma_table_list(?)", (name,)):
                yield f"table {name}: {row}"
            for row in ask("SELECT cid, * FROM pragma_table_xinfo(?)", (name,)):
                yield f"{name} column {row[2:]}"
            for row in ask("SELECT * FROM pragma_foreign_key_list(?)", (name,)):
                yield f"{name} foreign key {row[1:]}"
            for row in ask(
                "SELECT name, [unique], origin, partial FROM pragma_index_list(?)", (name,)
            ):
                parts = ask("SELECT * FROM pragma_index_xinfo(?) WHERE key = 1", row[:1])
                shown = "" if row[0].startswith("sqlite_auto") else row[0]
                yield f"{name} index {shown} {row[1:]} {parts}"
            try:
                found = ask(f'SELECT * FROM "{name}"')
            except sqlite3.OperationalError:  # a virtual table of a module that is not here
                found = []
            yield from (f"{name} row {row}" for row in found)


def difference(before: list[str], after: list[str]) -> list[str]:
    """The lines that only one of two descriptions has."""
    lost, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    return [*(f"- {line}" for line in lost.elements()), *(f"+ {line}" for line in new.elements())]


def schema_of(service: Project, url: URL) -> list[str]:
    """What the package reads of a schema, which has what SQLite keeps only as text."""
    code = (
        "import json\nfrom alembic_guardrails import run_with_connection, snapshot\n"
        "from my_service.db.driver import DRIVER\n"
        f"found = run_with_connection(DRIVER.parse_url({text_of(url)!r}), snapshot)\n"
        "print()\nprint(json.dumps([f'{name}: {text}' for name, text in found.items()]))"
    )
    found: list[str] = json.loads(service.run("python", "-c", code).splitlines()[-1])
    return found


def without_rows(lines: list[str]) -> list[str]:
    """Leave out what a built database lacks: the rows, and how far sequences have counted."""
    is_copied = False
    kept = []
    for line in lines:
        if line.startswith("COPY "):
            is_copied = True
        is_row = is_copied or re.match(
            r"\(|SELECT pg_catalog.setval|REFRESH MAT|.+ row \(|--|(ALTER SCHEMA|GRANT|REVOKE) ",
            line,
        )
        if not is_row:
            kept.append(line)
        if line == "\\.":
            is_copied = False
    return kept


def kept_columns(url: URL) -> list[tuple[str, str, str]]:
    """The columns whose type, or whose NOT NULL, the database itself lets nobody change."""
    if family(url) == "postgresql":
        return rows(url, USED)
    return [(*place, "null") for place in rows(url, NOT_NULL)] if family(url) != "sqlite" else []


@pytest.mark.parametrize(("setup", "path"), [*cases()])
def test_a_schema_survives(
    service: Project,
    setup: Setup,
    path: Path,
    database: URL,
    scratch: Scratch,
    mypy_cache: Path,
    subtests: pytest.Subtests,
) -> None:
    """Nothing differs but what a command names."""
    load_text(database, path.read_text(encoding="utf-8"))
    before = describe(database)
    start = time.monotonic()
    output = service.run("migrations", "adopt")
    print(f"adopted in {time.monotonic() - start:.0f} s")
    print(output)
    assert "Traceback" not in output
    with subtests.test("adopting changes nothing"):
        assert difference(before, describe(database)) == []
    with subtests.test("check is quiet"):
        assert noise(service) == []
    with subtests.test("drift is quiet"):
        service.run("migrations", "drift")
    with subtests.test("ruff"):
        service.run("ruff", "check", "--output-format=concise")
    built = scratch(setup)
    with subtests.test("built anew"):
        service.environment["DATABASE_URL"] = text_of(built)
        service.alembic("upgrade head")
        expected = without_rows(restore(database, partial(scratch, setup)))
        assert difference(expected, without_rows(describe(built))) == []
    module = service.path / "src" / service.package / "models" / "zz_changes.py"
    module.write_text(CHANGES.replace("my_service", service.package), encoding="utf-8")
    for change, url in (("add", database), ("alter", built)):
        with subtests.test(change):
            change_all(service, url, change)
    with subtests.test("mypy"):
        module.unlink()
        service.run("mypy", f"--cache-dir={mypy_cache}")


def change_all(service: Project, url: URL, change: str) -> None:
    """Change all tables by autogenerate, and take that back."""
    before, schema = describe(url), schema_of(service, url)
    history = service.path / "migrations" / "versions" / "history.txt"
    recorded = history.read_bytes()
    service.environment["DATABASE_URL"] = text_of(url)
    service.environment["KEPT"] = json.dumps(kept_columns(url))
    service.environment["CHANGE"] = change
    try:
        service.run("alembic", "revision", "--autogenerate", f"--message={change}")
        service.run("alembic", "upgrade", "head")
        found = unnamed(difference(before, describe(url)), change)
        assert not found, "\n".join(["upgraded:", *found[:30]])
        found = noise(service)
        assert not found, "\n".join(["check:", *found[:30]])
        service.alembic("downgrade -1")
        found = difference(before, describe(url)) + difference(schema, schema_of(service, url))
        assert not found, "\n".join(["downgraded:", *found[:30]])
    finally:
        service.environment["CHANGE"] = ""
        for path in (service.path / "migrations" / "versions").glob(f"*_{change}.py"):
            path.unlink()
        history.write_bytes(recorded)


def unnamed(found: list[str], change: str) -> list[str]:
    """The differences that the change does not name."""
    lost = [line[1:] for line in found if line.startswith("-")]
    new = [re.sub(NAMED[change], "", line[1:]) for line in found if line.startswith("+")]
    if change == "alter":  # an added column was not there before
        lost = [re.sub(NAMED[change], "", line) for line in lost]
    return difference(lost, [line for line in new if line.strip()])
