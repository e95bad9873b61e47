"""Any answer: a service that has it in every file, or one sentence and nothing written."""

import ast
import configparser
import json
import keyword
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from io import StringIO
from pathlib import Path, PureWindowsPath
from random import SystemRandom
from secrets import token_hex
from typing import Any

import pytest
import yaml
from context import TAKEN, package_name_error, project_name_error
from copier import run_copy
from copier.errors import UserMessageError
from dotenv import dotenv_values
from drivers import (
    NAMES_OF_DRIVERS,
    OF_SQL,
    Database,
    ParsedUrl,
    ServerDatabase,
    UrlError,
    text_of,
)
from fuzz import (
    ANY_TEXT,
    CHOSEN,
    PACKAGE_NAMES,
    PROJECT_NAMES,
    URL_TEXTS,
    Typed,
    compose_env,
    compose_services,
    mutated,
    url_of,
    urls,
)
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st
from linters import check_style
from matrix import OPTIONS, SETUPS, Setup, applies
from project import PRIVATE, QUIETLY, Project
from rendering import complete, rendered, write
from sqlalchemy import URL, make_url
from test_render import PARSERS

SENTENCE = re.compile(r"[A-Z0-9a-z][^\n]{10,250}[^.\n]")
TIMES = 25  # as many inputs in a sweep


class Inputs:
    """Feeds inputs to a property: a few, the same each time, or in a sweep many new ones."""

    def __init__(self, sweep: bool) -> None:
        self.sweep = sweep
        self.seen: Counter[str] = Counter()

    def feed(self, inputs: st.SearchStrategy[Any], check: Callable[[Any], str], few: int) -> None:
        """Check inputs; the check says what became of one, for the count."""

        def counted(answer: Any) -> None:
            became = check(answer)
            event(became)
            self.seen[became] += 1

        property_ = settings(
            database=None,
            deadline=None,
            derandomize=not self.sweep,
            max_examples=few * TIMES if self.sweep else few,
            suppress_health_check=list(HealthCheck),
        )(given(inputs)(counted))
        if self.sweep:
            number = int(os.environ.get("FUZZ_SEED") or SystemRandom().getrandbits(64))
            print(f"FUZZ_SEED={number}")
            property_ = seed(number)(property_)
        property_()
        print(f"{sum(self.seen.values())} inputs:", dict(self.seen))

    def share(self, became: str) -> float:
        """How much of what was fed became this."""
        return self.seen[became] / sum(self.seen.values())


@pytest.fixture(
    params=[
        pytest.param(False, id="few", marks=pytest.mark.slow),
        pytest.param(True, id="many", marks=pytest.mark.sweep),
    ]
)
def inputs(request: pytest.FixtureRequest) -> Inputs:
    """A few inputs, or many."""
    return Inputs(request.param)


@cache
def parse(name: str, text: str) -> None:
    """Read a file with whatever will read it."""
    PARSERS.get(Path(name).suffix, str)(text)
    if name.endswith(".py"):
        compile(text, name, "exec")


def dotenv(text: str) -> dict[str, str | None]:
    """What python-dotenv, and so pydantic-settings, reads from an environment file."""
    return dotenv_values(stream=StringIO(text))


def ini_url(text: str) -> URL:
    """The URL in `alembic.ini`, read as Alembic does."""
    ini = configparser.ConfigParser({"here": "."})
    ini.read_string(text)
    return make_url(ini["alembic"]["sqlalchemy.url"])


def check_files(files: dict[str, str], meant: URL) -> None:
    """Each file can be read, and says what the answers say."""
    for name, text in files.items():
        parse(name, text)
    tracked = meant._replace(password=None)
    variables = dotenv(files[".env"])
    assert variables.keys() <= {"DATABASE_URL", "DATABASE_PASSWORD"}
    assert make_url(str(variables["DATABASE_URL"])) == meant
    assert {
        name: make_url(str(value)) for name, value in dotenv(files[".env.example"]).items()
    } == {"DATABASE_URL": tracked}
    assert ini_url(files["alembic.ini"]) == tracked


