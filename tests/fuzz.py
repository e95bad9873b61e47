"""Answers that nobody would type, and how Docker Compose reads what becomes of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import yaml
from context import LONGEST
from drivers import BACKENDS, Address, Backend, Driver
from hypothesis import strategies as st
from matrix import options
from sqlalchemy import URL

# --- What is typed ------------------------------------------------------------------------------

# What means something to a URL, a shell, Jinja, Mako, YAML, TOML, dotenv, Compose or an INI file.
TOKENS = [
    *"@:/#?%&=+$ '\"\\`!{}[]<>|;,.*~^()_-\t",
    *("%40", "%2F", "%25", "%2540", "%zz", "%%", "%ff", "%c3%a9", "%00", "%0a", "%(here)s"),
    *("$HOME", "${HOME}", "${HOME:-x}", "${:-$}", "$$", "{{ 7 * 7 }}", "{% if x %}", "{#", "<%"),
    *("'''", '"""', "\\n", "\\'", '\\"', "\\$", " #", "- ", "---", "!!", "&a", "*a", "null", "://"),
    *("e\u0301", "é", "ß", "İ", "ﬁ", "\uff21", "Ω", "注", "\u202eש", "م", "\u200b", "😀", "𐀀"),
]
UNREADABLE = ["\x00", "\n", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800"]


def texts(*strategies: st.SearchStrategy[str], max_size: int = 12) -> st.SearchStrategy[str]:
    """Texts put together from what these strategies make."""
    return st.lists(st.one_of(*strategies), max_size=max_size).map("".join)


ANY_TEXT = texts(
    st.sampled_from(TOKENS),
    st.sampled_from(UNREADABLE),
    st.text(st.characters(exclude_categories=()), max_size=4),
    st.text("abc\u0301XYZ019 ._-", max_size=50),
)
READABLE = texts(
    st.sampled_from(TOKENS).filter(lambda token: token != "\t"),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd")),
    st.sampled_from(["long" * 300, "\\$$HOME${HOME}'\"\\\\%40 #", "'$a\\'", '\\"${b}\\n']),
    max_size=6,
).filter(bool)


@st.composite
def mutated(draw: st.DrawFn, originals: st.SearchStrategy[str]) -> str:
    """Texts with a piece cut out and something else put in, anywhere."""
    text = draw(originals)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(start + 3, len(text))))
    return text[:start] + draw(ANY_TEXT) + text[end:]


LATIN = st.characters(categories=["L"], max_codepoint=0x24F)
IN_NAMES = st.characters(categories=["L", "Nd"]) | st.sampled_from(" .-_")
PROJECT_NAMES = st.builds(
    lambda first, rest: (first + rest)[:LONGEST].rstrip(" .-_"),
    LATIN,
    st.text(IN_NAMES | LATIN | st.sampled_from("abcxyz019"), max_size=LONGEST),
)
PACKAGE_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(_[a-z0-9]{1,9}){0,4}", fullmatch=True)


@dataclass(frozen=True)
class Typed:
    """A URL as somebody spells it, the driver that is chosen, and what both together mean."""

    text: str
    driver: str
    meant: URL


HOSTS = st.sampled_from(
    ["localhost", "db", "db-1.example.com", "LOCALHOST", "127.0.0.1", "my_host", "x" * 63]
) | st.ip_addresses().map(str)
PORTS = st.sampled_from([1, 80, 5432, 3306, 65534, 65535]) | st.integers(1, 65535)
DATABASES = st.text(
    st.characters(categories=("L", "N"), max_codepoint=0x2FFFF) | st.sampled_from(" .@#+-_"),
    min_size=1,
    max_size=63,
)
FILES = st.sampled_from(
    [
        "app.db",
        "/srv/my data/app.db",
        "../app.db",
        "./a/b.db",
        r"C:\Users\Me\my app.db",
        "C:/app.db",
        "a.db?b",
        "file.db#1",
    ]
) | READABLE.filter(lambda name: not re.search(r"(^:memory:|[/\\]|(^|[/\\])\.\.?)$", name))


@st.composite
def queries(draw: st.DrawFn, backend: Backend, drivers: list[Driver]) -> dict[str, str]:
    """Parameters that all these drivers take as they are."""
    common = frozenset.intersection(
        *(frozenset(driver.parameters.keys() - driver.translations.keys()) for driver in drivers)
    )
    some = st.lists(st.sampled_from(sorted(common)), unique=True, max_size=3)
    names = draw(some) if common else []
    return {
        name: draw(
            READABLE if all(driver.parameters[name] is str for driver in drivers) else st.just("1")
        )
        for name in names
        if name not in ("host", "port")  # they go with each other
    }


