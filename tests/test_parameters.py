"""The registry's word about drivers, against the drivers: URL parameters and unix sockets."""

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import Connect, Scratch
from drivers import BACKENDS, POSTGRESQL, Address, ParsedUrl, UrlError, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import DRIVERS, ROOT, SETUPS, Setup
from servers import Server
from sqlalchemy import URL
from sqlalchemy.exc import ArgumentError

# A value for each parameter that a plain connection can be tried with.
SAMPLES = {
    "application_name": "test",
    "auth_plugin": "mysql_native_password",
    "bind_address": "127.0.0.1",
    "cached_statements": "50",
    "channel_binding": "disable",
    "charset": "utf8mb4",
    "client_encoding": "utf8",
    "collation": "utf8mb4_general_ci",
    "compress": "true",
    "connect_timeout": "5",
    "connection_timeout": "5",
    "default_file": "/dev/null",
    "default_group": "client",
    "fallback_application_name": "test",
    "gssencmode": "disable",
    "host": "127.0.0.1",
    "hostaddr": "127.0.0.1",
    "init_command": "SET @x = 1",
    "keepalives": "1",
    "keepalives_count": "3",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "krbsrvname": "postgres",
    "local_infile": "0",
    "options": "-cstatement_timeout=9s",
    "passfile": "/nonexistent",
    "prepared_statement_cache_size": "0",
    "program_name": "test",
    "read_default_file": "/dev/null",
    "read_default_group": "client",
    "read_timeout": "30",
    "sql_mode": "TRADITIONAL",
    "ssl": "false",
    "sslmode": "disable",
    "sslsni": "0",
    "ssl_max_protocol_version": "TLSv1.3",
    "ssl_min_protocol_version": "TLSv1.2",
    "target_session_attrs": "any",
    "tcp_user_timeout": "9000",
    "time_zone": "+00:00",
    "timeout": "30",
    "use_pure": "true",
    "use_unicode": "1",
    "write_timeout": "30",
}
# These need a certificate, Kerberos, a service file or a matching account on the server.
UNTRIED = set(
    """
    gsslib port requirepeer service ssl_ca ssl_capath ssl_cert ssl_cipher ssl_key ssl_mode
    ssl_verify_cert sslcert sslcrl sslcrldir sslkey sslrootcert tls_version unix_sock unix_socket
    """.split()
)


TEXTS = """
    1 0 +1 1_0 -1 1.5 .5 1e3 nan inf ٣ true No on OFF t y 2 soon a a:1 a:x a: :1 a,b 1,2 ::1 a, 5432
    5432, /run/x require
""".split()
VALUES = st.sampled_from([*TEXTS, " 7 ", "a b"]) | st.text(max_size=4).filter(bool)
# SQLAlchemy reads a list of one parameter only for hosts and ports.
SEVERAL = st.lists(VALUES, min_size=2, max_size=3).map(tuple)
# Hosts with several colons: SQLAlchemy cuts off what does not fit, and takes the rest.
CUT_OFF = re.compile(":.*:")


def is_taken_by_sqlalchemy(url: URL) -> bool:
    """Whether SQLAlchemy can make numbers, truth values and hosts of the parameters of a URL."""
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, TypeError, ValueError):
        return False
    except ImportError:  # of the driver, whose constants come after the values
        return True
    return True


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_sqlalchemy_knows_whether_a_driver_is_async(setup: Setup) -> None:
    url = setup.backend.rules(setup.driver).parse_url(setup.backend.example)

    assert url.get_dialect().is_async == setup.driver.is_async


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_sqlalchemy_takes_the_values_that_the_registry_takes(setup: Setup) -> None:
    """Of each parameter alone, and of those that go together."""
    rules = setup.backend.rules(setup.driver)
    bare = rules.parse_url(setup.backend.example)
    named = [name for name in setup.driver.parameters if name not in setup.driver.translations]

    @settings(database=None, deadline=None, derandomize=True, max_examples=150)
    @given(
        st.dictionaries(st.sampled_from(sorted(named)), VALUES, min_size=1, max_size=2),
        st.dictionaries(st.sampled_from(["host", "port"]), VALUES | SEVERAL, max_size=2),
    )
    def check(query: dict[str, str], servers: dict[str, str | tuple[str, ...]]) -> None:
        has_hosts = any(name.startswith("Hosts") for name in setup.driver.imports)
        url = bare.set(query={**query, **(servers if has_hosts else {})})
        if any(CUT_OFF.search(host) for host in url.normalized_query.get("host", ())):
            return
        address = Address(**url._asdict())
        if is_taken_by_sqlalchemy(url):
            assert rules.translate(address) == address
        else:
            with pytest.raises(UrlError, match="cannot use the value"):
                rules.translate(address)

    check()