def check_compose(files: dict[str, str], setup: Setup, meant: URL) -> None:
    """The service in the container connects to the server in the other one, as the same user."""
    services = compose_services(files)
    variables = services["api"]["environment"]
    url = make_url(variables["DATABASE_URL"])
    assert services["migrate"]["environment"] == variables
    if setup.backend.is_file:
        file = re.split(r"[/\\]", str(meant.database))[-1]
        assert (url.drivername, url.database) == (meant.drivername, f"/data/{file}")
        return
    server = setup.backend.server
    user = meant.username or server.superuser
    query = {name: value for name, value in meant.query.items() if name in OF_SQL}
    assert url == URL.create(meant.drivername, user, None, "db", server.port, meant.database, query)
    # A password that Compose and shells cannot both read is left to the environment.
    password = compose_env(files[".env"]).get("DATABASE_PASSWORD", "")
    assert variables["DATABASE_PASSWORD"] == password
    assert password == (meant.password or "") or re.search("[$`]", str(meant.password))
    wanted = server.variables(user, str(meant.database), "${DATABASE_PASSWORD:?set it in .env}")
    given = services["db"]["environment"]
    assert given == {
        name: password if "PASSWORD" in name else value for name, value in wanted.items()
    }
    assert services["db"]["ports"] == [f"127.0.0.1:{meant.port or server.port}:{server.port}"]


def setup_of(url: URL) -> Setup:
    """The database and the driver that a URL names."""
    [setup] = [
        setup for setup in SETUPS if url.drivername == f"{setup.backend.name}+{setup.driver.name}"
    ]
    return setup


def chosen(text: str, driver: str | None = None) -> Database | None:
    """The database that a URL and a driver name; nothing if it is refused, in one sentence."""
    refused = ""
    try:
        parsed = ParsedUrl.parse(text)
        objections = {choice["value"]: choice["validator"] for _, choice in parsed.choices()}
        assert objections[parsed.default_driver()] == ""
        return parsed.choose(driver or parsed.default_driver())
    except UrlError as error:
        refused = str(error)
    assert SENTENCE.fullmatch(refused), refused
    return None


def test_a_url_that_can_be_used_is_in_every_file(inputs: Inputs) -> None:
    def check(answer: tuple[Typed, dict[str, Any]]) -> str:
        typed, options = answer
        database = chosen(typed.text, typed.driver)
        assert database, "refused"
        assert url_of(database.complete) == typed.meant
        given = {**options, "database_url": typed.text, "driver": typed.driver}
        files = rendered(**given)
        check_files(files, typed.meant)
        if options["container"]:
            check_compose(files, setup_of(typed.meant), typed.meant)

        # What `copier update` reads back.
        again = yaml.safe_load(files[".copier-answers.yml"])
        answers = {
            name: to for name, to in complete(given).items() if applies(name, complete(given))
        }
        # An update that turns existing_database off is to bring no example.
        answers |= {"include_example": complete(given)["include_example"]}
        assert again == answers | {"database_url": database.url}
        again["database_url"] = dotenv(files[".env"])["DATABASE_URL"]
        assert rendered(**again) == files

        if typed.meant.password:
            other = typed.meant.set(password="other").render_as_string(hide_password=False)
            others = rendered(**given | {"database_url": other})
            assert {name for name in files if files[name] != others[name]} == {".env"}
        return "accepted"

    inputs.feed(st.tuples(urls(), CHOSEN), check, few=40)


