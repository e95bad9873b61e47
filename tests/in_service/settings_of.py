"""Read what a service gets from its files: a line of JSON in, a line of JSON out, for each."""

import importlib
import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from alembic.config import Config
from sqlalchemy import URL


def parts(url: URL) -> list[Any]:
    """What a URL says, as JSON can hold it."""
    return [*url[:6], dict(url.query)]


def forget(package: str) -> None:
    """Have the next import read the files again."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    importlib.invalidate_caches()


def read_urls(package: str, variables: dict[str, str]) -> list[Any]:
    """The URLs that the service and its migrations connect with, with these variables set."""
    settings = importlib.import_module(f"{package}.settings")
    migrations = importlib.import_module("alembic_guardrails.settings")
    os.environ.update(variables)
    try:
        told = Path(".env").exists() or "DATABASE_URL" in variables
        service = settings.Settings().database_url if told else None
        alembic = migrations.read_settings(Config("alembic.ini", cmd_opts=Namespace(x=None)))
    finally:
        for name in variables:
            del os.environ[name]
    return [service and parts(service), parts(alembic.database_url)]


def import_all(package: str) -> list[str]:
    """Import each module of a package; return their names."""
    parent = importlib.import_module(package)
    modules = [it.name for it in walk_packages(parent.__path__, f"{package}.")]
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
        if "variables" in asked:
            answer: Any = read_urls(asked["package"], asked["variables"])
        else:
            answer = import_all(asked["package"])
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    finally:
        sys.path.remove("src")
        forget(asked["package"])
    print(json.dumps(answer), flush=True)
