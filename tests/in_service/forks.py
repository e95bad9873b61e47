"""Commands of services, each in a fork of a process that has imported what takes long.

Each line of the input is a request, as JSON. A request to run a command is answered with the
process id of its fork, a request to wait for a fork with its exit code, or null while it runs. This
process imports what the environments of all services have in common. Each fork imports the rest,
such as drivers, from the environment of its service.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import alembic.autogenerate
import alembic.command
import alembic.config
import anyio._backends._asyncio  # noqa: F401
import asgi_correlation_id  # noqa: F401
import execnet  # noqa: F401
import fastapi.testclient  # noqa: F401
import mako.template  # noqa: F401
import pydantic.v1  # noqa: F401
import pydantic_settings  # noqa: F401
import pytest
import pythonjsonlogger.json  # noqa: F401
import sqlalchemy.dialects.mysql
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite
import sqlalchemy.orm  # noqa: F401
import uvicorn.main
from alembic.script import write_hooks

PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))
SCRIPTS: dict[str, Callable[[], Any]] = {
    "alembic": alembic.config.main,
    "migrations": lambda: importlib.import_module("alembic_guardrails.__main__").main(),
    "pytest": pytest.console_main,
    "uvicorn": uvicorn.main.main,
}
STANDARD = [path for path in sys.path[1:] if path != PACKAGES]
BELOW = Path(PACKAGES).relative_to(sys.prefix)
FILES = (Path(getattr(module, "__file__", None) or "") for module in sys.modules.values())
COMMON = {path.relative_to(PACKAGES).parts[0] for path in FILES if path.is_relative_to(PACKAGES)}
assert "greenlet" not in sys.modules, "only async drivers install it"
# The drivers that are imported, and what came with them.
DRIVERS: dict[str, set[str]] = {}


def import_driver(commands: Path, name: str) -> None:
    """Import a driver of an environment, for this fork and all that come; a file needs none."""
    packages = commands.parent / BELOW
    if name in DRIVERS or not (packages / name).exists():
        return
    before = {*sys.modules}
    sys.path.append(str(packages))
    importlib.import_module(name)
    sys.path.pop()
    DRIVERS[name] = {*sys.modules} - before
    gc.freeze()


def become(commands: Path) -> None:
    """Import from another environment from now on.

    Raises:
        ModuleNotFoundError: The environment lacks a package that is imported already.
    """
    home = commands.parent
    if missing := [name for name in COMMON if not (home / BELOW / name).exists()]:
        raise ModuleNotFoundError(f"{home} lacks {', '.join(missing)}")
    for name in DRIVERS:
        if not (home / BELOW / name).exists():
            for module in DRIVERS[name]:
                sys.modules.pop(module, None)  # a hook of a command becomes it once more
    sys.path[:] = [*STANDARD, str(home / BELOW)]
    sys.executable = str(commands / "python")
    sys.prefix = sys.exec_prefix = str(home)
    importlib.reload(sysconfig)
    importlib.invalidate_caches()


def run(commands: Path, program: str, *arguments: str) -> Any:
    """Run a program in this process as a new process would run it."""
    become(commands)
    sys.modules["__main__"] = ModuleType("__main__")
    sys.path[:0] = map(os.path.abspath, os.environ.get("PYTHONPATH", ".").split(os.pathsep))
    match program, *arguments:
        case (("alembic" | "migrations" | "pytest" | "uvicorn"), *_):
            sys.path.insert(0, str(commands))
            sys.argv = [str(commands / program), *arguments]
            return SCRIPTS[program]()
        case "python", "-c", code, *options:
            sys.path.insert(0, "")
            sys.argv = ["-c", *options]
            return exec(code, vars(sys.modules["__main__"]))
        case "python", "-m", module, *_:
            sys.path.insert(0, os.getcwd())
            sys.argv = [*arguments[1:]]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return 0
    raise ValueError(f"{program} is no program of the service")


def end(code: int) -> None:
    """End the process as the interpreter does, without destroying its modules."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def fork(commands: Path, *command: str) -> int:
    """Run a command in a fork; return the fork's process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = int(run(commands, *command) or 0)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        end(code)
    return code


def wait(child: int, options: int = 0) -> int | None:
    """Wait for a fork; return its exit code, or None if it still runs."""
    ended, status = os.waitpid(child, options)
    return os.waitstatus_to_exitcode(status) if ended else None


def start(
    folder: str,
    variables: dict[str, str],
    commands: str,
    command: list[str],
    output: str,
    driver: str,
) -> int:
    """Start a command in a folder, with these variables, and with its output in a file.

    `driver` is one that many commands import, or empty. Return the process id.
    """
    if driver:
        import_driver(Path(commands), driver)
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    # Line by line, so that both streams are in order.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    return fork(Path(commands), *command)


def run_hook(command: Sequence[str], cwd: str | None = None) -> None:
    """Run a hook of Alembic, which runs after a new revision is written."""
    python, *arguments = command
    if arguments[0] != "-m" or arguments[1] == "ruff":
        subprocess.run(command, check=False, cwd=cwd)
        return
    here = os.getcwd()
    os.chdir(cwd or here)
    wait(fork(Path(python).parent, "python", *arguments))
    os.chdir(here)


if __name__ == "__main__":
    write_hooks.subprocess = SimpleNamespace(run=run_hook)  # type: ignore[attr-defined]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    requests = os.fdopen(os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    gc.freeze()  # forks share memory that is never collected
    gc.get_freeze_count = lambda: 1  # it goes through all of it
    for line in requests:
        request = json.loads(line)
        answer = wait(**request) if "child" in request else start(**request)
        print(json.dumps(answer), file=answers)
