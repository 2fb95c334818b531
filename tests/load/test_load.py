"""The page under load and attack: a few seconds of what `make load-test` does for minutes."""

import sys
from pathlib import Path

import pytest

from helpers import tiny
from load.bad import KINDS, LOST, Kind, slow, too_large, unfinished
from load.page import Page
from load.traffic import put_under_load, settled

TAKE_LONG: tuple[Kind, ...] = (slow, too_large, unfinished)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what the page takes")
def test_good_answers_are_those_given_alone_and_bad_requests_do_no_harm(finetuned: Path, tmp_path: Path) -> None:
    sequences = [tiny.walk(1, 2, 1), tiny.walk(0, 2, 1)]
    page = Page(finetuned, tmp_path / "page")
    try:
        (tmp_path / "files").mkdir()
        load = put_under_load(page, sequences, "kinect20", tmp_path / "files", (20, 5, 40), 4.0, TAKE_LONG)
        settled(page, load, 0.5)
        load.problems += page.end()
    finally:
        page.kill()
    assert not load.problems, "\n".join(load.problems)
    assert {kind: len(load.good.seconds[kind]) for kind in ("upload", "view", "moment", "label")} == dict.fromkeys(
        ("upload", "view", "moment", "label"), 20
    )
    assert load.good.seconds["stream"], "no stream was answered"
    assert len(load.answers) > len(KINDS) // 2
    assert {status for answers in load.answers.values() for status in answers} >= {LOST, 403, 404, 422}