@st.composite
def urls(draw: st.DrawFn) -> Typed:
    """URLs that can be used, in every spelling; nearly all of them have to be accepted."""
    backend: Backend = draw(st.sampled_from(BACKENDS))
    chosen: Driver = draw(st.sampled_from(backend.drivers))
    named: Driver | None = draw(st.none() | st.just(chosen) | st.sampled_from(backend.drivers))
    query = draw(queries(backend, [driver for driver in (chosen, named) if driver]))
    username = password = host = port = None
    if backend.is_file:
        database = draw(FILES)
    else:
        username = draw(st.none() | READABLE)
        password = draw(READABLE) if username and draw(st.booleans()) else None
        host, port = draw(HOSTS), draw(st.none() | PORTS)
        database = draw(DATABASES)
    scheme = draw(st.sampled_from([backend.name, *backend.aliases]))
    scheme += f"+{named.name}" if named else ""
    meant = URL.create(
        f"{backend.name}+{chosen.name}", username, password, host, port, database, query
    )
    return Typed(draw(spelled(scheme, meant)), chosen.name, meant)


@st.composite
def spelled(draw: st.DrawFn, scheme: str, url: URL) -> str:
    """Ways to write a URL: what has to be is percent-encoded, the rest may be or not."""

    def written(text: str, *, safe: str) -> str:
        return quote(text, safe=draw(st.sampled_from(["", safe])))

    rest = "://"
    if url.username is not None:
        rest += written(url.username, safe="!$&'()*,;=~")
        if url.password is not None:
            rest += ":" + written(str(url.password), safe="!$&'()*,;=~:?#")
        rest += "@"
    if url.host:
        rest += f"[{url.host}]" if ":" in url.host else url.host
        rest += f":{url.port}" if url.port else ""
    rest += "/" + written(str(url.database), safe=" /+-#\\:")
    if url.query:
        pairs = [f"{name}={quote(str(value), safe='')}" for name, value in url.query.items()]
        rest += "?" + "&".join(pairs)
    blank = draw(st.sampled_from(["", "", " ", "\t", "\n"]))
    return blank + draw(st.sampled_from([scheme, scheme.upper(), scheme.title()])) + rest + blank


def url_of(address: Address) -> URL:
    """The URL that SQLAlchemy has for these parts."""
    return URL.create(**address._asdict())


URL_TEXTS = urls().map(lambda typed: typed.text)
CHOSEN = st.sampled_from([*options()])


# --- How Docker Compose reads it ----------------------------------------------------------------

# https://github.com/compose-spec/compose-go: dotenv/parser.go and template/template.go.
VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::\?[^}]*)?\})?", re.ASCII)
ESCAPE = re.compile(r'\\([abfnrtv$"\\])')
ESCAPED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)) | {"$": "$$", '"': '"', "\\": "\\"}
STATEMENT = re.compile(
    r"""(?:\s|\#[^\n]*)*(\w+)=(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|([^'"\n][^\n]*)?)""",
    re.ASCII | re.DOTALL,
)


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Fill in variables; a `$` that is neither doubled nor a variable's is an error."""

    def value(match: re.Match[str]) -> str:
        assert match[0] != "$", "Compose refuses a single $"
        return "$" if match[1] else variables.get(match[2] or match[3], "")

    return VARIABLE.sub(value, text)


def compose_env(text: str) -> dict[str, str]:
    """The variables of an `.env` file, as Compose reads it."""
    variables: dict[str, str] = {}
    end = 0
    while match := STATEMENT.match(text, end):
        name, single, double, bare = match.groups()
        if single is not None:
            variables[name] = single.replace("\\'", "'")
        else:
            value = (bare or "").partition(" #")[0].rstrip()
            if double is not None:
                value = ESCAPE.sub(lambda escape: ESCAPED[escape[1]], double)
            variables[name] = interpolated(value, variables)
        end = match.end()
    assert not re.sub(r"#.*", "", text[end:]).strip(), "Compose cannot read the rest"
    return variables


def compose_services(files: Mapping[str, str]) -> dict[str, Any]:
    """The services of `compose.yaml` with the variables from `.env` filled in."""
    variables = compose_env(files[".env"])

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        return interpolated(value, variables) if isinstance(value, str) else value

    services: dict[str, Any] = filled(yaml.safe_load(files["compose.yaml"]))["services"]
    return services