def test_any_text_is_a_url_or_is_refused_in_one_sentence(inputs: Inputs) -> None:
    def check(text: str) -> str:
        database = chosen(text)
        if database is None:
            return "refused"
        url = url_of(database.complete)
        assert make_url(database.secret_url) == url
        assert ParsedUrl.parse(database.secret_url).choose(database.driver.name) == database
        with suppress(ImportError):  # of a driver that is not installed here
            url.get_dialect()().create_connect_args(url)
        lines = [database.secret_url]
        if isinstance(database, ServerDatabase):
            lines.append(database.quoted_password)
        assert all(len(line.splitlines()) <= 1 for line in lines)
        return "accepted"

    inputs.feed(st.one_of(mutated(URL_TEXTS), mutated(URL_TEXTS), ANY_TEXT), check, few=300)
    assert 0.1 < inputs.share("accepted") < 0.9


@cache
def service_driver(setup: Setup) -> Any:
    """What a service has in db/driver.py."""
    namespace: dict[str, Any] = {}
    exec(rendered(**setup.answers())["src/my_service/db/driver.py"], namespace)
    return namespace["DRIVER"]


# What matters to a questionnaire alone: the names of drivers, and files that hold the URL.
ABOUT_FILES = re.compile(
    "Choose one of|in the database's name|shorter database name|Percent-encode"
)
NAMES_OF_PARAMETERS = sorted(
    {"nonsense", "pgbouncer", "ssl-mode", "sslmode", "ssl_ca", "user"}.union(
        *({*setup.driver.parameters, *setup.driver.translations} for setup in SETUPS)
    )
)
VALUES = ["1", "0", "true", "x", "5432", "a,b", "a:1", "require", "disable", "utf8mb4", "%0a"]
VALUES += ["/run/postgresql", "/run/.s.PGSQL.5433", "soon", "1.5", "REQUIRED"]
PARAMETERS = st.lists(
    st.builds("{}={}".format, st.sampled_from(NAMES_OF_PARAMETERS), st.sampled_from(VALUES)),
    min_size=1,
    max_size=3,
).map("&".join)
WITH_PARAMETERS = st.builds(
    lambda setup, named, parameters: (
        (f"{setup.backend.name}+{setup.driver.name}" if named else setup.backend.name)
        + ("://u:p@h:1/db?" if not setup.backend.is_file else ":///app.db?")
        + parameters
    ),
    st.sampled_from(SETUPS),
    st.booleans(),
    PARAMETERS,
)


def verdict(parse: Callable[..., URL], *arguments: str) -> tuple[URL | None, str]:
    """The URL that comes out, or the sentence."""
    try:
        return parse(*arguments), ""
    except ValueError as error:
        return None, str(error)


def chosen_url(text: str, driver: str) -> URL:
    """What the questionnaire makes of a URL and a driver."""
    return url_of(ParsedUrl.parse(text).choose(driver).complete)


def test_the_service_takes_what_the_prompt_takes(inputs: Inputs) -> None:
    """In the same words, if the URL names the driver; and it connects with the same arguments."""

    def check(text: str) -> str:
        scheme, _, named = text.strip().partition("://")[0].lower().partition("+")
        setups = [
            setup for setup in SETUPS if scheme in (setup.backend.name, *setup.backend.aliases)
        ]
        setups = [setup for setup in setups if not named or setup.driver.name == named]
        became = Counter[str]()
        for setup in setups:
            asked, refused = verdict(chosen_url, text, setup.driver.name)
            if ABOUT_FILES.search(refused):
                continue
            served, said = verdict(service_driver(setup).parse_url, text)
            assert served == asked
            if named:
                assert said == refused
            if served:
                with suppress(ImportError):  # of a driver that is not installed here
                    dialect = served.get_dialect()()
                    known = make_url(text_of(asked)) if asked else served
                    arguments = dialect.create_connect_args(served)
                    assert arguments == dialect.create_connect_args(known)
            became["accepted" if served else "refused"] += 1
        return became.most_common(1)[0][0] if became else "of no database"

    texts = st.one_of(WITH_PARAMETERS, WITH_PARAMETERS, URL_TEXTS, mutated(URL_TEXTS))
    inputs.feed(texts, check, few=200)
    assert inputs.share("accepted") > 0.15
    assert inputs.share("refused") > 0.15


