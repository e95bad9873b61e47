"""The migration tests that every service has, against revisions with faults."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from chain import CHAIN, FAULTS, HEAD, MODELS
from conftest import Render, Scratch
from drivers import text_of
from matrix import DISTINCT, PROGRAMS, SERVED, Setup, setups
from project import Project

pytestmark = pytest.mark.slow

# Quick to find in one run each: on the way down, with rows, against the models.
SLICE = [
    "downgrade forgets an index",
    "NOT NULL over NULL",
    "a check that the models have otherwise",
]
# Runs the tests with each fault in one process. Autogenerate's own opinion does not count.
RUN = """
import contextlib, io, json, pathlib, pytest
versions = pathlib.Path("migrations/versions")
options = ["-q", "--tb=short", "-p", "no:logging", "-p", "no:cacheprovider"]
chosen = ["tests/test_migrations.py", "-k", "one_head or stairway or models"]
results = {}
for fault, revisions in json.loads(pathlib.Path("faults.json").read_text()).items():
    # New names each time, or Python takes the bytecode of the last revision.
    paths = {versions / f"{len(results)}_{name}.py": text for name, text in revisions.items()}
    for path, text in paths.items():
        path.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = pytest.main([*options, *chosen])
    results[fault] = [code, output.getvalue()]
    for path in paths:
        path.unlink()
print()
print(json.dumps(results))
"""


def chain() -> dict[str, str]:
    """The healthy revisions, complete."""
    numbers = ["0001", *CHAIN]
    return {
        number: HEAD.format(number=number, before=before) + "\n" + CHAIN[number]
        for before, number in zip(numbers, CHAIN, strict=False)
    }


def with_fault(name: str) -> dict[str, str]:
    """The revisions with one fault."""
    fault, revisions = FAULTS[name], chain()
    assert fault.old in revisions[fault.revision], name
    text = revisions[fault.revision].replace(fault.old, fault.new, 1)
    return revisions | {fault.revision: text}


@pytest.fixture
def service(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, scratch: Scratch
) -> Project:
    """The example service with the models of the chain."""
    url = text_of(scratch(setup))
    project = render(**setup.answers(database_url=url, include_example=True))
    project.use(environment(setup))
    project.environment["TEST_DATABASE_URL"] = url
    model = project.path / "src" / project.package / "models" / "customer.py"
    imports = "from sqlalchemy import CheckConstraint, Enum, ForeignKey, String, text"
    text = model.read_text(encoding="utf-8").replace("from sqlalchemy import String, text", imports)
    model.write_text(text + MODELS, encoding="utf-8")
    return project


def verdicts(service: Project, cases: dict[str, dict[str, str]]) -> dict[str, tuple[int, str]]:
    """What the service's tests say of chains of revisions: exit code and output."""
    (service.path / "faults.json").write_text(json.dumps(cases), encoding="utf-8")
    results = json.loads(service.run("python", "-c", RUN).splitlines()[-1])
    return {name: (code, output) for name, (code, output) in results.items()}


def check_faults(service: Project, setup: Setup, names: Iterable[str]) -> None:
    """Demand that each fault is named, and that nothing is said of health."""
    known = [name for name in names if setup.backend.name not in FAULTS[name].unknown_to]
    results = verdicts(service, {"": chain()} | {name: with_fault(name) for name in known})

    code, output = results.pop("")
    assert code == 0, output
    assert "there is no way back before 0006" in output
    assert "no rows in" not in output
    missed = {
        name: output
        for name, (code, output) in results.items()
        if code != pytest.ExitCode.TESTS_FAILED or FAULTS[name].words not in output
    }
    assert not missed, "\n".join(f"{name}:\n{output}" for name, output in missed.items())


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_faults_are_caught(service: Project, setup: Setup) -> None:
    check_faults(service, setup, SLICE if setup is SERVED[0] else SLICE[:1])


@pytest.mark.sweep
@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_every_fault_is_caught(service: Project, setup: Setup) -> None:
    check_faults(service, setup, FAULTS)
