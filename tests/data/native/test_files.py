"""Files that another process reads, which stays in the folder where it was started."""

from pathlib import Path

import pytest

from jointwise.data.native.files import read_apart


def test_a_relative_path_is_found_from_the_folder_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size, name in enumerate(("first", "second"), 1):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x").write_bytes(bytes(size))
        monkeypatch.chdir(folder)
        assert read_apart(Path("x"), "helpers.limited_work:size_of", 1.0, "Repeat.")[0] == {"size": size}
