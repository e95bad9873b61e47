"""Every answer combination, computed from the questions and the registry."""

import subprocess
from argparse import ArgumentTypeError
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet
from drivers import BACKENDS, Backend, Driver
from jinja2 import Environment, Template

ROOT = Path(__file__).parent.parent
SETTINGS: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
QUESTIONS: dict[str, dict[str, Any]] = {
    name: details for name, details in SETTINGS.items() if not name.startswith("_")
}
# The versions of the template that were released.
TAGS = subprocess.run(
    ("git", "-C", ROOT, "tag", "--list", "v*"), capture_output=True, text=True, check=False
).stdout.split()


@dataclass(frozen=True)
class Setup:
    """A database and the driver that connects to it."""

    backend: Backend
    driver: Driver

    def __str__(self) -> str:
        return f"{self.backend.name}-{self.driver.name}"

    @property
    def is_async(self) -> bool:
        """Whether the service is async."""
        return self.driver.is_async

    def answers(self, **more: Any) -> dict[str, Any]:
        """The answers for this set-up; the rest is up to the caller and the defaults."""
        return {"database_url": self.backend.example, "driver": self.driver.name, **more}

    @property
    def kind(self) -> tuple[bool, bool, bool]:
        """What decides about the Python that is rendered, but for a few values in it."""
        tests_bring_server = bool(self.backend.test_requirements)
        return self.is_async, self.driver.latin1_password, tests_bring_server


SETUPS = [Setup(backend, driver) for backend in BACKENDS for driver in backend.drivers]
# One set-up of each backend: for what does not depend on the driver, and for quick runs.
FIRST = [setup for setup in SETUPS if setup.driver is setup.backend.drivers[0]]
# One set-up of each program that runs a database.
PROGRAMS = FIRST
# Those that an ordinary run needs where MySQL does the same as MariaDB; the sweep has all.
DISTINCT = [setup for setup in PROGRAMS if setup.backend.name != "mysql"]
SERVED = [setup for setup in SETUPS if not setup.backend.is_file]
# One set-up of each driver: for what is the driver's own. MySQL's are MariaDB's too.
DRIVERS = list({setup.driver.name: setup for setup in SETUPS}.values())
# One async set-up of each program, with another driver than the first: for what a driver has its
# own way of doing.
ASYNC = list({setup.backend.title: setup for setup in DRIVERS if setup.is_async}.values())
# One set-up of each program that the tests of a service bring along.
BROUGHT = [setup for setup in PROGRAMS if setup.backend.test_requirements]
KINDS = {setup.kind: setup for setup in reversed(SETUPS)}


def values(question: Mapping[str, Any]) -> list[Any]:
    """The answers that a question allows, if there are only so many; what suits most is first."""
    if question["type"] == "bool":
        return [False, True] if question["default"] is False else [True, False]
    choices = question.get("choices")
    return list(choices.values()) if isinstance(choices, dict) else []


OPTIONS = {name: allowed for name, details in QUESTIONS.items() if (allowed := values(details))}


def options() -> Iterator[dict[str, Any]]:
    """Every combination of the questions that have a closed list of answers, where they apply."""
    for chosen in product(*OPTIONS.values()):
        answers = dict(zip(OPTIONS, chosen, strict=True))
        hidden = {name for name in answers if not applies(name, answers)}
        # A hidden question stands for all that it could be answered.
        if all(answers[name] == OPTIONS[name][0] for name in hidden):
            yield {name: value for name, value in answers.items() if name not in hidden}


def applies(name: str, answers: Mapping[str, Any]) -> bool:
    """Whether a question is asked beside these answers."""
    return condition(str(QUESTIONS[name].get("when", True))).render(answers) == "True"


@cache
def condition(text: str) -> Template:
    """When a question is asked."""
    return Environment().from_string(text)


def label(chosen: Mapping[str, Any]) -> str:
    """A short name for a combination of options."""
    return "-".join(
        f"{'' if value else 'no_'}{name}" if isinstance(value, bool) else f"{name}_{value}"
        for name, value in chosen.items()
    )


def combinations() -> list[ParameterSet]:
    """Every combination of answers: each set-up, with each combination of the options.

    In quick runs, the defaults of one set-up of each backend.
    """
    defaults, *_ = options()
    return [
        pytest.param(
            *(setup, chosen),
            id=f"{setup}-{label(chosen)}",
            marks=() if setup in FIRST and chosen == defaults else pytest.mark.slow,
        )
        for setup, chosen in product(SETUPS, options())
    ]


def setups(
    usual: Collection[Setup] = FIRST,
    others: pytest.MarkDecorator = pytest.mark.slow,
    among: Iterable[Setup] = SETUPS,
) -> list[ParameterSet]:
    """Every set-up; those beyond the usual ones are for slow runs, or for a sweep."""
    return [
        pytest.param(setup, id=str(setup), marks=() if setup in usual else others)
        for setup in among
    ]


def part(text: str) -> slice:
    """Read `2/6` as what picks the second of six even parts of a list.

    Raises:
        ArgumentTypeError: there is no such part.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 0 < int(number) <= int(count)):
        raise ArgumentTypeError(f"{text} is no part: the first of six is 1/6")
    return slice(int(number) - 1, None, int(count))
