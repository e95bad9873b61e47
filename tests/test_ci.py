"""The matrix as CI gets it, and the workflows that get it."""

import json
import os
import re
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import ci
import pytest
import yaml
from conftest import Render
from drivers import BACKENDS
from linters import check_rights, lint, lint_yaml
from matrix import FIRST, ROOT, SETUPS, Setup, options, part
from project import Project

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JOBS: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
)["jobs"]


def run_last_step(job: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the last step of a job of ours as GitHub does, with these variables."""
    command = ("bash", "-e", "-c", JOBS[job]["steps"][-1]["run"])
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        command, cwd=ROOT, env=inherited | variables, capture_output=True, text=True, check=False
    )


def test_ci_gets_every_setup_once(tmp_path: Path) -> None:
    (tmp_path / "output").touch()

    result = run_last_step("matrix", GITHUB_OUTPUT=str(tmp_path / "output"))

    assert result.returncode == 0, result.stderr
    name, _, text = (tmp_path / "output").read_text(encoding="utf-8").partition("=")
    assert f"steps.list.outputs.{name} " in JOBS["matrix"]["outputs"][name]
    entries = json.loads(text)["include"]
    assert [entry["name"] for entry in entries] == list(map(str, SETUPS))
    assert entries == [ci.entry(str(setup)) for setup in SETUPS]


def test_every_combination_fits_into_two_matrices() -> None:
    assert len(ci.EVERY) == len(SETUPS) * len(list(options()))
    assert len(ci.EVERY) <= 2 * 256, "more than GitHub takes: list slices in three jobs"


@pytest.mark.parametrize("count", [1, 2, 6, 7, len(ci.EVERY), len(ci.EVERY) + 1])
def test_slices_are_an_even_partition(count: int) -> None:
    names = list(ci.EVERY)

    slices = [names[part(f"{number}/{count}")] for number in range(1, count + 1)]

    assert sorted(chain.from_iterable(slices)) == sorted(names)
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


def test_lists_are_limited_by_pattern_and_slice(capsys: pytest.CaptureFixture[str]) -> None:
    start = f"{FIRST[0].backend.name}-"
    names = [name for name in ci.EVERY if name.startswith(start)]

    ci.main(["list", f"{start}*", "--every", "--slice", "2/6"])

    assert capsys.readouterr().out.split() == names[1::6]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("list nothing", "Nothing in this part of the matrix is called nothing"),
        ("list --slice 7/6", "argument --slice: 7/6 is no part: the first of six is 1/6"),
        ("list --slice all", "argument --slice: all is no part: the first of six is 1/6"),
        (f"render {SETUPS[0]}s new", f"matrix is called {SETUPS[0]}s: try {SETUPS[0]} or "),
        ("check zzz new", "Nothing in the matrix is called zzz: try what `list` prints"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    line: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as refusal:
        ci.main(line.split())

    assert sentence in f"{refusal.value}\n{capsys.readouterr().err}"
    assert refusal.value.code != 0
    assert not list(tmp_path.iterdir())


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()

    with pytest.raises(SystemExit, match="is not empty: name another directory"):
        ci.main(["render", str(SETUPS[0]), str(tmp_path)])

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [str(SETUPS[0]), list(ci.EVERY)[-1]])
def test_it_renders_what_the_tests_render(
    copy: Render, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def contents(project: Project) -> dict[str, str]:
        return {
            str(path.relative_to(project.path)): re.sub("(?m)^_src_path:.*", "", path.read_text())
            for path in project.files
        }

    ci.main(["render", name, str(tmp_path / "service")])
    commands = [line.strip() for line in capsys.readouterr().out.splitlines()]

    setup, chosen = ci.find(name)
    expected = copy(**setup.answers(**chosen))
    assert contents(Project(tmp_path / "service", {})) == contents(expected)
    assert f"cd {tmp_path / 'service'}" in commands
    assert commands[-len(ci.steps(expected)) :] == ci.steps(expected)


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_steps_and_server_are_those_of_the_services_own_ci(render: Render, setup: Setup) -> None:
    project = render(**setup.answers(ci="github"))
    jobs = yaml.safe_load(project.text(".github/workflows/ci.yml"))["jobs"]
    gitlab = yaml.safe_load(render(**setup.answers(ci="gitlab")).text(".gitlab-ci.yml"))
    entry, job = ci.entry(str(setup)), jobs["test"]

    ours = [step for step in ci.steps(project) if not step.startswith("git ")]
    ours.remove("uv run alembic upgrade head --sql")
    tests = ours.index("uv run pytest")
    for name, steps in ("check", ours[:tests]), ("test", ["uv sync", *ours[tests:]]):
        github = "".join(step.get("run", "").strip() + "\n" for step in jobs[name]["steps"])
        lines = github.replace(" --format github", "").splitlines()
        assert [line for line in lines if line.startswith("uv ")] == steps
        script = gitlab["default"]["before_script"] + gitlab[name]["script"]
        assert [line for line in script if line.startswith("uv ")] == steps
    assert entry["url"] == job["env"]["DATABASE_URL"] == job["env"]["TEST_DATABASE_URL"]
    server = job.get("services", {}).get("db", {"image": ""})
    assert entry["image"] == server["image"]
    if entry["image"]:
        assert entry["variables"] == server["env"]
        assert [f"{entry['port']}:{entry['port']}"] == server["ports"]
        assert entry["options"] == server["options"]


def test_a_failed_step_says_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ci, "STEPS", "python -c 'print(40 + 2); raise SystemExit(3)'")

    with pytest.raises(SystemExit) as failure:
        ci.check(str(SETUPS[0]), tmp_path / "service")

    assert "\n42\n" in str(failure.value)
    assert f"\n    uv run python tests/ci.py check {SETUPS[0]} build/{SETUPS[0]}\n" in str(
        failure.value
    )


@pytest.mark.slow
def test_the_job_that_migrates(tmp_path: Path, mypy_cache: Path) -> None:
    entry = ci.entry(str(SETUPS[0]))
    variables = {"NAME": entry["name"], "DATABASE_URL": entry["url"], "RUNNER_TEMP": str(tmp_path)}

    result = run_last_step("migrate", **variables, MYPY_CACHE_DIR=str(mypy_cache))

    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"\d+ passed", result.stdout)
    assert "INSERT INTO alembic_version" in result.stdout
    directions = re.findall(r"\] Running (\w+)", result.stdout)
    as_sql = ["upgrade"]
    assert directions == [*as_sql, "upgrade", "downgrade", "upgrade"]


class Vulnerable(BaseHTTPRequestHandler):
    """What OSV would answer if every release of SQLAlchemy were vulnerable."""

    asked: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        queries = json.loads(self.rfile.read(length))["queries"]
        names = [query["package"]["name"] for query in queries]
        self.asked.update(names)
        found = {"vulns": [{"id": "TEST-1", "modified": "2026-01-01T00:00:00Z"}]}
        self.answer({"results": [found if name == "sqlalchemy" else {} for name in names]})

    def do_GET(self) -> None:
        self.answer({"id": "TEST-1", "modified": "2026-01-01T00:00:00Z", "affected": []})

    def answer(self, content: dict[str, Any]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@pytest.mark.slow
def test_audit_asks_about_all_that_services_install(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Vulnerable) as osv:
        Thread(target=osv.serve_forever, daemon=True).start()
        code = ci.audit(["--service-url", f"http://127.0.0.1:{osv.server_port}"])
        osv.shutdown()

    assert code == 1
    assert "sqlalchemy" in capfd.readouterr().out
    asked = {name.replace("-", "_") for name in Vulnerable.asked}
    assert {"alembic", "fastapi", "hatchling", "mypy", "uvicorn"} <= asked
    for setup in SETUPS:
        assert not setup.driver.installs or setup.driver.installs & asked, setup


def test_no_job_is_left_out_of_pass() -> None:
    assert set(JOBS["pass"]["needs"]) == set(JOBS) - {"pass"}
    assert JOBS["pass"]["if"] == "always()"
    assert not [name for name, job in JOBS.items() if "continue-on-error" in str(job)]


@pytest.mark.parametrize("result", ["success", "failure", "cancelled", "skipped"])
def test_pass_needs_the_success_of_each_job(result: str) -> None:
    passed = run_last_step("pass", RESULTS=f"success {result} success").returncode == 0

    assert passed == (result == "success")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pass_their_linters(path: Path) -> None:
    lint("check-jsonschema", "--quiet", "--builtin-schema", "vendor.github-workflows", str(path))
    check_rights(path)


def test_the_forms_for_issues_are_valid() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = [str(path) for path in folder.glob("*.yml") if path.stem != "config"]
    validate = ("check-jsonschema", "--quiet", "--builtin-schema")

    assert forms
    lint(*validate, "vendor.github-issue-forms", *forms)
    lint(*validate, "vendor.github-issue-config", str(folder / "config.yml"))


def test_yaml_passes_its_linters() -> None:
    lint_yaml(ROOT / ".github")


def test_an_action_has_one_version(render: Render) -> None:
    rendered = render(**SETUPS[0].answers(ci="github")).path / ".github" / "workflows" / "ci.yml"
    uses = {
        used
        for path in (*WORKFLOWS, rendered)
        for used in re.findall("uses: *(.*)", path.read_text(encoding="utf-8"))
    }

    assert len({used.partition("@")[0] for used in uses}) == len(uses)


def test_the_server_in_the_workflow_is_the_registry_s() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    service = workflow["jobs"]["test"]["services"]["mysql"]

    [server] = (
        backend.server for backend in BACKENDS if backend.name == "mysql" and backend.server
    )
    assert service["image"] == server.image
    assert service["options"] == server.health_options
