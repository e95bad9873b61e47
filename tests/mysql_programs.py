"""MySQL's own server, where the machine has none: Debian's package, in a cache folder.

Debian's stable releases have MariaDB in MySQL's place; unstable has both. Nothing on the machine is
changed: apt gets sources, lists and a status file of its own, and the packages are only unpacked.
"""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

PACKAGE = "mysql-server-core"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "fastapi-alembic-template")
APT_CONFIGURATION = """
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


class NoMySQLError(Exception):
    """MySQL cannot be had; the message says in a sentence why."""


def find_mysqld() -> list[str]:
    """Return the command that runs MySQL's server, with the options that its files need.

    Raises:
        NoMySQLError: The machine has no MySQL, and Debian's package cannot be fetched.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    if (program := shutil.which("mysqld", path=path)) and is_mysql(program):
        return [program]
    root = CACHE / PACKAGE
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):
        if not (root / "usr" / "sbin" / "mysqld").exists():
            unpack(root)
    libraries = root / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    [loader] = libraries.glob("ld-linux-*.so.*")
    return [
        *(str(loader), "--library-path", str(libraries), str(root / "usr" / "sbin" / "mysqld")),
        *("--no-defaults", f"--lc-messages-dir={root}/usr/share/mysql"),
    ]


def is_mysql(program: str) -> bool:
    """Return whether a program called mysqld is MySQL's, and not MariaDB's."""
    result = subprocess.run((program, "--version"), capture_output=True, text=True, check=False)
    return result.returncode == 0 and "MariaDB" not in result.stdout


def unpack(root: Path) -> None:
    """Fetch Debian's package and all that it needs, and unpack them into a folder.

    Raises:
        NoMySQLError: There is no apt here, or it cannot fetch the package.
    """
    folder = root.with_name(f"{PACKAGE}-apt")
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (folder / name).mkdir(parents=True)
    (folder / "state" / "status").touch()
    (folder / "sources.list").write_text(f"deb {debian_mirror()} unstable main\n", encoding="utf-8")
    configuration = folder / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(folder=folder), encoding="utf-8")
    environment = os.environ | {"APT_CONFIG": str(configuration)}
    run("apt-get", "--quiet", "update", environment=environment)
    download = ("--quiet", "--yes", "--download-only", "install", PACKAGE)
    run("apt-get", *download, environment=environment)
    unpacked = folder / "root"
    for package in sorted((folder / "cache" / "archives").glob("*.deb")):
        run("dpkg-deb", "--extract", str(package), str(unpacked), environment=environment)
    shutil.rmtree(root, ignore_errors=True)
    unpacked.rename(root)
    shutil.rmtree(folder)


def debian_mirror() -> str:
    """Return the address from which the machine's own apt takes Debian's packages.

    Raises:
        NoMySQLError: It takes none.
    """
    command = ("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)")
    listed = run(*command, environment=dict(os.environ))
    addresses = [line.split()[1] for line in listed.splitlines() if line.startswith("Debian ")]
    mirrors = [address for address in addresses if address.rstrip("/").endswith("/debian")]
    if not mirrors:
        raise NoMySQLError("apt has no mirror of Debian")
    return mirrors[0]


def run(*command: str, environment: dict[str, str]) -> str:
    """Run a command; return what it prints.

    Raises:
        NoMySQLError: The command is missing, or it fails.
    """
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise NoMySQLError(f"there is no {command[0]}") from error
    if result.returncode:
        raise NoMySQLError(f"{command[0]} failed: {result.stderr.strip().partition(chr(10))[0]}")
    return result.stdout