AT_THE_PROMPT = """
import sys
from drivers import ParsedUrl
for url in sys.argv[1:]:
    parsed = ParsedUrl.parse(url)
    parsed.choices()
    parsed.choose(parsed.default_driver())
print(*(name for name in sys.modules if name.startswith("sqlalchemy.dialects.")))
print(*(name for name in sys.modules if "alembic" in name or name == "urls"))
"""


def test_no_dialect_is_imported_at_the_prompt() -> None:
    """That of PostgreSQL alone takes as long as the whole questionnaire."""
    examples = [backend.example for backend in BACKENDS]
    typed = [
        *examples,
        "postgresql://h/db?sslmode=require&connect_timeout=5&host=a:1&host=b:2",
        "mysql://h/db?connect_timeout=5&local_infile=1",
        "sqlite:///app.db?timeout=5",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "extensions")}
    command = (sys.executable, "-c", AT_THE_PROMPT, *typed)

    assert subprocess.check_output(command, env=environment, text=True).split() == []


def sample_of(setup: Setup, name: str) -> str:
    """A value for a parameter; what `ssl` is on MariaDB, other databases have modes for."""
    translated = {"ssl": "sslmode"} if setup.backend is POSTGRESQL else {}
    return SAMPLES[translated.get(name, name)]


@pytest.mark.slow
@pytest.mark.parametrize("setup", DRIVERS, ids=str)
def test_drivers_take_the_parameters_that_the_registry_says(
    setup: Setup, scratch: Scratch, connect: Connect
) -> None:
    assert setup.driver.parameters.keys() <= set(SAMPLES) | UNTRIED
    url = scratch(setup).set(drivername=f"{setup.backend.name}+{setup.driver.name}")
    tried = sorted(setup.driver.parameters.keys() - UNTRIED)

    urls = {name: text_of(url.update_query_dict({name: sample_of(setup, name)})) for name in tried}

    assert urls
    assert connect(setup, urls) == dict.fromkeys(urls, "")


@pytest.mark.slow
@pytest.mark.parametrize("setup", DRIVERS, ids=str)
def test_services_take_urls_that_name_another_driver(
    setup: Setup, scratch: Scratch, connect: Connect
) -> None:
    """After a switch of drivers, or as a hosting platform writes them."""
    url = scratch(setup)
    others = [
        *setup.backend.schemes,
        *(f"{setup.backend.name}+{driver}" for driver in setup.backend.by_name),
    ]
    urls = {other: text_of(url.set(drivername=other)) for other in others}
    for name, translation in setup.driver.translations.items():
        ours = getattr(translation, "to", name)
        if not {name, ours} & UNTRIED:
            sample = sample_of(setup, ours)
            urls[name] = text_of(url.update_query_dict({name: sample}))
    foreign = next(backend for backend in BACKENDS if backend.name not in setup.backend.schemes)

    results = connect(setup, urls | {"foreign": foreign.example})

    assert f"Start the URL with {setup.backend.name}://" in results.pop("foreign")
    assert results == dict.fromkeys(urls, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "setup", [setup for setup in DRIVERS if not setup.backend.is_file], ids=str
)
def test_drivers_connect_through_a_unix_socket(
    setup: Setup,
    scratch: Scratch,
    server: Callable[[str], Server],
    connect: Connect,
    unavailable: Callable[[str], None],
) -> None:
    socket = server(setup.backend.name).socket
    if socket is None:
        unavailable("a server named in the environment does not tell its unix socket")
    name = "host" if setup.backend.name == "postgresql" else "unix_socket"
    pasted = scratch(setup)._replace(host=None).update_query_dict({name: str(socket)})

    chosen = ParsedUrl.parse(text_of(pasted)).choose(setup.driver.name)

    assert connect(setup, {"socket": chosen.secret_url}) == {"socket": ""}
