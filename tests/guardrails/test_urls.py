"""Database URLs: what a driver takes, what it makes of it, and how it refuses the rest."""

import pytest
from alembic_guardrails import (
    Driver,
    Hosts,
    HostsWithPorts,
    Implied,
    Renamed,
    SocketFile,
    SocketFolder,
    SslMode,
    add_password,
)
from alembic_guardrails.urls import Address, UrlError, read_address, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SECRET = "s3cr3t"
SERVED = Driver(
    "postgresql+fast",
    ["postgresql", "postgres"],
    connect_args={"connect_timeout": 5},
    parameters={
        "connect_timeout": int,
        "host": Hosts,
        "port": Hosts,
        "ratio": float,
        "sslmode": str,
        "use_x": bool,
    },
    translations={
        "charset": Implied("utf8"),
        "ssl": SslMode("sslmode"),
        "sslmode": SslMode("sslmode"),
        "timeout": Renamed("connect_timeout"),
        "unix_sock": SocketFolder(),
    },
)
STRICT = Driver(
    "postgresql+strict",
    ["postgresql"],
    parameters={"host": HostsWithPorts, "port": HostsWithPorts},
    translations={"sslmode": Implied("disable")},
)
PLAIN = Driver(
    "postgresql+plain",
    ["postgresql"],
    parameters={"host": str, "unix_sock": str},
    translations={"host": SocketFile()},
)
FILE = Driver("sqlite+file", ["sqlite"], is_file=True, parameters={"timeout": float})

ACCEPTED = [
    (SERVED, " postgres://u:p@h/db\n", "postgresql+fast://u:p@h/db"),
    (SERVED, "POSTGRESQL+other://h:5432/db", "postgresql+fast://h:5432/db"),
    (SERVED, "postgresql://[::1]/db", "postgresql+fast://[::1]/db"),
    (SERVED, "postgresql://h/db?timeout=7", "postgresql+fast://h/db?connect_timeout=7"),
    (SERVED, "postgresql://h/db?ssl=require", "postgresql+fast://h/db?sslmode=require"),
    (SERVED, "postgresql://h/db?charset=utf8", "postgresql+fast://h/db"),
    (SERVED, "postgresql://h/db?use_x=Yes&ratio=.5", "postgresql+fast://h/db?ratio=.5&use_x=Yes"),
    (SERVED, "postgresql:///db?host=a:1&host=b", "postgresql+fast:///db?host=a:1&host=b"),
    (SERVED, "postgresql:///db?host=a:1", "postgresql+fast:///db?host=a:1"),
    (SERVED, "postgresql:///db?host=a,b&port=1,2", "postgresql+fast:///db?host=a,b&port=1,2"),
    (SERVED, "postgresql:///db?port=5433", "postgresql+fast:///db?port=5433"),
    (
        SERVED,
        "postgresql:///db?unix_sock=/run/.s.PGSQL.5433",
        "postgresql+fast:///db?host=/run&port=5433",
    ),
    (SERVED, "postgresql:///db?unix_sock=/run/.s.PGSQL.5432", "postgresql+fast:///db?host=/run"),
    (STRICT, "postgresql:///db?host=a:1&host=b:2", "postgresql+strict:///db?host=a:1&host=b:2"),
    (STRICT, "postgresql:///db?host=a", "postgresql+strict:///db?host=a"),
    (
        PLAIN,
        "postgresql://h:5433/db?host=/run/",
        "postgresql+plain://h:5433/db?unix_sock=/run/.s.PGSQL.5433",
    ),
    (PLAIN, "postgresql:///db?host=h", "postgresql+plain:///db?host=h"),
    (FILE, "sqlite:///app.db?timeout=2", "sqlite+file:///app.db?timeout=2"),
    (FILE, "sqlite:////srv/app.db", "sqlite+file:////srv/app.db"),
]
REFUSED = [
    (SERVED, "", "Write a database URL, such as postgresql://user:password@localhost/mydb"),
    (FILE, "app.db", "Write a database URL, such as sqlite:///app.db"),
    (SERVED, "mysql://h/db", "Start the URL with postgresql://, which the service is made for"),
    (SERVED, f"postgresql://u:{SECRET}@h:p/db", "Write the port as a number"),
    (SERVED, f"postgresql://u:{SECRET}@h:70000/db", "Use a port between 1 and 65535"),
    (SERVED, f"postgresql://u:{SECRET}@h", "Add the database's name at the end"),
    (SERVED, f"postgresql://u:{SECRET}@x@h/db", "Write @ as %40"),
    (SERVED, f"postgresql://u:{SECRET}%0a@h/db", "Remove the control character"),
    (SERVED, f"postgresql://u:{SECRET}@h/db?use_x=1\nb", "Remove the control character"),
    (SERVED, f"postgresql://u:{SECRET}%ff@h/db", "percent escape that is not UTF-8"),
    (SERVED, "postgresql://h/db?pgbouncer=true", "fast does not take 'pgbouncer'"),
    (SERVED, "postgresql://h/db?%7B%7B=1", "fast does not take such a parameter"),
    (SERVED, "postgresql://h/db?timeout=soon", "fast cannot use the value of 'connect_timeout'"),
    (SERVED, "postgresql://h/db?ratio=x", "fast cannot use the value of 'ratio'"),
    (SERVED, "postgresql://h/db?use_x=perhaps", "fast cannot use the value of 'use_x'"),
    (SERVED, "postgresql://h/db?use_x=1&use_x=0", "fast takes 'use_x' only once"),
    (SERVED, "postgresql://h/db?ssl=require&sslmode=disable", "fast takes 'sslmode' only once"),
    (SERVED, "postgresql://h/db?sslmode=perhaps", "fast cannot use the value of 'sslmode'"),
    (SERVED, "postgresql://h/db?charset=latin1", "fast cannot use the value of 'charset'"),
    (SERVED, "postgresql:///db?unix_sock=x", "fast cannot use the value of 'unix_sock'"),
    (SERVED, "postgresql:///db?host=a:1&host=b&port=1", "fast cannot use the value of 'host'"),
    (SERVED, "postgresql:///db?host=a:b:1&host=c", "fast cannot use the value of 'host'"),
    (SERVED, "postgresql:///db?host=a,b&port=1,2,3", "fast cannot use the value of 'host'"),
    (SERVED, "postgresql:///db?port=1,2", "fast cannot use the value of 'port'"),
    (SERVED, "postgresql:///db?port=x", "fast cannot use the value of 'port'"),
    (STRICT, "postgresql:///db?host=a,b", "strict cannot use the value of 'host'"),
    (STRICT, "postgresql:///db?host=a:1&host=b", "strict cannot use the value of 'host'"),
    (FILE, "sqlite://app.db", "Put three slashes before the path"),
    (FILE, "sqlite://", "a database in memory is lost"),
    (FILE, "sqlite:////srv/", "the URL ends in a folder"),
]


