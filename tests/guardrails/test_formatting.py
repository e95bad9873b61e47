"""How a new revision is formatted, with ruff and without it."""

import logging
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_guardrails import files
from alembic_guardrails.files import format_revision, is_empty, run_ruff

EMPTY = """import sqlalchemy as sa
from alembic import op

revision = "a"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
"""
LONG = '    op.drop_column("things", "' + '", "'.join(["a" * 20] * 5) + '")\n'
FILLED = EMPTY.replace("    pass\n\n\ndef d", f"{LONG}\n\ndef d")


@pytest.fixture
def revision(tmp_path: Path) -> Path:
    """The file of a new revision."""
    return tmp_path / "a.py"


@pytest.fixture
def without_ruff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ruff not be installed."""
    monkeypatch.setattr(files, "find_spec", lambda name: None)


def test_an_empty_revision_keeps_its_imports(
    revision: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revision.write_text(EMPTY, encoding="utf-8")

    format_revision(revision)

    assert revision.read_text("utf-8") == EMPTY
    assert not caplog.records


def test_a_revision_is_formatted_before_anything_is_said_of_it(
    revision: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revision.write_text(FILLED, encoding="utf-8")

    format_revision(revision)

    text = revision.read_text("utf-8")
    assert "import sqlalchemy" not in text
    assert max(map(len, text.splitlines())) < 100
    assert not caplog.records


@pytest.mark.parametrize("source", [f"{EMPTY}\n\nunknown\n", f"{EMPTY}def\n"])
def test_what_ruff_cannot_mend_is_a_warning(
    revision: Path, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    revision.write_text(source, encoding="utf-8")

    format_revision(revision)

    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "a.py" in caplog.text


@pytest.mark.usefixtures("without_ruff")
def test_without_ruff_there_is_one_warning(
    revision: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revision.write_text(FILLED, encoding="utf-8")

    format_revision(revision)

    assert revision.read_text("utf-8") == FILLED
    [record] = caplog.records
    assert "ruff is a development dependency" in record.message


@pytest.mark.usefixtures("without_ruff")
def test_what_needs_ruff_says_so() -> None:
    with pytest.raises(CommandError, match="needs ruff, a development dependency"):
        run_ruff("--version")


@pytest.mark.parametrize(
    ("source", "empty"),
    [(EMPTY, True), (FILLED, False), (EMPTY.replace("pass", '"""Nothing."""', 1), False)],
)
def test_which_revisions_are_empty(source: str, empty: bool) -> None:
    assert is_empty(source) == empty
