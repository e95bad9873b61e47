"""Read the settings of services: one line of JSON with a request in, one with an answer out."""

import importlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from alembic.config import Config
from pydantic import ValidationError
from sqlalchemy import URL


def parts(url: URL) -> list[Any]:
    """Return the parts of a URL as JSON can hold them."""
    return [*url[:6], dict(url.query)]


def forget(package: str) -> None:
    """Forget the modules of a package, so that the next import reads its files again."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    importlib.invalidate_caches()


def read_urls(package: str, variables: dict[str, str]) -> list[Any]:
    """Return the URLs of the service and of its migrations, with these variables set."""
    settings = importlib.import_module(f"{package}.settings")
    migrations = importlib.import_module("alembic_guardrails.settings")
    os.environ.update(variables)
    try:
        has_url = Path(".env").exists() or "DATABASE_URL" in variables
        service = settings.Settings().database_url if has_url else None
        alembic = migrations.read_settings(Config("alembic.ini", cmd_opts=Namespace(x=None)))
    finally:
        for name in variables:
            del os.environ[name]
    return [service and parts(service), parts(alembic.database_url)]


def outcome(read: Callable[[], URL]) -> list[Any]:
    """The URL that comes out, or no URL and the kind of error."""
    try:
        return [parts(read()), ""]
    except ValidationError as error:
        return [None, error.errors()[0]["type"]]
    except Exception as error:
        return [None, type(error).__name__]


def compare(package: str, variables: dict[str, str]) -> list[Any]:
    """What the service and its migrations read, each by itself, with these variables set."""
    migrations = importlib.import_module("alembic_guardrails.settings")
    config = Config("alembic.ini", cmd_opts=Namespace(x=None))

    def read_as_service() -> URL:
        url = importlib.import_module(f"{package}.settings").Settings().database_url
        assert isinstance(url, URL)
        return url

    os.environ.update(variables)
    try:
        return [
            outcome(read_as_service),
            outcome(lambda: migrations.read_settings(config).database_url),
        ]
    finally:
        for name in variables:
            del os.environ[name]


def import_all(package: str) -> list[str]:
    """Import each module of a package; return their names."""
    parent = importlib.import_module(package)
    modules = [module.name for module in walk_packages(parent.__path__, f"{package}.")]
    for name in modules:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    return modules


for line in sys.stdin:
    asked = json.loads(line)
    os.chdir(asked["folder"])
    sys.path.append("src")
    sys.dont_write_bytecode = True
    try:
        if "compare" in asked:
            answer: Any = compare(asked["package"], asked["compare"])
        elif "variables" in asked:
            answer = read_urls(asked["package"], asked["variables"])
        else:
            answer = import_all(asked["package"])
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    finally:
        sys.path.remove("src")
        forget(asked["package"])
    print(json.dumps(answer), flush=True)
