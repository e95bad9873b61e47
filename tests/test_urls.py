"""Database URLs: what people paste, and what the service gets."""

import configparser
import re
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from conftest import Render
from dotenv import dotenv_values
from drivers import BACKENDS, ParsedUrl, UrlError, text_of
from matrix import SETUPS, Setup, setups
from sqlalchemy import URL, make_url

SECRET = "s3cr3t"

# What is pasted, the driver that is the default then, and the URL that the service gets.
ACCEPTED = [
    (
        "postgresql+psycopg2://postgres:postgres@localhost:5432/kollect_db",
        "psycopg2",
        "postgresql+psycopg2://postgres:postgres@localhost:5432/kollect_db",
    ),
    ("postgres://u:p@h/db", "psycopg", "postgresql+psycopg://u:p@h/db"),
    ("postgresql://h/db", "psycopg", "postgresql+psycopg://h/db"),
    ("POSTGRESQL://h/db", "psycopg", "postgresql+psycopg://h/db"),
    (" postgresql://h/db\t", "psycopg", "postgresql+psycopg://h/db"),
    ("postgresql://u@[::1]:5432/db", "psycopg", "postgresql+psycopg://u@[::1]:5432/db"),
    ("postgresql://u@[fe80::1%25eth0]/db", "psycopg", "postgresql+psycopg://u@[fe80::1%25eth0]/db"),
    (
        "postgresql:///db?host=/run/postgresql",
        "psycopg",
        "postgresql+psycopg:///db?host=%2Frun%2Fpostgresql",
    ),
    (
        "postgresql+pg8000:///db?host=/run/postgresql",
        "pg8000",
        "postgresql+pg8000:///db?unix_sock=%2Frun%2Fpostgresql%2F.s.PGSQL.5432",
    ),
    (
        "postgresql+psycopg:///db?unix_sock=/run/postgresql/.s.PGSQL.5432",
        "psycopg",
        "postgresql+psycopg:///db?host=%2Frun%2Fpostgresql",
    ),
    (
        "postgresql+psycopg:///db?unix_sock=/run/postgresql/.s.PGSQL.5433",
        "psycopg",
        "postgresql+psycopg:///db?host=%2Frun%2Fpostgresql&port=5433",
    ),
    ("postgresql+pg8000:///db?host=h", "pg8000", "postgresql+pg8000:///db?host=h"),
    (
        "postgresql:///db?host=a:5432&host=b:5433",
        "psycopg",
        "postgresql+psycopg:///db?host=a%3A5432&host=b%3A5433",
    ),
    (
        "postgresql://h/db?sslmode=require&connect_timeout=5",
        "psycopg",
        "postgresql+psycopg://h/db?connect_timeout=5&sslmode=require",
    ),
    (
        "postgresql+asyncpg://h/db?sslmode=require",
        "asyncpg",
        "postgresql+asyncpg://h/db?ssl=require",
    ),
    (
        "postgresql+psycopg://h/db?ssl=require",
        "psycopg",
        "postgresql+psycopg://h/db?sslmode=require",
    ),
    ("postgresql+pg8000://h/db?sslmode=disable", "pg8000", "postgresql+pg8000://h/db"),
    (
        "postgresql://h/db?unix_sock=/s/.s.PGSQL.5432",
        "psycopg",
        "postgresql+psycopg://h/db?host=%2Fs",
    ),
    ("mysql://u:p@h/db?charset=utf8mb4", "pymysql", "mysql+pymysql://u:p@h/db?charset=utf8mb4"),
    ("mysql+mysqldb://h/db", "mysqldb", "mysql+mysqldb://h/db"),
    ("mariadb://u:p@h:3307/db", "pymysql", "mariadb+pymysql://u:p@h:3307/db"),
    ("mariadb+asyncmy://h/db", "asyncmy", "mariadb+asyncmy://h/db"),
    (
        "mariadb+mariadbconnector://h/db?charset=utf8mb4",
        "mariadbconnector",
        "mariadb+mariadbconnector://h/db",
    ),
    (
        "mysql:///db?unix_socket=/run/mysqld/mysqld.sock",
        "pymysql",
        "mysql+pymysql:///db?unix_socket=%2Frun%2Fmysqld%2Fmysqld.sock",
    ),
    ("sqlite:///app.db", "pysqlite", "sqlite+pysqlite:///app.db"),
    ("sqlite:////srv/data/app.db", "pysqlite", "sqlite+pysqlite:////srv/data/app.db"),
    ("sqlite+aiosqlite:///app.db", "aiosqlite", "sqlite+aiosqlite:///app.db"),
    (
        r"sqlite:///C:\Users\Me\my app.db",
        "pysqlite",
        "sqlite+pysqlite:///C%3A%5CUsers%5CMe%5Cmy%20app.db",
    ),
]
# What is pasted, and what the sentence says.
REFUSED = [
    ("", "Write a database URL, such as sqlite:///app.db"),
    ("nonsense", "Write a database URL, such as"),
    ("localhost:5432", "Write a database URL, such as"),
    (f"http://u:{SECRET}@h/db", "Start the URL with one of sqlite, postgresql, mysql, mariadb"),
    ("mssql+pyodbc://h/db", "Start the URL with one of"),
    (f"postgresql+pymysql://u:{SECRET}@h/db", "Choose one of the drivers psycopg, "),
    ("mysql+asyncpg://h/db", "Choose one of the drivers pymysql, "),
    ("sqlite+psycopg:///app.db", "Choose one of the drivers pysqlite, aiosqlite"),
    (
        f"postgresql://u:{SECRET}@h",
        "Add the database's name at the end, as in postgresql://localhost/mydb",
    ),
    (f"postgresql://u:{SECRET}@h/", "Add the database's name"),
    ("postgresql://", "Add the database's name"),
    ("mysql://h", "name at the end, as in mysql://"),
    (f"postgresql://u:{SECRET}@h:port/db", "Write the port as a number"),
    (f"postgresql://u:{SECRET}@h:/db", "Write the port as a number"),
    ("postgresql://h:0/db", "between 1 and 65535"),
    ("postgresql://h:65536/db", "between 1 and 65535"),
    (f"postgresql://u:{SECRET}@{SECRET}@h/db", "Write @ as %40"),
    ("postgresql://h h/db", "Write @ as %40"),
    (f"postgresql://u:{SECRET}%ff@h/db", "percent escape that is not UTF-8"),
    (f"postgresql://u:{SECRET}%0a@h/db", "control character"),
    ("postgresql://h/db\nx", "control character"),
    (f"postgresql://u:{SECRET}\x85@h/db", "control character"),
    (f"postgresql://u\u2028:{SECRET}@h/db", "control character"),
    ("postgresql://h/a/b", "in the database's name"),
    ("postgresql://h/" + "a" * 64, "it can have 63 characters"),
    ("postgresql://h/db?nonsense=1", "Remove 'nonsense' from the URL: no driver takes it"),
    (
        f"postgresql://h/db?user=u&password={SECRET}",
        "Remove 'user' from the URL: no driver takes it",
    ),
    ("postgresql://h/db?sslmode=perhaps", "'sslmode'"),
    ("postgresql+asyncpg://h/db?application_name=x", "asyncpg does not take 'application_name'"),
    (
        "postgresql+pg8000://h/db?sslmode=require",
        "pg8000 cannot use the value of 'sslmode'; for TLS",
    ),
    ("postgresql+psycopg:///db?unix_sock=1", "psycopg cannot use the value of 'unix_sock'"),
    ("mysql+aiomysql://h/db?ssl_ca=/ca.pem", "aiomysql does not take 'ssl_ca'"),
    ("mysql://h/db?useSSL=false", "'useSSL'"),
    ("mysql://h/db?{{7}}=1", "such a parameter"),
    ("mysql://h/db?connect_timeout=soon", "pymysql cannot use the value of 'connect_timeout'"),
    ("mysql+asyncmy://h/db?connect_timeout=soon", "asyncmy cannot use the value of"),
    ("mysql+mysqlconnector://h/db?use_pure=x&charset=utf8mb4", "the value of 'use_pure'"),
    ("postgresql+asyncpg://h/db?host=a&host=b&port=1", "asyncpg cannot use the value of 'host'"),
    ("postgresql://h/db?sslmode=require&sslmode=prefer", "takes 'sslmode' only once"),
    ("sqlite:///app.db?timeout=soon", "pysqlite cannot use the value of 'timeout'"),
    ("sqlite:///app.db?timeout=1&timeout=2", "pysqlite takes 'timeout' only once"),
    ("sqlite://", "in memory is lost"),
    ("sqlite:///:memory:", "in memory is lost"),
    ("sqlite://app.db", "three slashes"),
    ("sqlite:////tmp/", "the URL ends in a folder"),
    ("sqlite:///..", "the URL ends in a folder"),
    ("sqlite:///data/.", "the URL ends in a folder"),
    ("sqlite:///file:app.db?mode=memory&uri=true", "'mode'"),
]


