"""The questionnaire as a person meets it, in a pseudo-terminal."""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from context import width_of
from dotenv import dotenv_values
from drivers import BACKENDS, ParsedUrl, UrlError
from matrix import QUESTIONS, SETTINGS
from rendering import compiled, complete
from terminal import Terminal
from test_names import BAD

NAMES = {name: reason for name, reason in BAD.items() if name.isprintable()}
ASKED = [name for name, details in QUESTIONS.items() if details.get("ask", True)]
ENTER = "\r"
CLEAR = "\x15"  # Ctrl-U: the default goes before something else is typed
INTERRUPT = "\x03"


class Dialogue(Terminal):
    """Copier in a terminal."""

    def __init__(self, template: Path, destination: Path, columns: int = 160) -> None:
        copier = (sys.executable, "-m", "copier", "copy", "--trust")
        super().__init__((*copier, str(template), str(destination)), (60, columns))

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
    dialogue.types(CLEAR + "postgresql://u:s3cr3t@localhost" + ENTER)
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
    assert env["DATABASE_URL"] == "postgresql+psycopg://u:s3cr3t@localhost/db"


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_existing_database_is_taken_over(dialogue: Dialogue, tmp_path: Path) -> None:
    for question in ASKED:
        dialogue.asks(question)
        dialogue.types("y" if question == "existing_database" else ENTER)
    code, last = dialogue.end()

    assert code == 0
    assert "uv run migrations adopt &&" in last
    assert not list((tmp_path / "to").rglob("0001*"))
    assert not list((tmp_path / "to").rglob("customer*"))


def test_a_message_wraps_at_words(template: Path, tmp_path: Path) -> None:
    dialogue = Dialogue(template, tmp_path / "to", 80)
    dialogue.asks("project_name")
    dialogue.types(CLEAR + "1abc" + ENTER)
    shown = dialogue.shows("Start with a letter", "and . - _")
    assert " Start with a letter, then use\nletters, digits, spaces and . - _" in shown
    dialogue.types(INTERRUPT)
    dialogue.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "platform"),
    [
        ("ep-a-1-pooler.eu-central-1.aws.neon.tech", "Neon"),
        ("aws-0-eu-west-1.pooler.supabase.com:6543", "Supabase"),
    ],
)
def test_a_pooler_is_named_at_once(
    template: Path, tmp_path: Path, host: str, platform: str
) -> None:
    dialogue = Dialogue(template, tmp_path / "to", 80)
    dialogue.asks("project_name")
    dialogue.types(ENTER)
    dialogue.asks("database_url")
    dialogue.types(CLEAR + f"postgresql://u:p@{host}/db" + ENTER)
    dialogue.shows(f"This is the address of {platform}'s pooler. Migrations need the direct one:")
    for question in ASKED[2:]:
        dialogue.asks(question)
        dialogue.types(ENTER)
    code, last = dialogue.end()

    assert code == 0
    assert f"{platform}'s pooler" in last
    assert "yet, start one:" not in last
    assert f"{platform}'s pooler" in (tmp_path / "to" / "README.md").read_text("utf-8")


START = "yet, start one:"
PASSWORD = "If the server asks for a password"
WITH = "Then, with the database"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "existing", "said", "unsaid"),
    [
        ("sqlite:///app.db", "false", ["migrations create"], [START, PASSWORD, WITH]),
        ("postgresql://u:p@localhost/db", "false", [START, f"{WITH} db on localhost:"], [PASSWORD]),
        ("mysql://u:p@db.internal/shop", "false", [f"{WITH} shop on db.internal"], [START]),
        ("postgresql://u@db.internal/db", "false", [PASSWORD], [START, "--dry-run"]),
        ("mysql://u:p@localhost/db", "true", ["migrations adopt", "--dry-run"], [START]),
    ],
)
def test_what_comes_next_fits_the_database(
    template: Path, tmp_path: Path, url: str, existing: str, said: list[str], unsaid: list[str]
) -> None:
    answers = (f"--data=database_url={url}", f"--data=existing_database={existing}")
    copier = (sys.executable, "-m", "copier", "copy", "--trust", "--defaults", *answers)
    code, last = Terminal((*copier, str(template), str(tmp_path / "to")), (60, 160)).end()

    assert code == 0
    last = last[last.index("Next:") :]
    assert [text for text in said if text not in last] == []
    assert [text for text in unsaid if text in last] == []


@pytest.mark.parametrize(
    "host", ["ep-a-1.eu-central-1.aws.neon.tech", "db-pooler.example.com", "neon.tech.example.com"]
)
def test_an_address_that_is_no_platforms_pooler(host: str) -> None:
    assert ParsedUrl.parse(f"postgresql://u@{host}/db").pooler == ""


def lines() -> Iterator[str]:
    """What the questionnaire and its end say, without the answers."""
    for details in QUESTIONS.values():
        yield from (line.partition("{{")[0] for line in details["help"].splitlines())
    for backend in BACKENDS:
        parsed = ParsedUrl.parse(backend.example)
        yield from (f"   - {label}" for label, _ in parsed.choices())
        for name in {name for driver in backend.drivers for name in driver.parameters}:
            with suppress(UrlError):
                url = parsed.url._replace(query={name: "1"})
                for label, choice in replace(parsed, url=url).choices():
                    if choice["validator"]:
                        yield f"   - {label} ({choice['validator']})"


@pytest.mark.parametrize("url", [backend.example for backend in BACKENDS])
def test_all_that_is_said_fits_80_columns(url: str) -> None:
    answers = {"_copier_conf": {"dst_path": "/to"}, **complete({"database_url": url})}
    database = ParsedUrl.parse(url).choose(answers["driver"])
    context = {**answers, "database": database, "_copier_phase": "render"}
    ends = [
        compiled(SETTINGS[name]).render(context)
        for name in ("_message_after_copy", "_message_after_update")
    ]

    said = [line for end in ends for line in end.splitlines()]
    assert len(said) > 15
    assert [line for line in (*lines(), *said) if width_of(line) > 79] == []


@pytest.mark.slow
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
