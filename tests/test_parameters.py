"""The registry's word about drivers, against the drivers: URL parameters and unix sockets."""

from collections.abc import Callable

import pytest
from conftest import Connect, Scratch
from drivers import BACKENDS, POSTGRESQL, ParsedUrl, text_of
from matrix import DRIVERS, Setup
from servers import Server

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
        *(f"{setup.backend.name}+{it}" for it in setup.backend.by_name),
    ]
    urls = {other: text_of(url.set(drivername=other)) for other in others}
    for name, translation in setup.driver.translations.items():
        ours = getattr(translation, "to", name)
        if not {name, ours} & UNTRIED:
            sample = sample_of(setup, ours)
            urls[name] = text_of(url.update_query_dict({name: sample}))
    foreign = next(it for it in BACKENDS if it.name not in setup.backend.schemes)

    results = connect(setup, urls | {"foreign": foreign.example})

    assert f"Start the URL with {setup.backend.name}://" in results.pop("foreign")
    assert results == dict.fromkeys(urls, "")


@pytest.mark.slow
@pytest.mark.parametrize("setup", [it for it in DRIVERS if not it.backend.is_file], ids=str)
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
