"""Alembic's settings for a trial: another database, or other revisions than the service's."""

from io import StringIO
from pathlib import Path
from typing import TextIO

from alembic.config import Config
from sqlalchemy import Connection


def trial_config(
    config: Config,
    connection: Connection | None = None,
    *,
    versions: Path | None = None,
    stdout: TextIO | None = None,
) -> Config:
    """Return a copy of Alembic's settings that runs on `connection`.

    `versions` is a folder that takes the place of `migrations/versions`. What Alembic prints goes
    to `stdout`, and nowhere by default. The options of the command line are the same.
    """
    trial = Config(
        config.config_file_name,
        ini_section=config.config_ini_section,
        cmd_opts=config.cmd_opts,
        stdout=stdout or StringIO(),
        output_buffer=StringIO(),
        attributes={"configure_logger": False, "connection": connection},
    )
    if locations := config.get_main_option("version_locations"):
        trial.set_main_option("version_locations", locations.replace("%", "%%"))
    if versions:
        trial.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return trial
