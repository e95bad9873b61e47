"""Explain a rule of lint: why, what to do instead."""

from argparse import ArgumentParser
from difflib import get_close_matches

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.lint.explain import explain_rule, list_rules
from alembic_guardrails.lint.rules import BY_NAME
from alembic_guardrails.settings import read_settings


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
    if rule is None:
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