@pytest.mark.parametrize(("pasted", "driver", "url"), ACCEPTED, ids=lambda text: text[:60])
def test_what_people_paste(pasted: str, driver: str, url: str) -> None:
    parsed = ParsedUrl.parse(pasted)

    assert parsed.default_driver() == driver
    assert text_of(parsed.choose(driver).complete) == url


@pytest.mark.parametrize(("pasted", "reason"), REFUSED, ids=lambda text: text[:60])
def test_what_is_refused_in_one_sentence(pasted: str, reason: str) -> None:
    with pytest.raises(UrlError) as caught:
        ParsedUrl.parse(pasted)

    assert reason in str(caught.value)
    assert re.fullmatch(r"[A-Za-z][^\n]{20,200}[^.\n]", str(caught.value))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_example_and_aliases(backend: Any) -> None:
    for scheme in (backend.name, *backend.aliases):
        pasted = re.sub(r"^\w+", scheme, backend.example)
        assert ParsedUrl.parse(pasted).backend is backend


def test_a_driver_that_cannot_take_the_url_is_shown_with_the_reason() -> None:
    parsed = ParsedUrl.parse("postgresql://h/db?connect_timeout=5")

    disabled = {choice["value"]: choice["validator"] for _, choice in parsed.choices()}

    assert disabled["psycopg"] == ""
    assert disabled["asyncpg"] == "does not take 'connect_timeout'"


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_switching_drivers_keeps_what_the_url_says(setup: Setup) -> None:
    """An answers file holds the URL as the last driver took it; the next one reads it."""
    once = ParsedUrl.parse(setup.backend.example).choose(setup.driver.name)

    for name in setup.backend.by_name:
        again = ParsedUrl.parse(once.secret_url).choose(name).complete
        assert again._replace(drivername="x") == once.complete._replace(drivername="x")


