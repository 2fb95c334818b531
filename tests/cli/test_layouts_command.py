"""`jointwise layouts`: all, one, and two."""

from pathlib import Path

import pytest

from jointwise import cli
from jointwise.data.layouts import layout_names
from jointwise.errors import ConfigError


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    cli.run(["layouts", *words])
    return capsys.readouterr().out.splitlines()


def test_all_layouts_are_listed_with_their_joints_and_roots(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)
    rows = {line.split()[0]: line.split()[1:4] for line in lines[1:-1]}
    assert set(rows) == set(layout_names())
    assert rows["ntu25"] == ["25", "3D", "spine_mid"]
    assert rows["coco-wholebody133"] == ["133", "2D", "nose"]
    assert rows["mediapipe33"] == ["33", "any", "nose"]


def test_one_layout_shows_joints_bones_mirrors_and_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split() for line in printed(capsys, "lafan")]
    assert ["1", "left_hip", "spine_base", "right_hip", "LeftUpLeg"] in lines
    assert ["root", "spine_base"] in lines
    assert ["up", "y"] in lines


def test_two_layouts_show_what_follows_from_what(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "coco17", "ntu25")
    assert lines[0].startswith("coco17 -> ntu25: 16 of 25 joints: 12 matched, 4 from others, missing: neck, ")
    rows = [" ".join(line.split()) for line in lines]
    assert "spine_base mean of left_hip, right_hip" in rows
    assert "left_knee left_knee" in rows
    assert "left_thumb missing: masked" in rows
    assert rows[-1] == "not used of coco17: nose, left_eye, right_eye"


def test_a_file_is_shown_like_a_shipped_layout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("joints: [a, b, c]\nbones: [[a, b, c]]\naliases: {b: {mean: [x, y]}}\n")
    lines = [" ".join(line.split()) for line in printed(capsys, str(tmp_path / "own.yaml"))]
    assert lines[0] == "own: 3 joints"
    assert "1 b a mean of x, y" in lines
    with pytest.raises(ConfigError, match="unknown skeleton 'ntu24': did you mean 'ntu25'"):
        cli.run(["layouts", "ntu24"])
