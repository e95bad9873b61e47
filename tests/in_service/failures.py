"""What Alembic's command line prints when a migration fails: a report, cause first, on a screen."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from runner import LOG, URL, drop_all, run_alembic

DIALECT = URL.get_backend_name()
DATABASE = "mysql" if DIALECT == "mariadb" else DIALECT
REVISION = Path("migrations/versions/faulty.py")
SCREEN = 24
HEAD = '''"""Faulty."""

import os
import signal
import time

import helper_of_revisions
import sqlalchemy as sa
from alembic import op

revision = "faulty"
down_revision = "0001"


def upgrade():
    op.create_table("a", sa.Column("b", sa.Integer, primary_key=True))
'''
UPGRADE = HEAD.count("\n") - 1
LINE = HEAD.count("\n") + 1
SIGNAL = "op.execute(\"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = 'No.'\")"


@dataclass(frozen=True)
class Cause:
    """What the revision does, and what the report says: the cause, and what to do next."""

    line: str
    message: str
    advice: str = "Correct the revision"
    has_statement: bool = True
    code: int = 1


NO_TABLE = {
    "sqlite": "no such table: missing",
    "postgresql": 'table "missing" does not exist (42P01)',
    "mysql": "missing",
}[DATABASE]
REPEATED = {"sqlite": "UNIQUE constraint failed", "postgresql": "(23505)", "mysql": "(1062)"}
NOT_WRITABLE = {
    "sqlite": 'op.execute("PRAGMA query_only = 1"); op.execute("INSERT INTO a VALUES (1)")',
    "postgresql": (
        'op.execute("SET TRANSACTION READ ONLY"); op.execute("INSERT INTO a VALUES (1)")'
    ),
    "mysql": SIGNAL.format(1290),
}
FULL = {
    "sqlite": (
        'op.execute("PRAGMA max_page_count = 1"); op.execute("CREATE TABLE c AS SELECT'
        ' zeroblob(99999)")'
    ),
    "postgresql": "op.execute(\"DO 'BEGIN RAISE disk_full; END'\")",
    "mysql": SIGNAL.format(1114),
}
CAUSES = {
    "syntax error": Cause(
        'op.execute("nonsense\\nand more\\n\\n\\n\\nof\\nit\\nthan\\nfits")', "syntax"
    ),
    "no table": Cause('op.drop_table("missing")', NO_TABLE),
    "constraint": Cause('op.execute("INSERT INTO a VALUES (1), (1)")', REPEATED[DATABASE]),
    "read-only": Cause(NOT_WRITABLE[DATABASE], "", "Make the database writable"),
    "full": Cause(FULL[DATABASE], "", "Free space for the database"),
    "name": Cause(
        "nonsense",
        "NameError: name 'nonsense' is not defined",
        {"mysql": "from this line on"}.get(DATABASE, "Correct the revision, then"),
        has_statement=False,
    ),
    "library": Cause(
        'helper_of_revisions.parse("{")',
        "JSONDecodeError: Expecting property name",
        has_statement=False,
    ),
    "not implemented": Cause(
        "raise NotImplementedError('no way')", "NotImplementedError: no way", has_statement=False
    ),
    "Ctrl-C": Cause(
        "os.kill(os.getpid(), signal.SIGINT); op.execute('SELECT 1')",
        "The command was interrupted (Ctrl-C).",
        "Run the command again.",
        has_statement=False,
    ),
    "SIGTERM": Cause(
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        "The process was terminated (SIGTERM).",
        "Run the command again.",
        has_statement=False,
        code=-signal.SIGTERM,
    ),
}
if DATABASE == "postgresql":
    CAUSES["privilege"] = Cause(
        'op.execute("SET ROLE pg_monitor"); op.execute("CREATE TABLE public.c ()")',
        "permission denied for schema public (42501)",
        "Grant the privilege",
    )
    CAUSES["lost connection"] = Cause(
        'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")', "", "Check the database"
    )
elif DATABASE == "mysql":
    CAUSES["privilege"] = Cause(SIGNAL.format(1142), "No. (1142)", "Grant the privilege")
    CAUSES["mixed engines"] = Cause(SIGNAL.format(1785), "No. (1785)", "Change the engine of")
    CAUSES["lost connection"] = Cause(
        'op.get_bind().exec_driver_sql(f"KILL {op.get_bind().scalar(sa.text('
        '\'SELECT CONNECTION_ID()\'))}"); op.execute("INSERT INTO a VALUES (1)")',
        "",
        "Check the database",
    )


@pytest.fixture(autouse=True)
def _database() -> Iterator[None]:
    """A database at revision 0001, and a module of the owner's that a revision imports."""
    LOG.unlink(missing_ok=True)
    drop_all()
    assert run_alembic("upgrade", "0001") == 0, LOG.read_text()
    LOG.unlink()
    helper = Path("helper_of_revisions.py")
    helper.write_text("import json\n\n\ndef parse(text):\n    return json.loads(text)\n", "utf-8")
    yield
    REVISION.unlink()
    helper.unlink()


def write_revision(line: str) -> None:
    """Write the revision. Bytecode of the same second and size would be taken for it."""
    REVISION.write_text(f"{HEAD}    {line}\n", "utf-8")
    Path(cache_from_source(str(REVISION))).unlink(missing_ok=True)


@pytest.mark.parametrize("name", CAUSES)
def test_a_failure_fits_a_screen_and_says_all(name: str) -> None:
    cause = CAUSES[name]
    write_revision(cause.line)

    assert run_alembic("upgrade", "faulty") == cause.code

    text = LOG.read_text()
    print(text)
    lines = text.splitlines()
    assert len(lines) <= SCREEN
    [first] = [number for number, line in enumerate(lines) if line.startswith("FAILED:")]
    assert all(line.startswith(("INFO", "WARN")) for line in lines[:first])
    assert cause.message in lines[first]
    report = "\n".join(lines[first:])
    assert "revision:   upgrade 0001 -> faulty, Faulty." in report
    # At SIGTERM, and with an async driver at Ctrl-C, the report knows the function, not the line.
    is_unknown = name == "SIGTERM" or (name == "Ctrl-C" and URL.get_dialect().is_async)
    line = UPGRADE if is_unknown else LINE
    assert f"at:         migrations/versions/faulty.py:{line}, in upgrade" in report
    if name == "library":
        assert "at:         helper_of_revisions.py:5, in parse" in report
    if name != "Ctrl-C":  # it may have come while a statement ran
        assert ("statement:" in report) == cause.has_statement
    assert "The database is at revision 0001." in report
    assert "What the command committed stays" not in report
    assert cause.advice in report


@pytest.mark.skipif(DATABASE != "mysql", reason="only MySQL and MariaDB have a journal")
def test_a_repeatable_revision_has_no_journal() -> None:
    write_revision("nonsense")
    REVISION.write_text(f"{REVISION.read_text('utf-8')}\n\nrepeatable = True\n", "utf-8")

    assert run_alembic("upgrade", "faulty") == 1

    text = LOG.read_text()
    assert "Changes of tables before this statement stay. The database is at revision 0001." in text
    assert "Correct the revision, then run the command again." in text


def test_the_traceback_is_there_on_demand() -> None:
    write_revision('op.execute("nonsense")')
    assert run_alembic("--raiseerr", "upgrade", "faulty") == 1
    text = LOG.read_text()
    assert "Traceback" in text
    assert "FAILED" not in text