STANDARD_LIBRARY = [
    path for name in ("stdlib", "platstdlib") if (path := sysconfig.get_path(name)) is not None
]
NAMES = st.one_of(
    PROJECT_NAMES,
    PROJECT_NAMES,
    st.sampled_from(sorted({*keyword.kwlist, *sys.stdlib_module_names, *TAKEN, *NAMES_OF_DRIVERS})),
    st.sampled_from(["Null", "True", "on", "y", "None", "Test", "__init__", "con", "Com1", "İx"]),
)


def check_package(name: str) -> None:
    """A name under which Python, and no other package, is imported."""
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert PathFinder.find_spec(name, STANDARD_LIBRARY) is None
    assert name not in sys.builtin_module_names
    assert not PureWindowsPath(name).is_reserved()
    assert package_name_error(name, NAMES_OF_DRIVERS) == ""


def test_a_name_is_in_every_file(inputs: Inputs, tmp_path: Path) -> None:
    def check(answer: tuple[str, dict[str, Any]]) -> str:
        name, options = answer
        if error := project_name_error(name):
            assert SENTENCE.fullmatch(error)
            return "refused"
        answers = complete({**options, "project_name": name})
        check_package(answers["package_name"])
        files = rendered(**answers)
        for path, text in files.items():
            parse(path, text)
        assert files["README.md"].startswith(f"# {name}\n")
        project = tomllib.loads(files["pyproject.toml"])["project"]
        assert project["name"].replace("-", "_") == answers["package_name"]
        assert project["description"].startswith(f"{name}: ")
        module = ast.get_docstring(ast.parse(files[f"src/{answers['package_name']}/__init__.py"]))
        assert module == f"{name}."
        if options["container"]:
            assert yaml.safe_load(files["compose.yaml"])["name"] == project["name"]
        assert rendered(**yaml.safe_load(files[".copier-answers.yml"])) == files
        if inputs.seen["accepted"] % 4 == 0:
            write(files, tmp_path / token_hex(4))
        return "accepted"

    inputs.feed(st.tuples(NAMES, CHOSEN), check, few=60)
    assert inputs.share("accepted") >= 0.75
    check_style(tmp_path)
    shutil.rmtree(tmp_path)


def test_any_text_is_a_name_or_is_refused_in_one_sentence(inputs: Inputs) -> None:
    def check(name: str) -> str:
        as_project = project_name_error(name)
        as_package = package_name_error(name, NAMES_OF_DRIVERS)
        for error in (as_project, as_package):
            assert not error or SENTENCE.fullmatch(error)
        if not as_project:
            check_package(complete({"project_name": name})["package_name"])
        if not as_package:
            check_package(name)
        return "refused" if as_project and as_package else "accepted"

    inputs.feed(
        st.one_of(mutated(NAMES), mutated(PACKAGE_NAMES), PACKAGE_NAMES, ANY_TEXT), check, few=200
    )
    assert 0.1 < inputs.share("accepted") < 0.9


SCALARS = st.one_of(ANY_TEXT, st.booleans(), st.integers(), st.none(), st.floats())
ANSWERS = st.one_of(
    st.fixed_dictionaries({"project_name": st.one_of(mutated(NAMES), ANY_TEXT, SCALARS)}),
    st.fixed_dictionaries({"package_name": st.one_of(mutated(PACKAGE_NAMES), SCALARS)}),
    st.fixed_dictionaries(
        {"database_url": st.one_of(mutated(URL_TEXTS), ANY_TEXT, SCALARS)},
        optional={"driver": st.sampled_from([setup.driver.name for setup in SETUPS]) | SCALARS},
    ),
    *(st.fixed_dictionaries({name: SCALARS}) for name in ("driver", *OPTIONS)),
)
USUAL = st.one_of(
    st.builds(
        lambda typed, chosen: {**chosen, "database_url": typed.text, "driver": typed.driver},
        urls(),
        CHOSEN,
    ),
    st.fixed_dictionaries({"project_name": NAMES}),
)


