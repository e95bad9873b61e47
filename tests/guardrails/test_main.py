"""The command line."""

import logging
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from unittest.mock import Mock

import pytest
from alembic.util import CommandError
from alembic_guardrails import __main__ as command_line
from alembic_guardrails import commands

from .conftest import Project

COMMANDS = [module.name for module in iter_modules(commands.__path__)]

# Prints the modules that a command has imported.
IMPORTED = """
import sys
from alembic_guardrails.__main__ import main
try:
    main()
finally:
    print(*sys.modules)
"""

# Prints how many objects the last collection of garbage leaves out.
AT_EXIT = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count()))
from alembic_guardrails.__main__ import main
main()
"""


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    """Put back what a command changes in its process."""
    handler = signal.getsignal(signal.SIGTERM)
    progress = logging.getLogger("alembic.progress")
    level = progress.level
    yield
    signal.signal(signal.SIGTERM, handler)
    progress.setLevel(level)


def run(*arguments: str) -> object:
    """Run the command line; return the exit code."""
    with pytest.raises(SystemExit) as end:
        command_line.main(arguments)
    return end.value.code


def test_a_history_that_alembic_cannot_read(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.revision("a", "pass", down="a")

    assert run("sql") == 2

    assert capsys.readouterr().err == "FAILED: Self-loop is detected in revisions (a)\n"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*filter(None, [command]), "--help") == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= (24 if command not in ("", "adopt", "plan") else 28)
    assert max(map(len, lines)) < 80
    assert "Raises" not in "".join(lines)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")

    listed = capsys.readouterr().out.split("\n\n")[-1]
    for command in COMMANDS:
        assert f"\n{command:8}" in f"\n{listed}"


def test_each_command_has_an_example() -> None:
    assert [*commands.EXAMPLES] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_run(
    project: Project, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line takes their arguments."""
    program, name, *arguments = shlex.split(commands.EXAMPLES[command].partition(" > ")[0])
    called = []
    module = command_line.import_command(command)
    monkeypatch.setattr(module, command, lambda config, **options: called.append(options))

    assert (program, name) == ("migrations", command)
    assert run(name, *arguments) == 0
    assert len(called) == 1


@pytest.mark.parametrize("arguments", [(), ("unknown",), ("verify", "--unknown")])
def test_arguments_that_cannot_be_understood(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert "migrations" in capsys.readouterr().err


def test_create(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{project.path}/data/other.db"

    assert run("-x", f"url={url}", "create") == run("create", "-x", f"url={url}") == 0
    assert (project.path / "data").is_dir()
    assert not capsys.readouterr().err


def test_an_error_is_a_sentence(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-x", "URL=sqlite:///other.db", "create") == 2

    assert capsys.readouterr().err.startswith("FAILED: ")


def test_another_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run("verify") == 2
    assert capsys.readouterr().err.startswith("FAILED: There is no alembic.ini: run the command in")


@pytest.mark.parametrize(("command", "code"), [("lint", "def"), ("plan", "import nothing_here")])
def test_an_error_in_a_revision_is_a_report(
    project: Project, command: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.versions / "bad.py").write_text(f"{code}\n", encoding="utf-8")

    assert run(command) == 2
    report = capsys.readouterr().err
    assert "Traceback" not in report
    assert "at:         migrations/versions/bad.py:1" in report
    assert report.endswith("`migrations --verbose ...` shows the whole traceback.\n")


def test_a_file_that_cannot_be_written_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(30, "Read-only file system", "history.txt")
    monkeypatch.setattr(command_line.import_command("repair"), "repair", Mock(side_effect=error))

    assert run("repair") == 2
    assert capsys.readouterr().err == "FAILED: history.txt: Read-only file system\n"


def test_other_errors_have_a_traceback(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    error = KeyError("a")
    monkeypatch.setattr(command_line.import_command("repair"), "repair", Mock(side_effect=error))

    with pytest.raises(KeyError):
        command_line.main(["repair"])


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (CommandError("No."), 2)])
def test_exit_codes(
    project: Project, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    def fail(config: object) -> None:
        raise raised

    monkeypatch.setattr(command_line.import_command("create"), "create", fail)

    assert run("create") == code


def test_sigterm_ends_a_command_as_ctrl_c_does(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(config: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(command_line.import_command("create"), "create", end)

    assert run("create") == 130


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'inflect'", name="inflect")

    monkeypatch.setattr(command_line, "import_module", fail)

    assert run("adopt") == 2
    assert "`migrations adopt` needs inflect, a development dep" in capsys.readouterr().err


def test_a_command_imports_what_it_needs(project: Project) -> None:
    project.revision("a", "pass")
    command = (sys.executable, "-c", IMPORTED, "verify")

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    modules = result.stdout.splitlines()[-1].split()
    assert "alembic_guardrails.commands.verify" in modules
    parts = {".".join(module.split(".")[:2]) for module in modules}
    assert not {f"alembic_guardrails.{part}" for part in ("adopt", "dump", "lint")} & parts
    assert not {"fastapi", "pydantic", "pydantic_settings"} & {*modules}
    assert [module for module in modules if module.startswith("alembic_guardrails.commands.")] == [
        "alembic_guardrails.commands.verify"
    ]


def test_the_last_collection_of_garbage_leaves_modules_out(project: Project) -> None:
    command = sys.executable, "-c", AT_EXIT, "verify"
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert int(result.stdout.splitlines()[-1]) > 1000
