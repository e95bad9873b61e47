"""Database URLs: which ones a driver takes, and how it calls their parameters.

The template's registry loads this file by its path, so that the questionnaire refuses a URL in the
same words as the running service. The file imports nothing of this package, and SQLAlchemy only for
a service: where Copier runs, there is none.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote_plus, unquote
from urllib.parse import quote as percent_encode

if TYPE_CHECKING:
    from sqlalchemy import URL

Query = dict[str, str | tuple[str, ...]]

# SQLAlchemy's `asbool()`.
TRUE = frozenset(("true", "yes", "on", "y", "t", "1"))
FALSE = frozenset(("false", "no", "off", "n", "f", "0"))

# https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# Parameters that ask for TLS, the most telling first.
TLS = ("sslmode", "ssl", "ssl_mode", "ssl_ca")

HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
HOST_AND_PORT = re.compile(r"([a-zA-Z0-9\-.]*):(\d*)", re.ASCII)
SOCKET_FILE = re.compile(r"(/.*)/\.s\.PGSQL\.([0-9]+)")

# Control characters, halves of surrogate pairs, and what stands for an escape that is not UTF-8.
UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffd-\uffff]")


# The parts of a URL, as SQLAlchemy's `make_url()` tells them apart.
PARTS = re.compile(
    r"""
    (?P<drivername>[\w\+]+)://
    (?:(?P<username>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:(?:\[(?P<ipv6>[^/\?]+)\]|(?P<name>[^/:\?]+))?(?::(?P<port>[^/\?]*))?)?
    (?:/(?P<database>[^\?]*))?
    (?:\?(?P<query>.*))?
    """,
    re.VERBOSE,
)


class UrlError(ValueError):
    """A database URL cannot be used. The message is one sentence that never repeats the URL."""


# --- The parts of a URL -------------------------------------------------------------------------


class Address(NamedTuple):
    """A database URL in parts, which are those of `sqlalchemy.URL`."""

    drivername: str
    username: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    query: Mapping[str, str | tuple[str, ...]] = MappingProxyType({})

    @property
    def backend(self) -> str:
        """What stands before the driver."""
        return self.drivername.partition("+")[0]


def read_address(text: str) -> Address:
    """Take a URL apart as SQLAlchemy's `make_url()` does.

    Raises:
        ValueError: The text is no URL, or its port is no number.
    """
    match = PARTS.match(text)
    if not match:
        raise ValueError("not a URL")
    username, password, database = (
        unquote(match[part]) if match[part] is not None else None
        for part in ("username", "password", "database")
    )
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(match["query"] or ""):
        values.setdefault(name, []).append(value)
    return Address(
        match["drivername"],
        username,
        password,
        match["name"] or match["ipv6"],
        int(match["port"]) if match["port"] is not None else None,
        database,
        {name: tuple(each) if len(each) > 1 else each[0] for name, each in values.items()},
    )


def text_of(url: "Address | URL") -> str:
    """Write a URL out, password included, in characters that mean nothing to a shell or dotenv.

    It is what SQLAlchemy's `render_as_string()` writes, with spaces as `%20`.
    """
    text = f"{url.drivername}://"
    if url.username is not None:
        text += percent_encode(url.username, safe="+")
        if url.password is not None:
            text += f":{percent_encode(str(url.password), safe='+')}"
        text += "@"
    if url.host is not None:
        host = url.host.replace(" ", "%20")
        text += f"[{host}]" if ":" in host else host
    if url.port is not None:
        text += f":{url.port}"
    if url.database is not None:
        text += f"/{percent_encode(url.database, safe='+/')}"
    pairs = [
        f"{quote_plus(name)}={quote_plus(value)}"
        for name, values in sorted(url.query.items())
        for value in ((values,) if isinstance(values, str) else values)
    ]
    return text + ("?" + "&".join(pairs) if pairs else "")


# --- Parameters that a driver calls otherwise --------------------------------------------------


class Translation(Protocol):
    """Translates a parameter of a related driver."""

    def __call__(self, value: str, url: Address) -> Query | None:
        """Return the parameters that the driver takes instead; None if it has no equivalent."""


@dataclass(frozen=True)
class Renamed:
    """The driver takes the parameter under another name."""

    to: str

    def __call__(self, value: str, url: Address) -> Query | None:
        return {self.to: value}


@dataclass(frozen=True)
class Implied:
    """The driver has no such parameter, and always behaves as this value says."""

    value: str

    def __call__(self, value: str, url: Address) -> Query | None:
        return {} if value == self.value else None


# The driver cannot be asked for TLS in the URL.
WITHOUT_TLS = Implied("disable")


@dataclass(frozen=True)
class SslMode:
    """One of the modes of libpq, under the name that the driver has for the parameter."""

    to: str

    def __call__(self, value: str, url: Address) -> Query | None:
        return {self.to: value} if value in SSL_MODES else None


@dataclass(frozen=True)
class SocketFile:
    """The host, or the folder of a PostgreSQL socket, which the driver takes as a file."""

    def __call__(self, value: str, url: Address) -> Query | None:
        if not value.startswith("/"):
            return {"host": value}
        return {"unix_sock": f"{value.rstrip('/')}/.s.PGSQL.{url.port or 5432}"}


@dataclass(frozen=True)
class SocketFolder:
    """The file of a PostgreSQL socket, which the driver takes as a folder and a port."""

    def __call__(self, value: str, url: Address) -> Query | None:
        match = SOCKET_FILE.fullmatch(value)
        if not match:
            return None
        folder, port = match.groups()
        return {"host": folder} | ({} if int(port) == (url.port or 5432) else {"port": port})


# --- The values of parameters -------------------------------------------------------------------


class Hosts(tuple[str, ...]):
    """The type of the parameters `host` and `port`, which may name several servers."""

    __slots__ = ()


class HostsWithPorts(Hosts):
    """The same for a driver that takes several servers only if each of them has a port."""

    __slots__ = ()


def read_flag(value: str) -> bool:
    """Read a truth value as SQLAlchemy does.

    Raises:
        ValueError: The text is none.
    """
    word = value.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("not a truth value")
    return word in TRUE


# How texts become values of a type.
READERS: Mapping[type, Callable[[str], object]] = {bool: read_flag, float: float, int: int}


def read_hosts(query: Mapping[str, str | Sequence[str]]) -> tuple[list[str], list[int | None]]:
    """Return the hosts and the ports that the parameters of a URL name, as SQLAlchemy reads them.

    https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#specifying-multiple-fallback-hosts

    Raises:
        ValueError: A port is not a number, or is named twice.
    """
    host, port = query.get("host", ()), query.get("port", ())
    if isinstance(host, str):
        hosts, ports = host.split(","), []
        match = HOST_AND_PORT.fullmatch(host) if not port else None
        if match:
            hosts, ports = [match[1]], [match[2]]
    else:
        pairs = [pair.split(":") if ":" in pair else [pair, ""] for pair in host]
        if any(len(pair) != 2 for pair in pairs) or (pairs and port):
            raise ValueError("a port is named twice")
        hosts, ports = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if port:
        ports = port.split(",") if isinstance(port, str) else [*port]
    return hosts, [int(number) if number else None for number in ports]


def check_hosts(query: Mapping[str, str | Sequence[str]], kind: type[Hosts]) -> None:
    """Check the parameters `host` and `port`.

    Raises:
        ValueError: They do not go together.
    """
    hosts, ports = read_hosts(query)
    if len(hosts) != len(ports) and (len(ports) > 1 or (len(hosts) > 1 and ports)):
        raise ValueError("there are not as many ports as hosts")
    if kind is HostsWithPorts and len(hosts) > 1 and not (all(hosts) and all(ports) and ports):
        raise ValueError("a host or a port is missing")


# --- The URL of one driver ----------------------------------------------------------------------


def quote(name: str) -> str:
    """Quote the name of a parameter for a message, unless it is not one."""
    return f"'{name}'" if re.fullmatch(r"[\w.-]{1,40}", name, re.ASCII) else "such a parameter"


def is_about_tls(name: str) -> bool:
    """Whether a parameter says how a connection is encrypted."""
    return re.search("ssl|tls|cert", name, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Driver:
    """A driver, and the database URLs that a service takes for it.

    `name` is SQLAlchemy's, with the dialect: what stands before `://`. A URL begins with one of
    `schemes`. `is_file` says that it names a file. `connect_args` are arguments of `connect()`
    that limit the wait for a server, in seconds.

    `parameters` are those that a URL may have, each with the type that SQLAlchemy makes of its
    value, and `translations` those of related drivers that mean the same.
    """

    name: str
    schemes: Sequence[str]
    is_file: bool = False
    connect_args: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, type] = field(default_factory=dict)
    translations: Mapping[str, Translation] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Whether the driver takes a parameter of this name, or has an equivalent."""
        return name in self.parameters or name in self.translations

    @property
    def example(self) -> str:
        """A URL that the driver takes."""
        address = "/app.db" if self.is_file else "user:password@localhost/mydb"
        return f"{self.schemes[0]}://{address}"

    @property
    def title(self) -> str:
        """The name without the dialect."""
        return self.name.partition("+")[2]

    def parse_url(self, value: "str | URL") -> "URL":
        """Read a database URL as one for this driver, whichever driver it names.

        Programs keep the result, an object: as text, it would show or lose its password.

        Raises:
            UrlError: The value is no URL, names another kind of database, or has a parameter that
                the driver does not take.
        """
        from sqlalchemy import URL

        text = value if isinstance(value, str) else text_of(value)
        scheme, rest = split_scheme(text, self.example)
        if scheme.partition("+")[0] not in self.schemes:
            raise UrlError(
                f"Start the URL with {self.schemes[0]}://, which the service is made for"
            )
        address = self.translate(read_url(f"{self.schemes[0]}://{rest}", self.is_file))
        return URL.create(**address._asdict())

    def translate(self, url: Address) -> Address:
        """Return a URL with the name of this driver, and the parameters as it takes them.

        Raises:
            UrlError: A parameter has no equivalent here, or a value that cannot be used.
        """
        query: Query = {}
        for name, value in url.query.items():
            translated = self.translate_parameter(name, value, url)
            if twice := query.keys() & translated.keys():
                raise UrlError(f"{self.title} takes {quote(min(twice))} only once")
            query |= translated
        for name, value in query.items():
            if not self.is_usable(name, value, query):
                raise UrlError(self.refuse_value(name))
        return url._replace(drivername=self.name, query=query)

    def translate_parameter(self, name: str, value: str | tuple[str, ...], url: Address) -> Query:
        """Return what the driver takes instead of a parameter, with its value.

        Raises:
            UrlError: The driver has no equivalent.
        """
        kind = self.parameters.get(name, str)
        translation = self.translations.get(name)
        if not isinstance(value, str) and not issubclass(kind, Hosts):
            raise UrlError(f"{self.title} takes {quote(name)} only once")
        if translation and isinstance(value, str):
            translated = translation(value, url)
            if translated is None:
                raise UrlError(self.refuse_value(name))
            return translated
        if name not in self.parameters:
            raise UrlError(f"{self.title} does not take {quote(name)}{self.advise(name)}")
        return {name: value}

    def is_usable(self, name: str, value: str | tuple[str, ...], query: Query) -> bool:
        """Whether SQLAlchemy can make of a parameter what the driver takes."""
        kind = self.parameters.get(name, str)
        try:
            if issubclass(kind, Hosts):
                check_hosts(query, kind)
            elif kind in READERS:
                READERS[kind](str(value))
        except ValueError:
            return False
        return True

    def refuse_value(self, name: str) -> str:
        """Say that the value of a parameter cannot be used."""
        return f"{self.title} cannot use the value of {quote(name)}{self.advise(name)}"

    def advise(self, name: str) -> str:
        """Return the end of a refusal: how to ask for TLS, if the parameter `name` does."""
        if not is_about_tls(name):
            return ""
        rules = {**self.parameters, **self.translations}
        takes = [known for known in TLS if rules.get(known, WITHOUT_TLS) != WITHOUT_TLS]
        if name in takes:
            return ""
        return f"; for TLS, it takes '{takes[0]}'" if takes else "; for TLS, use another driver"

    def connect_args_for(self, url: "URL") -> dict[str, int]:
        """Return the `connect_args` that the parameters of a URL do not set."""
        return {name: value for name, value in self.connect_args.items() if name not in url.query}


# --- The URL of any driver ----------------------------------------------------------------------


def split_scheme(text: str, example: str) -> tuple[str, str]:
    """Return what stands before `://` in a URL, in lower case, and what stands behind it.

    Raises:
        UrlError: The text has no `://`. The message has an example of a URL.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        raise UrlError(f"Write a database URL, such as {example}")
    return scheme.lower(), rest


def read_url(text: str, is_file: bool) -> Address:
    """Read a URL that names a database server, or a file.

    Raises:
        UrlError: SQLAlchemy cannot read it, or no service can use it.
    """
    try:
        url = read_address(text)
    except ValueError:
        raise UrlError("Write the port as a number: it, or the host, cannot be read") from None
    if any(UNREADABLE.search(part) for part in (text, *decoded_parts(url))):
        raise UrlError("Remove the control character, or the percent escape that is not UTF-8")
    if is_file:
        check_file(url)
    else:
        check_server(url)
    return url


def decoded_parts(url: Address) -> Iterator[str]:
    """The texts of a URL, without their percent escapes."""
    parts = (url.username, str(url.password or ""), url.host, url.database)
    yield from (part for part in parts if part)
    for name, value in url.query.items():
        yield name
        yield from (value,) if isinstance(value, str) else value


def check_server(url: Address) -> None:
    """Check the URL of a database on a server.

    Raises:
        UrlError: It has no such address.
    """
    if url.host and not HOST.fullmatch(url.host):
        raise UrlError(
            "Write @ as %40, / as %2F, : as %3A in the password: the host has such characters"
        )
    if url.port is not None and not 0 < url.port < 65536:
        raise UrlError("Use a port between 1 and 65535")
    if not url.database:
        scheme = url.backend
        raise UrlError(f"Add the database's name at the end, as in {scheme}://localhost/mydb")


def check_file(url: Address) -> None:
    """Check the URL of a database in a file.

    Raises:
        UrlError: It does not name a file.
    """
    example = f"{url.backend}:///app.db"
    if url.host or url.username or url.port:
        raise UrlError(f"Put three slashes before the path of the file, as in {example}")
    if not url.database or url.database == ":memory:":
        raise UrlError(f"Name a file, as in {example}: a database in memory is lost")
    if re.split(r"[/\\]", url.database)[-1] in ("", ".", ".."):
        raise UrlError(f"Name a file, as in {example}: the URL ends in a folder")


def add_password(url: "URL", password: str | None) -> "URL":
    """Add a password that is kept apart from its URL; one in the URL wins."""
    return url if url.password or not password else url.set(password=password)