def test_copier_renders_the_same_or_writes_one_sentence_and_nothing_else(
    inputs: Inputs, template: Path, tmp_path: Path
) -> None:
    """What the other tests render, Copier renders; what is refused leaves no folder behind."""

    def check(answers: dict[str, Any]) -> str:
        folder = tmp_path / token_hex(4)
        folder.mkdir()
        out = folder / "not" / "there"
        refused = ""
        try:
            run_copy(str(template), out, data=answers, **QUIETLY)
        except UserMessageError as error:
            refused = str(error)
        if refused:
            name, _, sentence = refused.partition(": ")
            assert name in answers, refused
            assert SENTENCE.fullmatch(sentence.removesuffix(".")), refused
            assert list(folder.iterdir()) == []
            return "refused"
        project = Project(out, {})
        written = {path.relative_to(out).as_posix(): path.read_bytes() for path in project.files}
        again = yaml.safe_load(written[".copier-answers.yml"])
        again["database_url"] = dotenv(written[".env"].decode())["DATABASE_URL"]
        files = rendered(**again)
        assert written == {name: text.encode() for name, text in files.items()}
        assert all(
            str(again[name]) == str(answers[name])
            for name in ("project_name", "package_name", "driver")
            if name in answers
        )
        shutil.rmtree(folder)
        return "accepted"

    inputs.feed(ANSWERS, check, few=16)
    refused = inputs.share("refused")
    assert refused > 0.5
    inputs.feed(USUAL, check, few=4)


