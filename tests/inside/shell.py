"""Commands of a service, each in a fork of a process that has imported what takes long.

Reads a folder and a command's arguments from each line, as JSON, and answers with its exit code;
what the command prints is appended to shell.log.
"""

import gc
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import alembic.command
import alembic.config
import fastapi.testclient  # noqa: F401
import mako.template  # noqa: F401
import pytest
import sqlalchemy.orm  # noqa: F401
from alembic.script import write_hooks
from my_service.migrations import __main__ as commands
from my_service.settings import DatabaseSettings

DatabaseSettings().database_url.get_dialect().import_dbapi()
HOME = Path.cwd()
LOG = HOME.parent / "shell.log"


def run(program: str, *arguments: str) -> Any:
    """Run a program of the service in this process."""
    match program, *arguments:
        case "alembic", *options:
            return alembic.config.main(options)
        case "pytest", *options:
            return pytest.main(options)
        case "python", "-c", code:
            return exec(code, {})
        case "python", "-m", "my_service.migrations", *options:
            sys.argv[1:] = options
            return commands.main()
    raise ValueError(f"no program of the service: {program}")


def fork(directory: str, *command: str) -> int:
    """Run it in a fork; return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.chdir(directory)
        if directory != str(HOME):  # a service of its own
            sys.path.insert(0, str(Path(directory, "src")))
            for name in [name for name in sys.modules if name.startswith("my_service")]:
                del sys.modules[name]
        output = LOG.open("a", buffering=1)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        code = int(run(*command) or 0)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_hook(command: Sequence[str], cwd: str | None = None) -> None:
    """Run what Alembic runs after it wrote a revision."""
    _, *arguments = command
    if arguments[:2] == ["-m", "my_service.migrations"]:
        fork(cwd or os.getcwd(), "python", *arguments)
    else:
        subprocess.run(command, check=False, cwd=cwd)


write_hooks.subprocess = SimpleNamespace(run=run_hook)  # type: ignore[attr-defined]
gc.freeze()  # forks share what is never collected
for line in sys.stdin:
    print(fork(*json.loads(line)), flush=True)
