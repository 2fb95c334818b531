"""How commands print."""

import warnings
from pathlib import Path

import pytest

from helpers.own_folder import gestures
from jointwise import cli
from jointwise.cli.output import grouped_warnings
from jointwise.errors import JointwiseWarning


def warn_of_many() -> None:
    with grouped_warnings():
        for name in ("a", "b"):
            warnings.warn(f"{name}.npz: 3 of 25 joints are missing.", JointwiseWarning, stacklevel=1)
        warnings.warn("of a library", UserWarning, stacklevel=1)


def test_warnings_about_many_recordings_are_one_and_others_pass() -> None:
    with pytest.warns() as caught:
        warn_of_many()
    ours = [str(one.message) for one in caught if issubclass(one.category, JointwiseWarning)]
    assert len(ours) == 1
    assert "2 alike, first: a.npz: 3 of 25 joints are missing." in ours[0]
    assert [str(one.message) for one in caught if one.category is UserWarning] == ["of a library"]


def test_without_a_warning_there_is_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with grouped_warnings():
            pass


def test_names_of_files_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    folder = gestures(tmp_path / "own", each=4, joints=7)
    for place in [path for path in folder.iterdir() if path.is_dir()]:
        place.rename(place.with_name(f"{place.name}\x1b[2J"))
    clip = next(folder.rglob("*.npz"))
    for words in (
        ["prepare", f"{folder}/"],
        ["doctor", f"{folder}/"],
        ["doctor", str(clip)],
        ["convert", f"{folder}/", "--out", str(tmp_path / "out")],
    ):
        cli.run(words)
        printed = "".join(capsys.readouterr())
        assert "\N{REPLACEMENT CHARACTER}[2J" in printed, words
        assert "\x1b" not in printed, words
