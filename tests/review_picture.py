"""The picture of what a reviewer sees on a pull request: annotations, SQL and plan.

It is drawn as GitHub shows it, from what the steps of the service's CI print.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from urllib.parse import unquote

WIDTH, MARGIN, LINE = 900, 16, 20
CHARACTER = 7.3  # the width of one in a monospaced font of 12 pixels
COLUMNS = int((WIDTH - 4 * MARGIN) / CHARACTER)
AROUND = 2  # lines of the revision before and after those that an annotation marks

# https://primer.style/product/primitives/color: the reader's theme chooses.
STYLE = """
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  white-space: pre; fill: #1f2328 }
.prose { font: 14px -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif }
.strong { font-weight: 600 } .quiet { fill: #59636e } .red { fill: #d1242f }
.page { fill: #fff; stroke: #d1d9e0 } .bar, .code { fill: #f6f8fa; stroke: #d1d9e0 }
.added { fill: #dafbe1 } .box { fill: #fff; stroke: #d1242f } .rule { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .red { fill: #f85149 }
  .page { fill: #0d1117; stroke: #3d444d } .bar, .code { fill: #151b23; stroke: #3d444d }
  .added { fill: #12261e } .box { fill: #0d1117; stroke: #f85149 } .rule { stroke: #3d444d }
}
"""


class Page:
    """An SVG that grows downwards."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = MARGIN

    def write(self, text: str, x: float = MARGIN, style: str = "") -> None:
        """Write one line where the page ends, without moving the end."""
        name = f' class="{style}"' if style else ""
        shown = escape(text, quote=False)
        self.parts.append(f'<text x="{x:.0f}" y="{self.y + 14}"{name}>{shown}</text>')

    def lines(self, texts: Iterable[str], x: float = MARGIN, style: str = "") -> None:
        """Write lines, one below the other."""
        for text in texts:
            self.write(text, x, style)
            self.y += LINE

    def box(self, style: str, top: int, x: int = MARGIN) -> None:
        """Draw a box behind what was written since `top`."""
        size = f'width="{WIDTH - 2 * x}" height="{self.y - top}"'
        corners = "" if style == "added" else ' rx="6"'
        self.parts.insert(0, f'<rect x="{x}" y="{top}" {size}{corners} class="{style}"/>')

    def svg(self, title: str) -> str:
        """Return the picture."""
        self.y += MARGIN
        self.box("page", 0, 0)
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y}"'
                f' width="{WIDTH}" height="{self.y}" role="img" xml:space="preserve">',
                f"<title>{escape(title)}</title>",
                f"<style>{STYLE}</style>",
                *self.parts,
                "</svg>\n",
            )
        )


def review(folder: Path, annotations: str, sql: str, plan: str) -> str:
    """Return the picture of a revision in a folder, as lint, `sql` and `plan` describe it."""
    page = Page()
    for annotation in re.findall(r"(?m)^::error (.+?)::(.+)$", annotations):
        draw_annotation(page, folder, *annotation)
    page.lines(["Check summary"], style="prose strong")
    top = page.y = page.y + 8
    page.y += 8
    page.lines(sql.strip().splitlines(), 2 * MARGIN)
    page.y += 8
    page.box("code", top)
    page.y += LINE
    page.lines(["Test summary"], style="prose strong")
    page.y += 8
    for part in plan.strip().split("\n\n"):
        draw_markdown(page, part.splitlines())
        page.y += 8
    return page.svg("A pull request: an annotation at the line, the SQL, and the plan")


def draw_annotation(page: Page, folder: Path, properties: str, message: str) -> None:
    """Draw the marked lines of a revision, and what GitHub shows below them."""
    named = dict(part.split("=", 1) for part in properties.split(","))
    first, last = int(named["line"]), int(named["endLine"])
    lines = (folder / named["file"]).read_text("utf-8").splitlines()
    top = page.y
    page.y += 8
    page.lines([named["file"]], 2 * MARGIN)
    page.y += 8
    page.box("bar", top)
    for number in range(first - AROUND, min(last + AROUND, len(lines)) + 1):
        start = page.y
        page.write(f"{number:4}", 2 * MARGIN, "quiet")
        page.lines([f"+ {lines[number - 1]}"], 2 * MARGIN + 6 * CHARACTER)
        page.box("added", start)
        if number == last:
            draw_message(page, named, unquote(message))
    page.y += LINE


def draw_message(page: Page, named: dict[str, str], message: str) -> None:
    """Draw the box of an annotation."""
    top = page.y = page.y + 8
    page.y += 8
    place = f"Check failure on line {named['line']} in {named['file']}"
    page.lines([place], 3 * MARGIN, "red")
    page.lines(["GitHub Actions / Check"], 3 * MARGIN, "quiet")
    page.lines([named["title"]], 3 * MARGIN, "strong")
    for text in message.splitlines():
        page.lines(wrap(text, COLUMNS - 6) or [""], 3 * MARGIN)
    page.y += 8
    page.box("box", top, 2 * MARGIN)
    page.y += 8


def draw_markdown(page: Page, lines: Sequence[str]) -> None:
    """Draw a table, a list or a paragraph of Markdown."""
    if lines[0].startswith("| "):
        draw_table(page, [line.strip("| ").split(" | ") for line in lines if "| ---" not in line])
        return
    for line in lines:
        text = re.sub("[`*]", "", re.sub("^- ", "\N{BULLET} ", line))
        style = "prose strong" if line.startswith("**") else "prose"
        page.lines(wrap(text, 118, subsequent_indent="   "), style=style)


def draw_table(page: Page, rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; texts that are too long for their column are wrapped."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[0] = COLUMNS - sum(widths[1:]) - 2 * len(widths) + 4
    for row in rows:
        x, top, end = 1.5 * MARGIN, page.y, page.y
        for text, width in zip(row, widths, strict=True):
            page.y = top + 4
            style = "strong" if row is rows[0] else ""
            page.lines(wrap(text.strip("`"), width), x, style)
            x, end = x + (width + 2) * CHARACTER, max(end, page.y + 4)
        page.y = end
        page.parts.append(f'<path d="M{MARGIN} {end}H{WIDTH - MARGIN}" class="rule"/>')
