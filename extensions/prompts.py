"""What is wrong with an answer, in as many lines as it takes.

prompt_toolkit shows such a message in one line, and cuts it off at the width of the terminal.
"""

from __future__ import annotations

from importlib import import_module
from textwrap import fill

from jinja2 import Environment
from jinja2.ext import Extension
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import has_validation_error
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, Window
from prompt_toolkit.widgets import ValidationToolbar


class WrappedToolbar(ValidationToolbar):
    """The message below a prompt, wrapped at words."""

    def __init__(self, show_position: bool = False) -> None:
        super().__init__(show_position)
        self.control = FormattedTextControl(self.read_message)
        window = Window(self.control, dont_extend_height=True)
        self.container = ConditionalContainer(window, has_validation_error)

    def read_message(self) -> StyleAndTextTuples:
        """Return the message, for the width of the terminal."""
        application = get_app()
        error = application.current_buffer.validation_error
        if not error:
            return []
        columns = application.output.get_size().columns
        return [("class:validation-toolbar", fill(error.message, max(columns - 1, 20)))]


class WrappedMessages(Extension):
    """Give each prompt that follows a message that wraps."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # The name that `PromptSession` looks up; without it, messages are cut off as before.
        module = import_module("prompt_toolkit.shortcuts.prompt")
        vars(module)["ValidationToolbar"] = WrappedToolbar
