"""Progress on a terminal and in a log."""

import logging
import sys
from collections.abc import Iterator

import pytest
from alembic_guardrails import progress
from alembic_guardrails.progress import Progress
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def _logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "alembic.progress"):
        yield


@pytest.mark.usefixtures("_logged")
def test_a_log_gets_a_line_every_five_seconds(
    clock: Clock, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = Progress("customers", "rows", 40)
    for clock.seconds in range(1, 13):
        bar.advance(2)
    bar.end()

    assert caplog.messages == [
        "customers: 10 of 40 rows, 2 a second",
        "customers: 20 of 40 rows, 2 a second",
        "customers: 24 of 40 rows, 2 a second",
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_logged")
def test_a_terminal_gets_one_line_that_is_cleared(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = Progress("customers", "rows", 2)
    clock.seconds = 1
    bar.advance()
    bar.advance()
    bar.end()

    line = "\r\x1b[Kcustomers: {} of 2 rows, {} a second"
    assert capsys.readouterr().err == line.format(1, 1) + line.format(2, 2) + "\r\x1b[K"


def test_a_logger_that_is_off_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logging.getLogger("alembic.progress").setLevel(logging.WARNING)
    try:
        assert list(Progress("customers", "rows", 2).track("ab")) == ["a", "b"]
    finally:
        logging.getLogger("alembic.progress").setLevel(logging.NOTSET)
    assert capsys.readouterr().err == ""


def test_items_are_counted_when_they_are_done() -> None:
    bar = Progress("revisions", "revisions", 2)
    counts = [bar.done for _ in bar.track("ab")]

    assert counts == [0, 1]
    assert bar.done == 2


@given(total=st.integers(0, 10**6), steps=st.lists(st.integers(0, 10**6)))
def test_more_is_never_shown_than_there_is(total: int, steps: list[int]) -> None:
    bar = Progress("customers", "rows", total)
    for step in steps:
        bar.advance(step)

    done, of, *_ = str(bar).removeprefix("customers: ").split(" ")
    assert (int(done), of) == (sum(steps), "of")
    assert sum(steps) <= int(str(bar).split(" of ")[1].split(" ")[0])
