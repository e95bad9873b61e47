"""The parts of the documentation that come from the questions, the registry and other pages.

``uv run python tests/docs.py`` writes them into ``docs/``; a test insists that they are there.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "extensions"))

from drivers import BACKENDS  # noqa: E402
from matrix import QUESTIONS, Setup, values  # noqa: E402

START, END = "<!-- {} from the code: uv run python tests/docs.py -->\n", "<!-- end -->"


def drivers() -> Iterator[str]:
    """A table of all drivers."""
    yield "| database | driver | | installs | URL parameters |"
    yield "|---|---|---|---|---|"
    for backend in BACKENDS:
        for driver in backend.drivers:
            kind = "async" if Setup(backend, driver).is_async else "sync"
            installs = code(driver.sqlalchemy, *driver.requirements)
            if driver.build:
                installs += f"; no wheel, needs {code(*driver.build)}"
            parameters = code(*sorted(driver.parameters.keys() | driver.translations.keys()))
            yield f"| {backend.title} | `{driver.name}` | {kind} | {installs} | {parameters} |"


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


def code(*names: str) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


TABLES = {"decisions/README": decisions, "drivers": drivers, "questions": questions}


def updated(name: str) -> str:
    """The page of this name, with its table as it has to be."""
    before, start, rest = page(name).read_text(encoding="utf-8").partition(START.format("Made"))
    _, end, after = rest.partition(END)
    return f"{before}{start}\n" + "\n".join(TABLES[name]()) + f"\n\n{end}{after}"


def page(name: str) -> Path:
    """Where a page is."""
    return ROOT / "docs" / f"{name}.md"


if __name__ == "__main__":
    for name in TABLES:
        page(name).write_text(updated(name), encoding="utf-8")
