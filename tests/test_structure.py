"""Rules for this repository's own files."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from alembic_guardrails.dialects import MODULES, module_for
from drivers import BACKENDS
from matrix import QUESTIONS, ROOT, SETUPS
from rendering import rendered

TEMPLATE = ROOT / "template"
# What owners may import.
PUBLIC = ("alembic_guardrails", "alembic_guardrails.op")
FILES = sorted(
    path for path in TEMPLATE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
)
# Files that say how the template is rendered and tested, without being about a driver.
NEUTRAL = [ROOT / "copier.yml", ROOT / "extensions/context.py", ROOT / ".ci/run"]
NEUTRAL += [ROOT / "tests/ci.py"]
NEUTRAL += sorted((ROOT / ".github").rglob("*.yml"))
DRIVERS = {driver.name for backend in BACKENDS for driver in backend.drivers}


def test_the_first_questions_are_the_contract() -> None:
    assert list(QUESTIONS)[:3] == ["project_name", "database_url", "driver"]


def test_only_the_first_questions_are_asked_unasked() -> None:
    assert [name for name, details in QUESTIONS.items() if details.get("ask", True)] == [
        "project_name",
        "database_url",
        "driver",
        "existing_database",
    ]


@pytest.mark.parametrize("path", [*NEUTRAL, *FILES], ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_registry_knows_drivers(path: Path) -> None:
    """Besides it, only modules that are named after a database may."""
    text = f"{path.relative_to(ROOT)}\n{path.read_text(encoding='utf-8')}"

    if path.stem not in MODULES.values():
        assert not DRIVERS & set(re.findall(r"\w+", text))


def test_the_machinery_knows_the_databases_of_the_registry() -> None:
    assert set(MODULES) == {backend.name for backend in BACKENDS}


@pytest.mark.parametrize("package", ["adopt", "autogenerate", "dump", "guard", "schema"])
@pytest.mark.parametrize("dialect", MODULES)
def test_each_database_has_its_module(package: str, dialect: str) -> None:
    assert module_for(package, dialect).__name__.endswith(f"{package}.{MODULES[dialect]}")


MACHINERY = sorted((TEMPLATE / "src" / "alembic_guardrails").rglob("*.py"))


@pytest.mark.parametrize("path", MACHINERY, ids=lambda path: str(path.relative_to(TEMPLATE)))
def test_functions_fit_a_screen(path: Path) -> None:
    too_long = [
        f"{node.name} has {length} lines"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 40
    ]

    assert too_long == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_work_on_windows(path: Path) -> None:
    assert not re.search(r'["<>:|?*\\]', str(path.relative_to(ROOT)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_suffix_tells_templates_from_files(path: Path) -> None:
    has_jinja = re.search(r"(?<!\$)\{\{|\{%|\{#", path.read_text(encoding="utf-8")) is not None

    assert has_jinja == (path.suffix == ".jinja")


def test_templates_have_few_conditions() -> None:
    for path in FILES:
        assert path.read_text(encoding="utf-8").count("{% if ") < 3, path


def test_the_readme_of_the_machinery_names_every_part() -> None:
    folder = TEMPLATE / "src" / "alembic_guardrails"
    parts = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    named = set(re.findall(r"`(\w+)/?`", (folder / "README.md").read_text(encoding="utf-8")))

    assert parts - {"__init__", "__pycache__", "op"} <= named


IMPORT = re.compile(r"(?m)^\s*from (alembic_guardrails[\w.]*) import (?:\(([^)]+)\)|(.+))$")


def test_owners_import_what_stays() -> None:
    """In services, their tests, revisions and pages, and on the pages of this repository."""
    texts = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
    for setup in SETUPS:
        files = rendered(**setup.answers()).items()
        texts |= {f"{setup}: {name}": text for name, text in files if "alembic_guard" not in name}
    imports = [
        (place, module, name.strip())
        for place, text in texts.items()
        for module, block, line in IMPORT.findall(text)
        for name in (block or line).split(",")
        if name.strip()
    ]
    public = {module: import_module(module).__all__ for module in PUBLIC}

    assert len(imports) > 20
    for place, module, name in imports:
        assert name in public.get(module, ()), f"{place}: {name} of {module} is internal"


@pytest.mark.parametrize("module", PUBLIC)
def test_what_is_public_is_there(module: str) -> None:
    imported = import_module(module)

    assert [*imported.__all__] == sorted(imported.__all__)
    for name in imported.__all__:
        assert getattr(imported, name).__doc__


def test_a_type_checker_finds_public_names_where_python_does() -> None:
    """The package imports them when they are asked for, and says twice where they are."""
    package = import_module("alembic_guardrails")
    source = Path(str(package.__file__)).read_text(encoding="utf-8")
    checked = {
        alias.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for alias in node.names
        if str(node.module).startswith("alembic_guardrails.")
    }
    assert checked == {
        name: f"alembic_guardrails.{module}" for name, module in package.MODULES.items()
    }
    assert {*package.MODULES} == {*package.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("folder", ["extensions", "template/src/alembic_guardrails", "tests"])
def test_variables_say_what_they_hold(folder: str) -> None:
    """`it` says nothing; a lambda's argument has a name, too."""
    vague = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id == "it")
        or (isinstance(node, ast.arg) and node.arg == "it")
    ]

    assert vague == []
