"""Files that are written whole or not at all."""

from pathlib import Path

import pytest
from alembic_guardrails.files import copy_whole, replacing, write_whole
from hypothesis import given
from hypothesis import strategies as st


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("is_there", [True, False])
def test_an_error_leaves_the_file_as_it_was(tmp_path: Path, is_there: bool) -> None:
    path = tmp_path / "file"
    if is_there:
        path.write_text("old")

    def write() -> None:
        with replacing(path) as part:
            part.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"] * is_there


def test_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        pass
    assert not [*tmp_path.iterdir()]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_written_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "file"

    write_whole(path, text)
    copy_whole(path, path.with_name("copy"))

    assert path.read_bytes() == path.with_name("copy").read_bytes() == text.encode()
