"""A container image, made without an engine from what its Dockerfile says."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from docker.utils import exclude_paths
from project import Project


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, and what follows each."""
    for line in re.sub(r"\\\n\s*|(?m:^#.*\n)", "", dockerfile).splitlines():
        name, _, rest = line.partition(" ")
        if name:
            yield name, rest


class Image:
    """The last stage is in a folder that stands for /, which is in its variables and commands.

    Only the steps of uv are run: the others need root, or an engine.
    """

    def __init__(self, context: Path, folder: Path) -> None:
        self.context = context
        folder.mkdir()
        self.root = folder / "image"
        self.variables: dict[str, str] = {}
        self.commands: dict[str, list[str]] = {}
        self.other_steps: list[str] = []
        self.stage = ""
        ignored = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
        sent = exclude_paths(str(context), [line for line in ignored if not line.startswith("#")])
        self.sent = sorted(name for name in sent if (context / name).is_file())
        for name, rest in instructions((context / "Dockerfile").read_text(encoding="utf-8")):
            getattr(self, f"do_{name.lower()}")(rest)

    def path(self, path: str) -> Path:
        """Where a path of the container is."""
        return self.root / (self.workdir / path).relative_to("/")

    def do_from(self, rest: str) -> None:
        # Each stage gets the same folder in its turn: an environment knows where it is.
        if self.stage:
            self.root.rename(self.root.with_name(self.stage))
        self.stage = rest.partition(" AS ")[2]
        self.root.mkdir()
        self.variables, self.workdir, self.user = {}, Path("/"), "root"

    def do_env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            value = value.replace("/app", str(self.root / "app"))
            self.variables[name] = value.replace("$PATH", os.environ["PATH"])

    def do_workdir(self, rest: str) -> None:
        self.workdir = Path(rest)
        self.path(".").mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest: str) -> None:
        *sources, target = rest.split()
        if stage := re.fullmatch("--from=(.*)", sources[0]):
            folder = self.root.with_name(stage[1])
            sources = [source.lstrip("/") for source in sources[1:]]
            names = [
                str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()
            ]
        else:
            folder, names = self.context, self.sent
        for source in sources:
            for name in names:
                inside = name.removeprefix(f"{source}/")
                if inside != name or fnmatch(name, source):
                    to = self.path(target) / inside
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(folder / name, to, follow_symlinks=False)

    def do_run(self, rest: str) -> None:
        command = shlex.split(re.sub(r"--mount=\S+ ", "", rest))
        if command[0] == "uv":
            more = {"PATH": os.environ["PATH"], "UV_PYTHON": sys.executable}
            Project(self.path("."), {}, self.variables | more).run(*command)
        else:
            self.other_steps.append(rest)

    def do_user(self, rest: str) -> None:
        self.user = rest

    def do_expose(self, rest: str) -> None:
        self.port = rest

    def do_healthcheck(self, rest: str) -> None:
        self.commands["HEALTHCHECK"] = json.loads(rest.partition("CMD ")[2])

    def do_cmd(self, rest: str) -> None:
        self.commands["CMD"] = json.loads(rest)
