"""A program in a terminal: what its screen shows, and what is typed."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pexpect
import pyte


class Screen(pyte.Screen):
    """A screen that answers: prompt_toolkit waits a second for the place of the cursor."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], object]) -> None:
        super().__init__(columns, rows)
        self.answer = answer

    def write_process_input(self, data: str) -> None:
        """Send what a terminal reports of itself to the program that asked for it."""
        self.answer(data)


class Terminal:
    """A program in a pseudo-terminal, and the screen that a person would see."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int],
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        rows, columns = size
        self.screen = Screen(columns, rows, self.types)
        self.stream = pyte.Stream(self.screen)
        self.terminal = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=folder,
            dimensions=size,
            encoding="utf-8",
            env=environment,
        )
        self.terminal.delaybeforesend = None

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def feed(self, output: str) -> None:
        """Show output on the screen."""
        self.stream.feed(output)

    def shows(self, *texts: str) -> str:
        """Wait until all these texts are on the screen; return what else is there."""
        deadline = time.monotonic() + 30
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in\n{self.text}"
            with suppress(pexpect.TIMEOUT):
                self.feed(self.terminal.read_nonblocking(4096, timeout=1))
        return self.text

    def types(self, text: str) -> None:
        """Type."""
        self.terminal.send(text)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what is on the screen."""
        with suppress(pexpect.EOF):
            while True:
                self.feed(self.terminal.read_nonblocking(4096, timeout=30))
        self.terminal.close()
        assert self.terminal.exitstatus is not None
        return self.terminal.exitstatus, self.text
