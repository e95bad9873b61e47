"""The pictures in the documentation, from what programs show in a real terminal.

``uv run python tests/pictures.py`` makes them: it answers the questionnaire and works with the
service on a private PostgreSQL.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html import escape
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "extensions"))

import pyte  # noqa: E402
from drivers import text_of  # noqa: E402
from matrix import QUESTIONS  # noqa: E402
from project import PRIVATE, Project, copy_template  # noqa: E402
from review_picture import review  # noqa: E402
from servers import SERVERS  # noqa: E402
from terminal import Terminal  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
ADDRESS, SERVICE = "https://github.com/OWNER/fastapi-alembic-template", "orders"
COPIER = ("uvx", "--with", "copier-template-extensions", "copier")
ROWS, COLUMNS = 60, 114
URL = "postgresql://orders:p%40ssw0rd@db.internal/orders"
PROMPT = "\033[32m$\033[39;1m "  # what is typed is bold

# Dark on every page: a terminal is.
COLORS = {
    "default": "#e6edf3",
    "black": "#484f58",
    "red": "#ff7b72",
    "green": "#56d364",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#b1bac4",
    "brightblack": "#8b949e",
}
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
WIDTH, HEIGHT, MARGIN, BAR = 8.4, 20, 18, 36


class Shell(Terminal):
    """Bash, without what is its user's own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        own = {
            "PS1": r"\[\033[32m\]$\[\033[39;1m\] ",
            "PS2": "    ",
            "PS0": r"\033[0m",
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        bash = ("bash", "--norc", "--noprofile")
        super().__init__(bash, (ROWS, COLUMNS), folder, {**inherited, **own, **environment})
        self.folder = folder
        self.shows("$")

    def runs(self, command: str) -> None:
        """Type a command, wait for its end, and show its output.

        The home's folder is shown as `~`, and the test's database is called as the service.
        """
        self.types(f"{command}\r")
        output = ""
        while not output.endswith(PROMPT):
            output += self.terminal.read_nonblocking(4096, timeout=120)
        output = re.sub(r"\btest_[0-9a-f]{16}\b", SERVICE, output)
        self.feed(output.replace(str(self.folder.parent), "~"))


Line = dict[int, pyte.screens.Char]


def lines_of(screen: pyte.Screen) -> list[Line]:
    """What is on a screen, without the empty lines at its end."""
    lines = [dict(screen.buffer[row]) for row in range(screen.lines)]
    while not end(lines[-1]):
        lines.pop()
    return lines


def svg(lines: list[Line], title: str) -> str:
    """Lines of a screen as a picture, with text that can be selected in any monospaced font."""
    columns = max(map(end, lines))
    width = round(columns * WIDTH) + 2 * MARGIN
    height = BAR + len(lines) * HEIGHT + MARGIN
    buttons = "".join(
        f'<circle cx="{MARGIN + 4 + 20 * place}" cy="{BAR // 2}" r="6" fill="{color}"/>'
        for place, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" role="img" xml:space="preserve">',
            f"<title>{escape(title)}</title>",
            f"<style>text {{ font-family: {FONT}; font-size: 14px; white-space: pre }}</style>",
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"'
            ' fill="#0d1117" stroke="#30363d"/>',
            buttons,
            f'<g transform="translate({MARGIN} {BAR + 14})">',
            *(run for row, line in enumerate(lines) for run in text(line, HEIGHT * row)),
            "</g>",
            "</svg>\n",
        )
    )


def end(line: Line) -> int:
    """The column after the last character of a line."""
    return max((place for place, char in line.items() if char.data.strip()), default=-1) + 1


def string(line: Line) -> str:
    """The characters of a line."""
    return "".join(line[place].data if place in line else " " for place in range(end(line)))


def text(line: Line, y: int) -> Iterator[str]:
    """A line of the screen, as one element for each stretch in one style."""
    styles = groupby(range(end(line)), lambda place: (line[place].fg, line[place].bold))
    for (color, bold), places in styles:
        seen = [place for place in places if line[place].data != " "]
        if seen:
            first, length = seen[0], seen[-1] - seen[0] + 1
            characters = "".join(line[first + place].data for place in range(length))
            fill = COLORS.get(color, f"#{color}")
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{first * WIDTH:.1f}" y="{y}" fill="{fill}"{weight}'
                f' textLength="{length * WIDTH:.1f}">{escape(characters, quote=False)}</text>'
            )


def questions(home: Path, template: Path) -> str:
    """Answer the questionnaire; return the picture of it, and of what comes after the files."""
    # Git takes the folder for the address, at whose end Copier puts .git.
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{template.with_suffix('')}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    subprocess.run((*COPIER, "--version"), check=True, capture_output=True)  # uvx installs it
    shell = Shell(home, settings)
    shell.types(f"{' '.join(COPIER)} copy --trust \\\r")
    shell.types(f"{ADDRESS} {SERVICE}\r")
    for name, answer in (
        ("project_name", "\x15Orders"),
        ("database_url", f"\x15{URL}"),
        ("driver", ""),
    ):
        shell.shows(QUESTIONS[name]["help"].strip()[:40])
        shell.types(f"{answer}\r")
    shell.shows(QUESTIONS["existing_database"]["help"].strip()[:40])
    asked = lines_of(shell.screen)
    shell.types("n")
    shell.shows("has the rest.\n\n\n$")
    shown = lines_of(shell.screen)[:-3]  # without the prompt
    begin = next(row for row, line in enumerate(shown) if "Next:" in string(line))
    shell.terminal.close(force=True)
    return svg([*asked, {}, *shown[begin:]], "Copier asks four questions, and says what is next")


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database on a private PostgreSQL."""
    with SERVERS["postgresql"]() as server, server.scratch_database() as url:
        yield text_of(url)


def run(service: Project) -> str:
    """Migrate the service, change a model, and have the revision looked at."""
    service.run("uv", "sync", "--quiet")
    service.use(service.path / ".venv" / "bin")
    service.git("init", "--quiet")
    service.commit()
    shell = Shell(service.path, service.environment)
    shell.runs("uv run alembic upgrade head")
    model = service.path / f"src/{SERVICE}/models/customer.py"
    name = "    name: Mapped[str] = mapped_column(String(200))\n"
    phone = "    phone: Mapped[str] = mapped_column(String(40))\n"
    model.write_text(model.read_text("utf-8").replace(name, name + phone), encoding="utf-8")
    shell.runs("git diff --unified=0 src | tail -1")
    shell.runs('uv run alembic revision --autogenerate -m "add a phone number"')
    shell.runs("uv run migrations lint")
    shell.terminal.close(force=True)
    return svg(lines_of(shell.screen)[:-1], "Migrating, making a revision, checking it")


def main(folder: Path = PICTURES) -> None:
    """Write the pictures into a folder."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="")))
        template = Project(home / "template.git", {})
        template.path.mkdir()
        copy_template(template.path)
        template.git("init", "--quiet")
        template.commit()
        template.git("tag", "v1.0.0")
        (folder / "questions.svg").write_text(questions(home, template.path), encoding="utf-8")
        settings = {"DATABASE_URL": stack.enter_context(database())}
        service = Project(home / SERVICE, {"package_name": SERVICE}, settings)
        (folder / "run.svg").write_text(run(service), encoding="utf-8")
        steps = ("lint --format github", "sql", "plan --new --format markdown")
        printed = [service.run("migrations", *step.split(), check=False) for step in steps]
        (folder / "review.svg").write_text(review(service.path, *printed), encoding="utf-8")


if __name__ == "__main__":
    main()
