"""The ignore list: which objects it matches, and how its file is read."""

import re
from fnmatch import translate

import pytest
from alembic_guardrails.ignore import FILE, IgnoreList, read_ignore_list
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Project

MATCHES = [
    ("table queue_*", "table queue_jobs"),
    ("table queue_*", "column id of table queue_jobs"),
    ("table queue_*", "index by_id on table queue_jobs"),
    ("table queue_*", "constraint ck on table queue_jobs"),
    ("table Queue", 'table "Queue"'),
    ("schema cron", "schema cron"),
    ("schema cron", "table cron.job"),
    ("schema cron", "column id of table cron.job"),
    ("schema cron", "constraint positive on type cron.amount"),
    ("schema app_*", "function app_1.f(integer)"),
    ("index by_*", "index by_id on table lines"),
    ("view v", "trigger t on view v"),
    ("materialized view m", "index i on materialized view m"),
    ("function f(*", "function f(integer)"),
]
MISSES = [
    ("table queue", "table queue_jobs"),
    ("table queue", "view queue"),
    ("table Queue", "table queue"),
    ("schema cron", "table cronjob"),
    ("schema cron", "schema cron_2"),
    ("table lines", "function f of table_lines"),
    ("column id of table a", "table a"),
]


@pytest.mark.parametrize(("pattern", "name"), MATCHES)
def test_what_a_pattern_matches(pattern: str, name: str) -> None:
    assert IgnoreList((pattern,)).matches(name)
    assert IgnoreList(("table other", pattern)).filter({name: "", "x y": ""}) == {"x y": ""}


@pytest.mark.parametrize(("pattern", "name"), MISSES)
def test_what_a_pattern_does_not_match(pattern: str, name: str) -> None:
    assert not IgnoreList((pattern,)).matches(name)
    assert not IgnoreList().matches(name)


words = st.text(st.sampled_from("ab_*?[]!"), min_size=1, max_size=6)


@given(words, words)
def test_patterns_are_those_of_files(pattern: str, name: str) -> None:
    expected = re.fullmatch(translate(f"table {pattern}"), f"table {name}") is not None

    assert IgnoreList((f"table {pattern}",)).matches(f"table {name}") == expected
    assert IgnoreList((f"table {pattern}",)).matches(f"column c of table {name}") == expected


def test_the_file_is_read(project: Project) -> None:
    assert read_ignore_list(project.config()) == IgnoreList()

    lines = [
        "# What the queue keeps",
        "",
        "  table queue_*   # its jobs",
        'schema "Cron"',
        "table a#b",
        "table größe",
    ]
    (project.path / "migrations" / FILE).write_text("\n".join(lines), encoding="utf-8")

    assert read_ignore_list(project.config()).patterns == (
        "table queue_*",
        "schema Cron",
        "table a#b",
        "table größe",
    )
