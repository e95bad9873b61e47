"""The commands of `migrations`, one module each.

A module has a function of its own name, which takes Alembic's `Config` and the arguments that
`add_arguments`, if there is one, adds to the parser. It returns the exit code, or None for 0. The
first line of the module's docstring stands in the list of commands, the docstring of the function
in the help of the command.
"""

# For the end of each command's help.
EXAMPLES = {
    "adopt": "migrations adopt --dry-run --table 'shop_*'",
    "create": "migrations create",
    "drift": "migrations drift",
    "explain": "migrations explain ban-drop-column",
    "lint": "migrations lint --rev-range 3f2a:head",
    "plan": "migrations plan --format markdown",
    "record": "migrations record migrations/versions/3f2a_add_phone.py",
    "repair": "migrations repair",
    "sql": "migrations sql --rev-range 3f2a:head > review.sql",
    "squash": "migrations squash --dry-run 3f2a",
    "verify": "migrations verify",
}
