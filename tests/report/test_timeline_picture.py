"""The picture of timelines: its lanes, its colours, and what it says where it cannot be drawn."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

from jointwise import cli
from jointwise.data.dataset import Dataset
from jointwise.data.formats import npz
from jointwise.errors import ConfigError
from jointwise.inference.answers import NONE
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.timeline import Segment
from jointwise.report.timeline_picture import (
    COLOURS,
    MOST_RECORDINGS,
    NONE_COLOUR,
    check_picture,
    draw_timelines,
    write_timelines,
)

TWO = [
    Segment(0, 0.0, 4.0, "walk", 0.9),
    Segment(0, 4.0, 6.0, NONE, 0.99),
    Segment(0, 6.0, 10.0, "wave", 0.5),
    Segment(3, 2.0, 9.0, "walk", 0.3),
]
ONE = [Segment(0, 0.0, 5.0, "wave", 0.7)]


def bars(axes) -> list[tuple[float, float, int, str]]:
    """(start, end, lane, colour) of every bar."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [
        (
            bar.get_x(),
            bar.get_x() + bar.get_width(),
            round(bar.get_y() + bar.get_height() / 2),
            to_hex(bar.get_facecolor()),
        )
        for bar in found
    ]


def test_each_person_has_a_lane_with_its_segments_at_their_times() -> None:
    figure = draw_timelines([("first.npz", TWO), ("second.npz", ONE)])
    first, second = figure.axes
    assert [bar[:3] for bar in bars(first)] == [(0, 4, 0), (4, 6, 0), (6, 10, 0), (2, 9, 1)]
    assert [bar[:3] for bar in bars(second)] == [(0, 5, 0)]
    assert [label.get_text() for label in first.get_yticklabels()] == ["person 0", "person 3"]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first person is on top
    assert [axes.get_title("left") for axes in figure.axes] == ["first.npz", "second.npz"]
    assert first.get_xlim() == second.get_xlim() == (0, 10)
    assert second.get_xlabel() == "seconds"


def test_a_class_has_one_colour_in_all_recordings_and_none_of_them_is_grey() -> None:
    first, second = draw_timelines([("first.npz", TWO), ("second.npz", ONE)]).axes
    walk, none, wave, other_walk = (bar[3] for bar in bars(first))
    assert walk == other_walk
    assert wave == bars(second)[0][3]
    assert none == NONE_COLOUR
    assert len({walk, none, wave}) == 3


def test_more_classes_than_colours_are_told_apart_by_a_pattern() -> None:
    segments = [Segment(0, place, place + 1.0, f"class {place}", 0.5) for place in range(40)]
    (axes,) = draw_timelines([("many.npz", segments)]).axes
    looks = {(to_hex(bar.get_facecolor()), bar.get_hatch()) for bar in axes.patches}
    assert len(looks) == 40
    assert len({colour for colour, _ in looks}) == len(COLOURS)


def test_labels_stand_in_the_bars_they_fit_and_a_legend_names_the_others() -> None:
    figure = draw_timelines([("first.npz", TWO)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["walk 90 %", NONE, "wave 50 %", "walk 30 %"]
    assert not figure.legends
    short = Segment(1, 0.0, 0.1, "a name that is longer than its bar", 0.5)
    figure = draw_timelines([("first.npz", [*TWO, short])])
    assert [text.get_text() for text in figure.axes[0].texts][-1] == ""
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["walk", "wave", short.label, NONE]
    figure.draw_without_rendering()
    for text, bar in zip(figure.axes[0].texts, figure.axes[0].patches, strict=True):
        assert text.get_window_extent().width <= bar.get_window_extent().width or not text.get_text()


def test_a_recording_in_which_nobody_is_seen_has_an_empty_lane_that_says_so(tmp_path: Path) -> None:
    figure = draw_timelines([("empty.npz", [])])
    assert not bars(figure.axes[0])
    assert [text.get_text() for text in figure.axes[0].texts] == ["nobody is seen"]
    write_timelines(tmp_path / "new" / "empty.png", [("empty.npz", [])])
    assert np.asarray(Image.open(tmp_path / "new" / "empty.png")).shape[1] == 1500


def test_a_picture_is_the_same_each_time_it_is_drawn(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_timelines(tmp_path / name, [("first.npz", TWO)])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    write_timelines(tmp_path / "a.svg", [("first.npz", TWO)])
    assert "<svg" in (tmp_path / "a.svg").read_text("utf-8")


def test_what_cannot_be_drawn_is_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"out\.pdf: a picture is written as \.png or \.svg"):
        check_picture(Path("out.pdf"), 1)
    with pytest.raises(ConfigError, match=r"51 recordings do not fit .* --csv FILE"):
        check_picture(Path("out.png"), MOST_RECORDINGS + 1)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    with pytest.raises(ConfigError, match=r'out\.svg: .* matplotlib: pip install "jointwise\[plot\]"'):
        check_picture(Path("out.svg"), 1)


def test_predict_draws_the_timelines_that_it_prints(
    finetuned: Path,
    dataset: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    npz.write(tmp_path / "own.npz", dataset.test[0])
    words = ["predict", str(finetuned), str(tmp_path / "own.npz")]
    with pytest.raises(ConfigError, match=r"--plot out\.png: it draws timelines\. Add --timeline"):
        cli.run([*words, "--plot", "out.png"])
    with pytest.raises(ConfigError, match="a picture is written as"):
        cli.run([*words, "--timeline", "--plot", "out"])
    assert capsys.readouterr().out == ""
    drawn = []
    monkeypatch.setattr(
        "jointwise.report.timeline_picture.draw_timelines", lambda shown: drawn.append(shown) or draw_timelines(shown)
    )
    cli.run([*words, "--timeline", "--plot", str(tmp_path / "out.svg")])
    assert drawn == [[(words[2], Recognizer.from_pretrained(finetuned).timeline(dataset.test[0]))]]
    assert (tmp_path / "out.svg").stat().st_size > 1000
    printed = capsys.readouterr()
    assert "person 0" in printed.out
    assert f"1 of 1 recordings: {tmp_path / 'out.svg'}" in printed.err