@pytest.mark.parametrize(("driver", "given", "wanted"), ACCEPTED)
def test_urls_that_a_driver_takes(driver: Driver, given: str, wanted: str) -> None:
    assert driver.parse_url(given) == make_url(wanted)
    assert driver.parse_url(make_url(wanted)) == make_url(wanted)


@pytest.mark.parametrize(("driver", "given", "reason"), REFUSED)
def test_urls_that_a_driver_refuses(driver: Driver, given: str, reason: str) -> None:
    with pytest.raises(UrlError) as caught:
        driver.parse_url(given)

    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("driver", "given", "advice"),
    [
        (SERVED, "ssl-mode=REQUIRED", "fast does not take 'ssl-mode'; for TLS, it takes 'sslmode'"),
        (SERVED, "sslmode=all", "fast cannot use the value of 'sslmode'"),
        (STRICT, "sslmode=require", "the value of 'sslmode'; for TLS, use another driver"),
        (PLAIN, "sslrootcert=a", "does not take 'sslrootcert'; for TLS, use another driver"),
    ],
)
def test_no_advice_takes_tls_away(driver: Driver, given: str, advice: str) -> None:
    with pytest.raises(UrlError, match=f"{advice}$"):
        driver.parse_url(f"postgresql://h/db?{given}")


PARAMETERS = st.dictionaries(
    st.sampled_from([*SERVED.parameters, *SERVED.translations, "other"]),
    st.one_of(
        st.sampled_from(["1", "x", "true", "require", "utf8", "/run", "/run/.s.PGSQL.5432", "a,b"]),
        st.lists(st.sampled_from(["a", "a:1", "b:2", "1"]), min_size=2, max_size=3).map(tuple),
        st.text(max_size=5),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([SERVED, STRICT, PLAIN]), PARAMETERS)
def test_a_translated_url_stays_as_it_is(
    driver: Driver, query: dict[str, str | tuple[str, ...]]
) -> None:
    """Settings read what an earlier translation wrote."""
    url = URL.create("postgresql", "u", SECRET, "h", None, "db", query)
    try:
        once = driver.parse_url(text_of(url))
    except UrlError:
        return
    assert driver.parse_url(text_of(once)) == once
    assert once.query.keys() <= driver.parameters.keys()
    assert once.set(drivername="x", query={}) == url.set(drivername="x", query={})


def test_the_url_wins_over_the_limit_for_connecting() -> None:
    assert SERVED.connect_args_for(make_url("postgresql://h/db")) == {"connect_timeout": 5}
    assert SERVED.connect_args_for(SERVED.parse_url("postgresql://h/db?timeout=9")) == {}


def test_a_password_in_the_url_wins() -> None:
    url = make_url("postgresql://u:first@h/db")

    assert add_password(url, "second") == url
    assert add_password(url._replace(password=None), "second").password == "second"
    assert add_password(url._replace(password=None), "").password is None


PIECES = st.sampled_from(
    [
        *("postgresql://", "mysql+x://", "a.b://", "://", "//", "/", ":", "@", "[", "]", "?", "&"),
        *("=", ";", "#", "%", "%40", "%zz", "%2F", "%00", "%ff", "+", " ", "\\", "\n", "\r", "\t"),
        *("u", "p", "h", "db", "::1", "5432", "x=1", "x=", "host=a&host=b"),
        *("\u00b2", "\u0661", "\ud800"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join)


@settings(deadline=None, max_examples=500)
@given(TEXTS | TEXTS.map("postgresql://".__add__))
def test_any_text_is_read_as_sqlalchemy_reads_it(text: str) -> None:
    try:
        wanted: URL | None = make_url(text)
    except (ArgumentError, ValueError):
        wanted = None
    try:
        read: URL | None = URL.create(**read_address(text)._asdict())
    except ValueError:
        read = None

    assert read == wanted


WORDS = st.none() | st.text(max_size=6)
VALUES = st.text(max_size=4) | st.lists(st.text(max_size=4), min_size=2, max_size=3).map(tuple)
QUERIES = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)
ADDRESSES = st.builds(
    Address, st.just("mysql+x"), WORDS, WORDS, WORDS, st.none() | st.integers(), WORDS, QUERIES
)


@settings(deadline=None, max_examples=200)
@given(ADDRESSES)
def test_any_url_is_written_as_sqlalchemy_writes_it(address: Address) -> None:
    url = URL.create(*address)

    assert text_of(address) == text_of(url)
    assert text_of(url) == url.render_as_string(hide_password=False).replace(" ", "%20")
