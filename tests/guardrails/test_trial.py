"""Settings for a trial."""

from argparse import Namespace
from io import StringIO

from alembic.script import ScriptDirectory
from alembic_guardrails.trial import trial_config

from .conftest import Project


def test_a_trial_is_the_same_on_another_connection(project: Project) -> None:
    config = project.config()
    config.cmd_opts = Namespace(x=["tenant=a"])
    with project.engine().connect() as connection:
        trial = trial_config(config, connection)

        assert trial.attributes["connection"] is connection
    assert "connection" not in config.attributes
    assert trial.cmd_opts is config.cmd_opts
    assert ScriptDirectory.from_config(trial).dir == ScriptDirectory.from_config(config).dir
    assert trial.get_main_option("sqlalchemy.url") == "sqlite:///app.db"

    trial.print_stdout("not seen")
    assert isinstance(config.stdout, StringIO)
    assert config.stdout.getvalue() == ""


def test_a_trial_can_have_other_revisions(project: Project) -> None:
    folder = project.path / "100% other"
    folder.mkdir()
    project.revision("a", "pass").rename(folder / "a.py")
    config = project.config()

    trial = trial_config(trial_config(config, versions=folder))

    assert ScriptDirectory.from_config(config).get_heads() == []
    assert ScriptDirectory.from_config(trial).get_heads() == ["a"]


def test_version_locations_of_the_service_are_kept(project: Project) -> None:
    folder = project.path / "more"
    folder.mkdir()
    project.revision("a", "pass").rename(folder / "a.py")
    config = project.config()
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    output = StringIO()

    trial = trial_config(config, stdout=output)

    assert ScriptDirectory.from_config(trial).get_heads() == ["a"]
    trial.print_stdout("seen")
    assert output.getvalue() == "seen\n"
