"""Files that are written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write in place of `path`, which it replaces at the end.

    If the block raises, `path` stays as it was. A run that is killed leaves a file that ends in
    `.part`.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with the line ends that the text has."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file."""
    with replacing(target) as part:
        shutil.copyfile(source, part)
