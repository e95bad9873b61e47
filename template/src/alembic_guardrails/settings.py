"""The settings of migrations: from the environment, else from `.env`, else from `alembic.ini`."""

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.urls import Driver, add_password
from sqlalchemy import URL, make_url

T = TypeVar("T")

# The settings that `-x url=...` replaces.
ADDRESSES = (
    "database_url",
    "database_password",
    "migration_database_url",
    "migration_database_password",
)

# What people write who mean `-x url=...`. Any other key is the owner's own.
LIKE_URL = ("url", "uri", "database_url", "db_url", "migration_database_url", "sqlalchemy.url")


@dataclass(frozen=True)
class MigrationSettings:
    """Which database migrations run on, and how long they wait, in seconds.

    `migration_wait` limits the wait for another migration, and then for all the locks that one
    revision needs. `migration_lock_timeout` limits the wait for a single lock: while a change of a
    table waits for its lock, every other session waits behind it. `migration_statement_timeout`
    limits a single statement; 0 means no limit. `scratch_database_url` names an empty database for
    comparisons, for a user who may not create one.
    """

    database_url: URL
    migration_wait: float = 120
    migration_lock_timeout: float = 0.3
    migration_statement_timeout: float = 0
    scratch_database_url: URL | None = None


def read_settings(config: Config) -> MigrationSettings:
    """Read the settings of migrations.

    The database is that of `alembic -x url=...`, else MIGRATION_DATABASE_URL, else DATABASE_URL,
    else `sqlalchemy.url` in alembic.ini. DATABASE_URL in the environment may name another database
    than `.env` does, so it wins over MIGRATION_DATABASE_URL in `.env`.

    Raises:
        CommandError: A value cannot be used. The message names every such setting.
    """
    given = read_values(config)
    errors: list[str] = []

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        try:
            return parse(given[name]) if name in given else default
        except ValueError as error:
            errors.append(f"{name.upper()}: {error}")
            return default

    parse_url = service_driver(config).parse_url
    service_url = read("database_url", parse_url, make_url("invalid://"))
    own_url = read("migration_database_url", parse_url, None)
    # The other password is another user's.
    password = given.get("migration_database_password" if own_url else "database_password")
    default = MigrationSettings
    settings = MigrationSettings(
        add_password(own_url or service_url, password),
        read("migration_wait", seconds, default.migration_wait),
        read("migration_lock_timeout", positive_seconds, default.migration_lock_timeout),
        read("migration_statement_timeout", seconds, default.migration_statement_timeout),
        read("scratch_database_url", parse_url, None),
    )
    if errors:
        raise CommandError("; ".join(errors))
    return settings


def find_encoding(file: str) -> str:
    """Return the encoding of a text file: UTF-16 if it begins with its mark, else UTF-8.

    Windows PowerShell writes UTF-16. UTF-8 may begin with a mark, too.
    """
    path = Path(file)
    start = path.read_bytes()[:2] if path.is_file() else b""
    return "utf-16" if start in (BOM_UTF16_BE, BOM_UTF16_LE) else "utf-8-sig"


def read_env_file() -> dict[str, str]:
    """Return the variables in `.env`, by name in lower case, as pydantic-settings reads them.

    Raises:
        CommandError: The file is in another encoding than UTF-8 and UTF-16.
    """
    if not Path(".env").exists():
        return {}
    # Containers have no such file, and need no time for the module.
    from dotenv import dotenv_values

    try:
        given = dotenv_values(".env", encoding=find_encoding(".env"))
    except UnicodeError:
        raise CommandError("Save .env in UTF-8: its encoding is not known") from None
    lower = {name.lower(): value for name, value in given.items()}
    return {name: value for name, value in lower.items() if value is not None}


def read_values(config: Config) -> dict[str, str]:
    """Return the settings as text, by name in lower case; `database_url` is always among them.

    Raises:
        CommandError: `.env` cannot be read, or an option `-x` is unknown.
    """
    environment = {name.lower(): value for name, value in os.environ.items()}
    values = read_env_file() | environment
    options = x_options(config)
    if "url" in options:
        others = {name: value for name, value in values.items() if name not in ADDRESSES}
        return others | {"database_url": options["url"]}
    if "database_url" in environment and "migration_database_url" not in environment:
        values.pop("migration_database_url", None)
    return {"database_url": config.get_main_option("sqlalchemy.url", "")} | values


def x_options(config: Config) -> dict[str, str]:
    """Return the options `-x`: `url=...`, and the keys that the owner's env.py reads.

    Raises:
        CommandError: A key looks like a mistyped `url`, so that Alembic would migrate another
            database.
    """
    # A program that calls Alembic has no options.
    given = getattr(config.cmd_opts, "x", None) or ()
    options = dict(option.partition("=")[::2] for option in given)
    if options.keys() <= {"url"}:
        return options
    from difflib import get_close_matches  # an import that few commands need

    for key in options.keys() - {"url"}:
        if get_close_matches(key.lower(), LIKE_URL, n=1, cutoff=0.75):
            raise CommandError(
                f'Unknown option "-x {key}=...": write "-x url=..." to name another database'
            )
    return options


def service_driver(config: Config) -> Driver:
    """Return the driver that the service is written for.

    Raises:
        CommandError: alembic.ini does not name one, or Python cannot import it.
    """
    driver = resolve(config, "driver")
    if not isinstance(driver, Driver):
        raise CommandError("`driver` in the section [guardrails] of alembic.ini names no Driver")
    return driver


def resolve(config: Config, option: str) -> Any:
    """Return the object that an option in the section [guardrails] of alembic.ini names.

    Raises:
        CommandError: The option is missing, or nothing has the name that it gives.
    """
    named = config.get_section("guardrails", {}).get(option)
    if not named:
        raise CommandError(
            f"Add `{option} = <module>:<name>` to the section [guardrails] of alembic.ini"
        )
    try:
        return resolve_name(named)
    except (ImportError, AttributeError, ValueError) as error:
        raise CommandError(
            f"`{option}` in the section [guardrails] of alembic.ini: {error}"
        ) from error


def seconds(value: str) -> float:
    """Read a number of seconds, 0 or more.

    Raises:
        ValueError: The text is not such a number.
    """
    try:
        number = float(value)
    except ValueError:
        raise ValueError("Input should be a valid number, of seconds") from None
    if not (isfinite(number) and number >= 0):
        raise ValueError("Input should be greater than or equal to 0")
    return number


def positive_seconds(value: str) -> float:
    """Read a number of seconds, more than 0.

    Raises:
        ValueError: The text is not such a number.
    """
    if (number := seconds(value)) == 0:
        raise ValueError("Input should be greater than 0")
    return number
