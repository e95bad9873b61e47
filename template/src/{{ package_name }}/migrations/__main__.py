"""Alembic's command line, and the commands of this package beside Alembic's own."""

from alembic.config import CommandFunction, CommandLine

COMMANDS: tuple[CommandFunction, ...] = ()


def main() -> None:
    """Run the command that the arguments name."""
    line = CommandLine(prog=f"python -m {__package__}")
    for command in COMMANDS:
        line.register_command(command)
    line.main()


if __name__ == "__main__":
    main()
