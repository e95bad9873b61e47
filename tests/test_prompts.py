"""The questionnaire as a person meets it, in a pseudo-terminal."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from matrix import QUESTIONS
from terminal import Terminal
from test_names import BAD

NAMES = {name: reason for name, reason in BAD.items() if name.isprintable()}
ASKED = [name for name, details in QUESTIONS.items() if details.get("ask", True)]
ENTER = "\r"
CLEAR = "\x15"  # Ctrl-U: the default goes before something else is typed
INTERRUPT = "\x03"


class Dialogue(Terminal):
    """Copier in a terminal."""

    def __init__(self, template: Path, destination: Path) -> None:
        copier = (sys.executable, "-m", "copier", "copy", "--trust")
        super().__init__((*copier, str(template), str(destination)), (60, 160))

    def asks(self, question: str) -> str:
        """Wait for a question."""
        return self.shows(QUESTIONS[question]["help"].strip()[:40])


@pytest.fixture
def dialogue(template: Path, tmp_path: Path) -> Iterator[Dialogue]:
    """A questionnaire whose project goes to ``tmp_path / "to"``."""
    dialogue = Dialogue(template, tmp_path / "to")
    yield dialogue
    dialogue.terminal.close(force=True)


def test_enter_enter_enter_enter(dialogue: Dialogue, tmp_path: Path) -> None:
    for question in ASKED:
        dialogue.asks(question)
        dialogue.types(ENTER)
    code, last = dialogue.end()

    assert code == 0
    answers = yaml.safe_load((tmp_path / "to" / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers.items() >= {"package_name": "my_service", "driver": "pysqlite"}.items()
    assert f"cd {tmp_path / 'to'}" in last
    readme = (tmp_path / "to" / "README.md").read_text(encoding="utf-8")
    for commands in re.findall(r"```sh\n(.*?)\n```", readme, re.DOTALL)[:2]:
        assert all(command in last for command in commands.splitlines())
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
    for question in ASKED[2:]:
        dialogue.asks(question)
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
        (
            "postgresql://h/db?connect_timeout=3",
            ["psycopg (sync)", "(does not take 'connect_timeout')"],
            "mysql",
        ),
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


def test_an_existing_database_is_taken_over(dialogue: Dialogue, tmp_path: Path) -> None:
    for question in ASKED:
        dialogue.asks(question)
        dialogue.types("y" if question == "existing_database" else ENTER)
    code, last = dialogue.end()

    assert code == 0
    assert "uv run migrations adopt &&" in last
    assert not list((tmp_path / "to").rglob("0001*"))
    assert not list((tmp_path / "to").rglob("customer*"))


@pytest.mark.parametrize("answered", range(4))
def test_ctrl_c_leaves_nothing_behind(dialogue: Dialogue, tmp_path: Path, answered: int) -> None:
    for question in ASKED[:answered]:
        dialogue.asks(question)
        dialogue.types(ENTER)
    dialogue.asks(ASKED[answered])
    dialogue.types(INTERRUPT)
    code, last = dialogue.end()

    assert code == 1
    assert "Traceback" not in last
    assert list(tmp_path.iterdir()) == []
