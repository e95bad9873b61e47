"""Git, as far as the history needs it."""

import os
import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder.

    Raises:
        OSError: there is no git, or it fails.
    """
    # Git's hooks are told where the repository is, which would make this folder its top.
    told = ("GIT_DIR", "GIT_WORK_TREE")
    variables = {name: value for name, value in os.environ.items() if name not in told}
    command = ("git", "-C", str(folder), *arguments)
    result = subprocess.run(  # noqa: S603
        command, env=variables, capture_output=True, encoding="utf-8"
    )
    if result.returncode:
        reason = result.stderr.partition("\n")[0] or "no commit in common; a shallow clone?"
        raise OSError(f"git {arguments[0]}: {reason}")
    return result.stdout
