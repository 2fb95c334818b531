"""`jointwise stream`: lines of JSON in, lines of JSON out."""

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jointwise import cli
from jointwise.data.dataset import Dataset
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, ReadError
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.stream_lines import frame_of
from jointwise.inference.timeline import Segment


class Input:
    """What stands in for stdin: lines, and what happens after them."""

    @staticmethod
    def isatty() -> bool:
        return False

    def __init__(self, lines: list[str], then: BaseException | None = None) -> None:
        self.buffer = self._lines(lines, then)

    @staticmethod
    def _lines(lines: list[str], then: BaseException | None) -> Iterator[bytes]:
        yield from (f"{line}\n".encode() for line in lines)
        if then is not None:
            raise then


def lines_of(recording: Sequence, rate: float = 30.0) -> list[str]:
    """A recording of one person as lines of the short form, null where a joint was not seen."""
    return [
        json.dumps(
            {
                "time": frame / rate,
                "positions": [
                    point.tolist() if seen else None
                    for point, seen in zip(recording.positions[0, frame], recording.validity[0, frame], strict=True)
                ],
            }
        )
        for frame in range(recording.frames)
    ]


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def own(dataset: Dataset) -> Sequence:
    return dataset.test[0].on_persons([0])


def test_the_command_says_what_the_timeline_says(
    finetuned: Path, own: Sequence, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Input(lines_of(own)))
    cli.run(["stream", str(finetuned), "--window", "0.5", "--hop", "0.25"])
    lines = printed(capsys)
    assert {line["event"] for line in lines} == {"window", "segment"}
    assert set(lines[0]) - {"reason"} == {"event", "person", "start", "end", "label", "probability", "smoothed"}
    found = [
        Segment(**{key: value for key, value in one.items() if key != "event"})
        for one in lines
        if one["event"] == "segment"
    ]
    expected = Recognizer.from_pretrained(finetuned).timeline(own, window=0.5, hop=0.25)
    assert [(one.start, one.end, one.label) for one in found] == [(one.start, one.end, one.label) for one in expected]


def test_lines_that_cannot_be_used_are_answered_with_an_error_and_counted_at_the_end(
    finetuned: Path, own: Sequence, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(own)
    spoiled = [*lines[:3], "{broken", lines[3], '{"positions": [[1, 2, 3]]}', "", *lines[4:]]
    monkeypatch.setattr(sys, "stdin", Input(spoiled))
    with pytest.raises(ReadError, match=rf"2 of {len(lines) + 2} lines could not be used\. The first: no JSON"):
        cli.run(["stream", str(finetuned)])
    found = printed(capsys)
    assert [(one["line"], "expected (persons, 20, 3)" in one["error"]) for one in found[:2]] == [(4, False), (6, True)]
    monkeypatch.setattr(sys, "stdin", Input(lines))
    cli.run(["stream", str(finetuned)])
    assert printed(capsys) == found[2:]


def test_ctrl_c_ends_quietly_with_the_last_segment(
    finetuned: Path, own: Sequence, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Input(lines_of(own), KeyboardInterrupt()))
    cli.run(["stream", str(finetuned)])
    last = printed(capsys)[-1]
    assert last["event"] == "segment"
    assert last["end"] == pytest.approx(own.frames / 30)


def test_wrong_options_are_refused_before_a_line_is_read(finetuned: Path) -> None:
    with pytest.raises(ConfigError, match="--fps -1: frames per second must be above 0"):
        cli.run(["stream", str(finetuned), "--fps", "-1"])
    with pytest.raises(ConfigError, match="unknown skeleton 'mediapip'"):
        cli.run(["stream", str(finetuned), "--layout", "mediapip"])
    with pytest.raises(ConfigError, match=r"window 0\.0 and hop 0\.5 must be above 0"):
        cli.run(["stream", str(finetuned), "--window", "0"])


def test_a_line_becomes_a_frame() -> None:
    frame = frame_of('{"time": 1.5, "positions": [[1, 2, 3], null, [4, 5, 6]], "confidence": [0.9, 0.9, 0.1]}')
    (points,) = frame["positions"]
    np.testing.assert_array_equal(points, [[1, 2, 3], [math.nan] * 3, [math.nan] * 3])
    assert (frame["time"], frame["ids"]) == (1.5, None)
    both = frame_of(b'{"persons": [{"id": 7, "positions": [[1, 2]]}, {"id": "ann", "positions": [[3, 4]]}]}')
    assert both == {"positions": [[[1, 2]], [[3, 4]]], "time": None, "ids": [7, "ann"]}
    assert frame_of('{"persons": []}') == {"positions": [], "time": None, "ids": None}
    assert frame_of('{"positions": [[1, 2]], "confidence": [0.1]}', 0.1)["positions"] == [[[1, 2]]]


def test_the_lines_of_the_page_are_frames_and_its_program_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/name-actions-live.md").read_text("utf-8")
    (lines,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert [len(frame_of(line)["positions"]) for line in lines.splitlines()] == [1, 2, 0]
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    compile(program, "page", "exec")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "no JSON"),
        ("[1, 2]", "a frame is"),
        ('{"person": []}', "a frame is"),
        ('{"persons": [{"id": 1}]}', "a frame is"),
        ('{"positions": 3}', "positions are no list of joints"),
        ('{"positions": [[1, 2]], "confidence": [1, 2]}', "the confidences are no list of 1 number"),
        ('{"positions": [[1, 2]], "confidence": ["sure"]}', "confidence 0 is 'sure'"),
        ('{"persons": [{"id": 1, "positions": []}, {"positions": []}]}', "some persons have an id and some have none"),
    ],
)
def test_a_line_that_is_no_frame_is_refused_with_a_reason(line: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        frame_of(line)
