"""Explain a rule of lint: why, what to do instead."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from difflib import get_close_matches
from textwrap import dedent, fill, indent
from types import ModuleType, SimpleNamespace
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails.lint.rule import DATABASES, Reading, Rule, Source, read_subject
from alembic_guardrails.lint.rules import BY_NAME
from alembic_guardrails.offline.recorder import Recorder
from alembic_guardrails.output import Help
from alembic_guardrails.settings import read_settings

TITLES = {"postgresql": "PostgreSQL", "mysql": "MySQL and MariaDB", "sqlite": "SQLite"}

REVISION = """\
import sqlalchemy as sa
from alembic import op


def upgrade():
{body}


def downgrade():
    pass
"""


def database_of(rule: Rule, dialect: str) -> str:
    """Return the dialect whose example fits: the given one, if the rule can be broken there."""
    name = "mysql" if dialect == "mariadb" else dialect
    return dialect if name in rule.databases else rule.databases[0]


def example(rule: Rule, dialect: str) -> tuple[str, Help]:
    """Return what the example of a rule is called wrong for, and what to do instead."""
    text = REVISION.format(body=indent(rule.example, "    "))
    module: Any = ModuleType("example")
    exec(compile(text, "example.py", "exec"), module.__dict__)  # noqa: S102
    options = {"as_sql": True, "literal_binds": True}
    context = MigrationContext.configure(dialect_name=dialect, opts=options)
    recorder = Recorder(context)
    script: Any = SimpleNamespace(path="example.py", module=module)
    up = recorder.record_upgrade(script)
    reading = Reading(up, context.dialect, Source(text), recorder.record_downgrade(script))
    if not up.steps or up.failure:
        reason = up.failure.reason if up.failure else ""
        return rule.message(reason), Help(rule.advice)
    # squawk finds some rules, always in the last operation of the example.
    step = next(rule.steps(reading), up.steps[-1])
    comment = re.search(r"# allow: [a-z-]+", rule.example)
    subject = f"`{comment[0]}`" if comment else read_subject(step)
    return rule.message(subject), rule.help(step, reading)


def explain_rule(rule: Rule, dialect: str) -> Iterator[str]:
    """Yield the lines that explain a rule to somebody at a terminal."""
    message, advice = example(rule, database_of(rule, dialect))
    databases = ", ".join(TITLES[name] for name in rule.databases)
    yield f"{rule.name} ({rule.severity}; {databases})"
    yield ""
    yield fill(f"Why: {message}", 79)
    yield ""
    yield fill(f"Instead: {advice.advice}", 79)
    yield ""
    yield "Before:"
    yield ""
    yield indent(dedent(rule.example), "    ")
    for code in advice.code:
        yield ""
        yield f"After, {code.where}:" if code is advice.code[0] else f"Then, {code.where}:"
        yield ""
        yield indent(code.text, "    ")


def list_rules() -> Iterator[str]:
    """Yield a line for each rule."""
    from alembic_guardrails.lint.rules import RULES

    width = max(len(rule.name) for rule in RULES)
    for rule in sorted(RULES, key=lambda rule: rule.name):
        databases = ", ".join(TITLES[name] for name in rule.databases)
        where = "" if rule.databases == DATABASES else databases
        yield f"{rule.name:{width}}  {rule.severity:7}  {where}".rstrip()


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("rule", nargs="?", help="the rule; without one, all are listed")


def explain(config: Config, rule: str | None = None) -> None:
    """Say why a rule of lint is there, and show an operation before and after.

    The example is for the database of this service, if the rule is about it. Without a rule, the
    command lists all of them: the name, the severity, and the databases if it is not for each.

    Raises:
        CommandError: There is no such rule.
    """
    if not rule:
        lines = [*list_rules(), "", "`migrations explain RULE` explains one."]
    elif rule in BY_NAME:
        dialect = read_settings(config).database_url.get_backend_name()
        lines = [*explain_rule(BY_NAME[rule], dialect)]
    else:
        near = "".join(f" {name}, or" for name in get_close_matches(rule, BY_NAME, 1))
        raise CommandError(
            f"There is no rule {rule}: try{near} `migrations explain`, which lists all."
        )
    config.print_stdout("%s", "\n".join(lines))
