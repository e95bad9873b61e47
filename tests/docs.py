"""The parts of the documentation that come from the questions, the registry and other pages.

``uv run python tests/docs.py`` writes them into ``docs/``; a test insists that they are there.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT / "extensions"), str(ROOT / "template" / "src")]

from alembic_guardrails.commands.explain import TITLES, database_of, example  # noqa: E402
from alembic_guardrails.lint.rules import RULES  # noqa: E402
from drivers import BACKENDS  # noqa: E402
from matrix import FIRST, QUESTIONS, Setup, values  # noqa: E402
from rendering import rendered  # noqa: E402

START, END = "<!-- {} from the code: uv run python tests/docs.py -->\n", "<!-- end -->"


def drivers() -> Iterator[str]:
    """A table of all drivers, and a list of the parameters that they take."""
    databases: dict[str, list[str]] = {}
    parameters: dict[str, list[str]] = {}
    for backend in BACKENDS:
        for driver in backend.drivers:
            kind = "async" if Setup(backend, driver).is_async else "sync"
            installs = code(driver.sqlalchemy, *driver.requirements)
            if driver.build:
                installs += f"; no wheel, needs {code(*driver.build)}"
            row = f"| `{driver.name}` | {kind} | {installs} |"
            databases.setdefault(row, []).append(backend.title)
            taken = code(*sorted(driver.parameters.keys() | driver.translations.keys()))
            names = parameters.setdefault(taken, [])
            names += [driver.name] * (driver.name not in names)
    yield "| database | driver | | installs |"
    yield "|---|---|---|---|"
    yield from (f"| {', '.join(titles)} {row}" for row, titles in databases.items())
    yield "\n## Parameters of URLs\n"
    yield from (f"- {code(*names)}: {taken}" for taken, names in parameters.items())


def questions() -> Iterator[str]:
    """A table of all questions."""
    yield "| name | asks | default | allowed |"
    yield "|---|---|---|---|"
    for name, details in QUESTIONS.items():
        text = " ".join(re.sub("{{.*}}", "", details["help"]).split())
        default = yaml.safe_dump(details["default"]).splitlines()[0]
        default = "computed" if "{{" in default else code(default)
        allowed = code(*map(str, values(details))) if details["type"] != "bool" else ""
        yield f"| `{name}` | {text} | {default} | {allowed} |"


def decisions() -> Iterator[str]:
    """A list of all decisions."""
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- {path.name[:4]}: [{title}]({path.name})"


def rules() -> Iterator[str]:
    """A section for each rule of lint."""
    for rule in sorted(RULES, key=lambda rule: rule.name):
        message, advice = example(rule, database_of(rule, "postgresql"))
        databases = ", ".join(TITLES[name] for name in rule.databases)
        yield f"## {rule.name}\n"
        yield f"{rule.severity.capitalize()} · {databases}\n"
        yield f"**Why.** {message}\n"
        yield f"**Instead.** {advice.advice}\n"
        yield f"```python\n# before\n{rule.example}\n```\n"
        for piece in advice.code:
            yield f"```python\n# after: {piece.where}\n{piece.text}\n```\n"


def recipes() -> Iterator[str]:
    """The recipes of a service on PostgreSQL, without their introduction."""
    [setup] = (setup for setup in FIRST if setup.backend.name == "postgresql")
    # The site takes a language behind a fence, and nothing else.
    page = re.sub(r"(?m)^(```\w+) .+$", r"\1", rendered(**setup.answers())["docs/migrations.md"])
    yield page[page.index("\n## ") + 1 :].rstrip()


def code(*names: str) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


TABLES = {
    "decisions/README": decisions,
    "drivers": drivers,
    "questions": questions,
    "recipes": recipes,
    "rules": rules,
}


def updated(name: str) -> str:
    """The page of this name, with its table as it has to be."""
    before, start, rest = page(name).read_text(encoding="utf-8").partition(START.format("Made"))
    _, end, after = rest.partition(END)
    text = f"{before}{start}\n" + "\n".join(TABLES[name]()) + f"\n\n{end}{after}"
    # As `ruff format` has the code in it.
    command = ("ruff", "format", "--quiet", "--stdin-filename", str(page(name)), "-")
    formatted = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return formatted.stdout


def page(name: str) -> Path:
    """Where a page is."""
    return ROOT / "docs" / f"{name}.md"


if __name__ == "__main__":
    for name in TABLES:
        page(name).write_text(updated(name), encoding="utf-8")
