"""2D poses from end to end: a folder, pre-training, fine-tuning, scores, answers and pages; never mixed with 3D."""

from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from jointwise import cli
from jointwise.data.dataset import load_dataset
from jointwise.data.formats import npz
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, NTU25
from jointwise.errors import CheckpointError, ReadError
from jointwise.evaluation.results import read_results
from jointwise.inference.recognizer import Recognizer
from jointwise.training.model_folder import load_card


def flat(seed: int, label: int) -> Sequence:
    """20 frames in pixels; a wrist that moves to a side, and an ankle whose confidence is low in half of the frames."""
    random = np.random.default_rng(seed)
    positions = 300 + 100 * random.normal(size=(1, 1, 17, 2)) + random.normal(size=(1, 20, 17, 2)).cumsum(1)
    positions[..., COCO17.joints.index("left_wrist"), label] += 8 * np.arange(20)
    confidence = np.full((1, 20, 17), 0.9, np.float32)
    confidence[:, :10, COCO17.joints.index("left_ankle")] = 0.1
    return Sequence(positions, COCO17, confidence >= 0.3, 25.0, confidence=confidence)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of six 2D recordings each, and the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    for label, name in enumerate(("aside", "down")):
        (tmp_path / "flat" / name).mkdir(parents=True)
        for number in range(6):
            npz.write(tmp_path / "flat" / name / f"{number}.npz", flat(10 * label + number, label))
    return tmp_path


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*bones of coco17 do not fit")  # the made-up joints are no body
def test_flat_poses_go_all_the_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("prepare", "flat/")
    run("pretrain", tiny.SYSTEM, "--data", "flat/", "--quick", *tiny.SMALL, "--run", "before")
    assert load_card(folder / "before").coordinates == 2
    dataset = load_dataset("flat/")
    seen = dataset.train[0].validity[0, :, COCO17.joints.index("left_ankle")]
    assert seen.tolist() == [False] * 10 + [True] * 10  # low confidence is a joint that was not seen
    run("finetune", "before", "--data", "flat/", "--quick", *tiny.SMALL, "--run", "after", "--results", "results")
    run("evaluate", "before", "--protocol", "knn", "--data", "flat/", "--results", "results")
    assert {result["protocol"] for result in read_results(folder / "results")} == {"knn", "finetune"}
    capsys.readouterr()
    run("predict", "after", "flat/down/3.npz")
    assert capsys.readouterr().out.startswith("flat/down/3.npz: ")
    run("view", "flat/down/3.npz", "--out", "page.html")
    assert "3.npz" in (folder / "page.html").read_text()

    recognizer = Recognizer.from_pretrained("after")
    with pytest.raises(ReadError, match="deep: 3 coordinates per joint, but this model was trained on 2D recordings"):
        recognizer.predict(Sequence(np.zeros((1, 5, 25, 3)), NTU25, source="deep"))
    with pytest.raises(ReadError, match="2 coordinates per joint, but this model was trained on 3D recordings"):
        Recognizer.from_pretrained("base").features("flat/down/3.npz")
    with pytest.raises(CheckpointError, match="made for 3 coordinates per joint, but 'flat' has 2"):
        run("pretrain", "base", "--data", "flat/", "--quick", "--run", "refused")