@pytest.mark.parametrize("setup", setups())
def test_every_file_has_the_same_url_and_one_has_the_password(render: Render, setup: Setup) -> None:
    password = "all@%40/#$HOME:? +'\"\\pässwörd"
    given = make_url(setup.backend.example)
    if not setup.backend.is_file:
        given = given.set(password=password)
    wanted = given.set(drivername=f"{setup.backend.name}+{setup.driver.name}")
    tracked = wanted._replace(password=None)

    project = render(**setup.answers(database_url=text_of(given)))

    assert make_url(str(dotenv_values(project.path / ".env")["DATABASE_URL"])) == wanted
    assert make_url(str(dotenv_values(project.path / ".env.example")["DATABASE_URL"])) == tracked
    ini = configparser.ConfigParser()
    ini.read_string(project.text("alembic.ini"))
    assert make_url(ini["alembic"]["sqlalchemy.url"]) == tracked
    answers = yaml.safe_load(project.text(".copier-answers.yml"))
    assert make_url(answers["database_url"]) == tracked
    for path in project.files:
        assert path.name == ".env" or "wörd" not in unquote(path.read_text(encoding="utf-8"))
    if not setup.backend.is_file:
        compose = yaml.safe_load(project.text("compose.yaml"))["services"]["api"]["environment"]
        port = setup.backend.server.port
        assert make_url(compose["DATABASE_URL"]) == tracked.set(host="db", port=port)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("postgresql://me@h/d?sslmode=require&client_encoding=utf8", {"client_encoding": "utf8"}),
        ("mysql://me@h/d?unix_socket=/s&sql_mode=ANSI", {"sql_mode": "ANSI"}),
    ],
)
def test_other_servers_get_what_is_not_about_the_way_to_this_one(
    typed: str, kept: dict[str, str]
) -> None:
    parsed = ParsedUrl.parse(typed)
    database = parsed.choose(parsed.default_driver())

    for url in (database.compose_url, database.ci_url("db")):
        assert make_url(url).query == kept
        assert make_url(url).host == "db"


def test_characters_beyond_the_first_plane_come_out_of_yaml_as_they_are(render: Render) -> None:
    url = "mysql://😀:p@h/𐀀"

    github = render(database_url=url, ci="github")
    gitlab = render(database_url=url, ci="gitlab")

    compose = yaml.safe_load(github.text("compose.yaml"))["services"]
    workflow = yaml.safe_load(github.text(".github/workflows/ci.yml"))["jobs"]["test"]
    pipeline = yaml.safe_load(gitlab.text(".gitlab-ci.yml"))["test"]
    assert compose["db"]["environment"]["MYSQL_USER"] == "😀"
    for variables in (
        compose["db"]["environment"],
        workflow["services"]["db"]["env"],
        pipeline["services"][0]["variables"],
    ):
        assert variables["MYSQL_DATABASE"] == "𐀀"


def test_text_of_means_nothing_to_shells_and_dotenv() -> None:
    url = URL.create("postgresql", "u v", "a b'c\"d\\e$f#g`h;i&j|k", "h", 1, "d", {"x": "y z&w"})

    assert make_url(text_of(url)) == url
    assert not re.search(r"[\s'\"\\$#`;|<>]", text_of(url))
