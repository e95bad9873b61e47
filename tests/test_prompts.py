"""The questionnaire as a person meets it, in a pseudo-terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pyte
import pytest
import yaml
from dotenv import dotenv_values
from matrix import QUESTIONS
from test_names import BAD

NAMES = {name: reason for name, reason in BAD.items() if name.isprintable()}
ENTER = "\r"
CLEAR = "\x15"  # Ctrl-U: the default goes before something else is typed
INTERRUPT = "\x03"


class Dialogue:
    """Copier in a terminal: what its screen shows, and what is typed."""

    def __init__(self, template: Path, destination: Path) -> None:
        rows, columns = 60, 160
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.terminal = pexpect.spawn(
            sys.executable,
            ["-m", "copier", "copy", "--trust", str(template), str(destination)],
            dimensions=(rows, columns),
            encoding="utf-8",
        )

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def shows(self, *texts: str) -> str:
        """Wait until all these texts are on the screen; return what else is there."""
        deadline = time.monotonic() + 30
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in\n{self.text}"
            with suppress(pexpect.TIMEOUT):
                self.stream.feed(self.terminal.read_nonblocking(4096, timeout=1))
        return self.text

    def asks(self, question: str) -> str:
        """Wait for a question."""
        return self.shows(QUESTIONS[question]["help"].strip()[:40])

    def types(self, text: str) -> None:
        """Type."""
        self.terminal.send(text)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what is on the screen."""
        with suppress(pexpect.EOF):
            while True:
                self.stream.feed(self.terminal.read_nonblocking(4096, timeout=30))
        self.terminal.close()
        assert self.terminal.exitstatus is not None
        return self.terminal.exitstatus, self.text


@pytest.fixture
def dialogue(template: Path, tmp_path: Path) -> Iterator[Dialogue]:
    """A questionnaire whose project goes to ``tmp_path / "to"``."""
    dialogue = Dialogue(template, tmp_path / "to")
    yield dialogue
    dialogue.terminal.close(force=True)


def test_enter_enter_enter(dialogue: Dialogue, tmp_path: Path) -> None:
    for question in ("project_name", "database_url", "driver"):
        dialogue.asks(question)
        dialogue.types(ENTER)
    code, last = dialogue.end()

    assert code == 0
    answers = yaml.safe_load((tmp_path / "to" / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers.items() >= {"package_name": "my_service", "driver": "pysqlite"}.items()
    assert f"cd {tmp_path / 'to'}" in last
    assert "uv run alembic upgrade head" in last
    assert "docker compose" not in last


def test_a_bad_answer_is_asked_again_with_the_reason(dialogue: Dialogue, tmp_path: Path) -> None:
    dialogue.asks("project_name")
    for name, reason in NAMES.items():
        dialogue.types(CLEAR + name + ENTER)
        dialogue.shows(name.strip(), reason)
    dialogue.types(CLEAR + "Good Name" + ENTER)
    dialogue.asks("database_url")
    dialogue.types(CLEAR + "postgresql://u:s3cr3t@h" + ENTER)
    dialogue.shows("Add the database's name at the end")
    dialogue.types("/db" + ENTER)
    dialogue.asks("driver")
    dialogue.types(ENTER)
    code, last = dialogue.end()

    assert code == 0
    assert "s3cr3t" not in last
    assert "docker compose up --detach --wait db" in last
    env = dotenv_values(tmp_path / "to" / ".env")
    assert env["DATABASE_URL"] == "postgresql+psycopg://u:s3cr3t@h/db"


@pytest.mark.parametrize(
    ("url", "shown", "hidden"),
    [
        ("mysql://h/db", ["pymysql (sync)", "no wheel: needs gcc", "asyncmy (async)"], "psycopg"),
        ("postgresql://h/db?connect_timeout=3", ["psycopg (sync)", "(asyncpg does not"], "mysql"),
    ],
)
def test_the_url_narrows_the_drivers(
    dialogue: Dialogue, url: str, shown: list[str], hidden: str
) -> None:
    dialogue.asks("project_name")
    dialogue.types(ENTER)
    dialogue.asks("database_url")
    dialogue.types(CLEAR + url + ENTER)
    dialogue.asks("driver")

    assert hidden not in dialogue.shows("arrow keys", *shown).partition("arrow keys")[2]


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_ctrl_c_leaves_nothing_behind(dialogue: Dialogue, tmp_path: Path, answered: int) -> None:
    questions = list(QUESTIONS)[: answered + 1]
    for question in questions[:-1]:
        dialogue.asks(question)
        dialogue.types(ENTER)
    dialogue.asks(questions[-1])
    dialogue.types(INTERRUPT)
    code, last = dialogue.end()

    assert code == 1
    assert "Traceback" not in last
    assert list(tmp_path.iterdir()) == []
