"""Alembic's settings for a trial: on another database, or with other revisions."""

from io import StringIO
from pathlib import Path
from typing import TextIO

from alembic.config import Config
from sqlalchemy import Connection

# Where the revisions are. A program can set these without writing them into alembic.ini.
LOCATIONS = ("version_locations", "path_separator", "version_path_separator")


def trial_config(
    config: Config,
    connection: Connection | None = None,
    *,
    versions: Path | None = None,
    stdout: TextIO | None = None,
) -> Config:
    """Return a copy of Alembic's settings that runs on `connection`.

    `versions` is a folder that takes the place of `migrations/versions`. What Alembic prints goes
    to `stdout`, and is lost by default. The options of the command line stay the same.
    """
    trial = Config(
        config.config_file_name,
        ini_section=config.config_ini_section,
        cmd_opts=config.cmd_opts,
        stdout=stdout or StringIO(),
        output_buffer=StringIO(),
        attributes={"configure_logger": False, "connection": connection},
    )
    options = {name: config.get_main_option(name) for name in LOCATIONS}
    if versions:  # there can be a space in the path, at which Alembic splits by default
        options = {"version_locations": str(versions), "path_separator": "newline"}
    for name, value in options.items():
        if value is not None:
            trial.set_main_option(name, value.replace("%", "%%"))
    return trial
