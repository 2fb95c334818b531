"""The demonstration: what it leaves behind, and the line that says what pre-training brought."""

from pathlib import Path

import pytest

from helpers import tiny
from jointwise.cli import demo
from jointwise.errors import CheckpointError
from jointwise.evaluation.results import read_results


def test_the_line_gives_both_accuracies_their_difference_and_the_labels() -> None:
    pretrained = {"scores": {"top1": 0.75}, "n": 200, "split": {"labelled": 20, "train": 400}}
    scratch = {"scores": {"top1": 0.625}, "n": 200, "split": {"labelled": 20, "train": 400}}
    assert demo.what_it_brought(pretrained, scratch) == (
        "Pre-training brought +12.5 points: 75.0 % of 200 test clips against 62.5 % from random weights, with 20 of "
        "400 training clips labelled."
    )


@pytest.mark.slow
def test_a_demo_trains_twice_with_few_labels_and_says_what_the_first_start_brought(
    registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "DATA", tiny.NAME)
    settings = tiny.options_of(*tiny.SMALL)
    folder = tmp_path / "demo"
    report = demo.run_demo(folder, 0, settings, lambda *_: None)
    results = {result["initialisation"]: result for result in read_results(folder / "results")}
    assert results.keys() == {"pretrained", "scratch"}
    assert {result["protocol"] for result in results.values()} == {"finetune"}
    out = " ".join(capsys.readouterr().out.split())
    assert demo.what_it_brought(results["pretrained"], results["scratch"]) in out
    assert str(report.name) in out
    demo.run_demo(folder, 0, settings, lambda *_: None)  # it replaces an earlier demo
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    with pytest.raises(CheckpointError, match="holds something that is not a demo"):
        demo.run_demo(tmp_path / "other", 0, settings, lambda *_: None)