class Service:
    """A rendered service's own Python, which is asked what it reads."""

    def __init__(self, python: Path) -> None:
        self.process = subprocess.Popen(
            (python, Path(__file__).parent / "in_service" / "settings_of.py"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: os.environ[name] for name in os.environ.keys() - PRIVATE},
        )

    def ask(self, folder: Path, **what: Any) -> Any:
        """Ask about the service in a folder."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"folder": str(folder), **what}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def service(environment: Callable[[Setup], Path]) -> Iterator[Service]:
    """The environment of an async service imports sync ones too."""
    setup = next(setup for setup in SETUPS if setup.is_async)
    service = Service(environment(setup) / "python")
    yield service
    service.process.communicate()


def parts(url: URL) -> list[Any]:
    """What a URL says, as JSON can hold it."""
    query = {
        name: value if isinstance(value, str) else list(value) for name, value in url.query.items()
    }
    return [*url[:6], query]


def test_the_service_connects_with_the_answer(
    inputs: Inputs, service: Service, tmp_path: Path
) -> None:
    def check(typed: Typed) -> str:
        database = chosen(typed.text, typed.driver)
        assert database, "refused"
        folder = tmp_path / setup_of(typed.meant).driver.name / typed.meant.get_backend_name()
        if not folder.exists():
            write(rendered(database_url=typed.text, driver=typed.driver), folder)
        else:
            files = rendered(database_url=typed.text, driver=typed.driver)
            for name in (".env", "alembic.ini"):
                (folder / name).write_text(files[name], encoding="utf-8")
        whole, bare = parts(typed.meant), parts(typed.meant._replace(password=None))

        def read(**variables: str) -> Any:
            return service.ask(folder, package="my_service", variables=variables)

        assert read() == [whole, whole]
        assert read(DATABASE_URL=database.secret_url) == [whole, whole]
        (folder / ".env").unlink()
        assert read() == [None, bare]
        assert read(DATABASE_URL=database.secret_url) == [whole, whole]
        backend = setup_of(typed.meant).backend
        # As hosting platforms give it, and with another driver.
        for scheme in (*backend.schemes, f"{backend.name}+{backend.drivers[-1].name}"):
            plain = text_of(typed.meant.set(drivername=scheme))
            assert read(DATABASE_URL=plain) == [whole, whole]
        if typed.meant.password:
            password = str(typed.meant.password)
            assert read(DATABASE_PASSWORD=password) == [None, whole]
            assert read(DATABASE_URL=database.url, DATABASE_PASSWORD=password) == [whole, whole]
        return "accepted"

    inputs.feed(urls(), check, few=20)


def test_every_package_can_be_imported(inputs: Inputs, service: Service, tmp_path: Path) -> None:
    def check(name: str) -> str:
        if project_name_error(name):
            return "refused"
        answers = complete({"project_name": name})
        package = answers["package_name"]
        folder = write(rendered(**answers), tmp_path / token_hex(4))
        assert f"{package}.main" in service.ask(folder, package=package)
        shutil.rmtree(folder)
        return "accepted"

    inputs.feed(NAMES, check, few=4)
    assert inputs.share("accepted") >= 0.75


ADDRESSES = [
    "postgresql://u@h/a",
    "postgres://u:p%20w@h/b%20c?sslmode=require",
    " postgresql+asyncpg://u@h/c ",
    "postgresql://u@h/${NAME}",
    "postgresql://u@h/$NAME",
    "postgresql://u@h/${NAME:-d}é",
    "postgresql://u@h/#e",
    "postgresql://u@h/f#g",
    "postgresql://u@h/h'i",
    "",
    "nonsense",
]
NAMES_OF_SETTINGS = ["DATABASE_URL", "database_url", "Database_Url", "DATABASE_PASSWORD", "NAME"]
LINES = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "", "export ", "  "]),
        st.sampled_from(NAMES_OF_SETTINGS),
        st.sampled_from(["=", "=", " = ", ""]),
        st.builds(
            lambda mark, value, end: f"{mark}{value}{mark}{end}",
            st.sampled_from(["", "'", '"']),
            st.sampled_from(ADDRESSES),
            st.sampled_from(["", "", " # remark", " "]),
        ),
    ),
    st.sampled_from(["# remark", "", "=x", "'", "\ufeff", "LOG_LEVEL=DEBUG"]),
    st.sampled_from(["DATABASE_URL", "database_url", "DATABASE_PASSWORD"]),
    mutated(st.sampled_from([f"DATABASE_URL={url}" for url in ADDRESSES])).map(
        lambda line: re.sub("[\ud800-\udfff]", "", line)
    ),
)
FILES = st.lists(LINES, max_size=5).map("\n".join)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(NAMES_OF_SETTINGS), st.sampled_from(ADDRESSES), max_size=2
)


def test_migrations_read_settings_as_the_service_does(
    inputs: Inputs, service: Service, tmp_path: Path
) -> None:
    """Without pydantic: the same from each environment and file that both take."""
    folder = write(rendered(database_url="postgresql://u@h/ini"), tmp_path / "service")

    def check(answer: tuple[str, str, dict[str, str]]) -> str:
        text, encoding, variables = answer
        (folder / ".env").write_text(text, encoding=encoding)
        ours, migrations = service.ask(folder, package="my_service", compare=variables)
        if ours == [None, "missing"]:
            # Migrations go on with the address in alembic.ini.
            assert migrations[0][5] == "ini"
            return "missing"
        if ours[0] is None:
            assert (ours, migrations) == ([None, "value_error"], [None, "CommandError"])
            return "refused"
        assert ours == migrations
        return "accepted"

    encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
    inputs.feed(st.tuples(FILES, encodings, ENVIRONMENTS), check, few=150)
    assert inputs.share("accepted") > 0.2


@pytest.mark.slow
def test_a_file_in_an_unknown_encoding_is_refused_by_both(service: Service, tmp_path: Path) -> None:
    folder = write(rendered(), tmp_path / "service")
    (folder / ".env").write_bytes("DATABASE_URL=sqlite:///\xe4.db".encode("latin-1"))

    ours, migrations = service.ask(folder, package="my_service", compare={})

    assert ours == [None, "UnicodeDecodeError"]
    assert migrations == [None, "CommandError"]
