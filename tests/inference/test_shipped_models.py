"""The models in the package: small, offline, with terms, and of use on other layouts."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.data.mapping import map_to_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, H36M17, KINECT20, NTU25, SBU15, Skeleton
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning
from jointwise.inference.recognizer import Recognizer
from jointwise.training.checkpoint import load_tensors
from jointwise.training.model_folder import load_card, load_trained_on, model_folder
from jointwise.training.shipped import SHIPPED, shipped_models

MOST_BYTES = 5e6


def recorded(action: str, subject: int) -> Sequence:
    return next(generate(subjects=[subject], cameras=[2], actions=[ACTIONS.index(action)]))


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_small_halved_and_says_what_it_may_be_used_for(name: str) -> None:
    folder = SHIPPED / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES
    for tensor in load_tensors(folder / "model.safetensors").values():
        assert tensor.dtype == (torch.float16 if tensor.ndim else torch.float32)
    card = load_card(Path(name))
    assert card.kind == "pretrained"
    for named in ("WMFT", "PreCog-16", "ReActIdle", "UI-PRMD", "CMU", "synthetic"):
        assert named in card.terms
    assert len(card.mixture) == 6
    assert len(load_trained_on(Path(name))) > 1000


def test_a_folder_is_opened_before_a_model_of_its_name(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "base" in shipped_models()
    monkeypatch.chdir(tmp_path)
    assert model_folder(Path("base")) == SHIPPED / "base"
    (tmp_path / "base").symlink_to(pretrained)
    assert model_folder(Path("base")) == Path("base/model")
    with pytest.raises(CheckpointError, match="no such folder"):
        model_folder(Path("bass"))
    with pytest.raises(ConfigError, match="did you mean 'base'"):
        jointwise(["finetune", "bass", "--data", "synthetic"])


@pytest.mark.parametrize("layout", [NTU25, KINECT20, H36M17, COCO17, SBU15], ids=lambda layout: layout.name)
def test_base_describes_recordings_of_any_layout(layout: Skeleton) -> None:
    """A recording on fewer joints is nearer to itself on all than to another action of another person."""
    recognizer = Recognizer.from_pretrained("base")
    waving = recorded("wave", 1)
    whole, other = (recognizer.features(some, "joint-phases") for some in (waving, recorded("kick", 2)))
    with pytest.warns(JointwiseWarning, match="of 25 joints") if layout is not NTU25 else nullcontext():
        some = recognizer.features(map_to_layout(waving, layout), "joint-phases")
    assert np.isfinite(some).all()
    assert some.shape == whole.shape

    def similarity(one: np.ndarray, two: np.ndarray) -> float:
        both = (one != 0) & (two != 0)  # joints that a layout lacks have zeros
        return float(np.corrcoef(one[both], two[both])[0, 1])

    assert similarity(some, whole) > similarity(some, other)


@pytest.mark.slow
def test_base_is_fine_tuned_with_few_labels(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ("--finetune.steps", "3", "--finetune.hidden", "16", "--semi.steps", "3")
    few = ("--data", tiny.NAME, "--labels", "2shot", *steps)
    jointwise(["finetune", "base", *few, "--run", "few"])
    card = load_card(tmp_path / "few")
    assert (card.pretrained_on, card.initialisation) == ("base", "pretrained")
    assert "UI-PRMD (PDDL 1.0)" in card.terms
    assert len(card.skeleton.joints) == 20
    jointwise(["finetune", "base", *few, "--unlabelled", "pseudo", "--run", "semi"])
    jointwise(["pretrain", "base", "--data", tiny.NAME, "--pretrain.steps", "2", "--run", "further"])
    assert load_card(tmp_path / "further").pretrained_on == "base"


def test_models_are_listed_with_terms_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["models"])
    printed = capsys.readouterr().out
    for expected in ("base", "25 (ntu25)", "wmft", "UI-PRMD (PDDL 1.0)", "jointwise finetune base --data DATA"):
        assert expected in printed
