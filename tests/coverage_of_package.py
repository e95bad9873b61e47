"""Measure how many lines of alembic_guardrails the whole suite runs, in all processes.

`uv run python tests/coverage_of_package.py [arguments of pytest]` runs the tests and prints the
report; it fails below LEAST percent if no arguments are given.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
LEAST = 90


def main(arguments: list[str]) -> int:
    """Run the tests with these arguments; return the exit code of what failed, if anything did."""
    with TemporaryDirectory() as folder:
        # Processes in other folders write there, too.
        variables = os.environ | {"COVERAGE_FILE": str(Path(folder, "coverage"))}

        def coverage(*command: str) -> int:
            program = (sys.executable, "-m", "coverage", *command)
            return subprocess.run(program, cwd=ROOT, env=variables, check=False).returncode

        tests = coverage("run", "-m", "pytest", *arguments)
        coverage("combine", "--quiet", folder)
        least = () if arguments else (f"--fail-under={LEAST}",)
        report = coverage("report", "--show-missing", "--skip-covered", *least)
        return tests or report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
