"""An ONNX file gives PyTorch's answers, says what it is, and runs where neither torch nor jointwise is."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.cli import run as command
from jointwise.data.centring import prepare_sequence
from jointwise.data.clips import ClipCutter
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20
from jointwise.errors import ConfigError, StorageError
from jointwise.inference import onnx_export
from jointwise.inference.onnx_export import TOLERANCE, export_onnx, metadata, temperature_of
from jointwise.inference.onnx_graph import ClipGraph
from jointwise.inference.recognizer import Recognizer
from jointwise.training.model_card import ModelCard

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-without-pytorch.md"

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def recognizer(finetuned: Path) -> Recognizer:
    return Recognizer.from_pretrained(finetuned, device="cpu")


@pytest.fixture(scope="module")
def exported(recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier as an ONNX file. Read only."""
    return recognizer.export(tmp_path_factory.mktemp("onnx") / "new" / "model.onnx").path


@pytest.fixture
def traced(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is not traced again: what was is taken."""
    monkeypatch.setattr(onnx_export, "_traced", lambda *_: onnx.load(exported))


def facts_of(path: Path) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}


def run(path: Path, positions: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"positions": positions, "valid": valid}), strict=True))


def whole(sequence: Sequence, frames: int = 16) -> Sequence:
    """Some frames of a recording, in which somebody is seen at either end."""
    valid = sequence.validity[:, :frames].copy()
    valid[0, [0, -1], 0] = True
    return replace(sequence, positions=sequence.positions[:, :frames], valid=valid)


@pytest.mark.slow
def test_the_file_names_pieces_of_recordings_as_the_recognizer_does(exported: Path, recognizer: Recognizer) -> None:
    for sequence in tiny.sequences()[:8]:
        piece = whole(sequence)
        found = run(exported, piece.positions[None], piece.validity[None])
        (segment,) = recognizer.timeline(piece.on_persons([0]), window=1e3, hop=1e3)
        alone = run(exported, piece.positions[None, :1], piece.validity[None, :1])
        answers = recognizer._answers
        assert answers is not None
        prepared = prepare_sequence(piece)
        (wanted,) = answers.of([recognizer._inputs.whole(prepared)], [prepared])
        np.testing.assert_allclose(found["probabilities"][0], wanted.probabilities, atol=TOLERANCE)  # type: ignore[union-attr]
        if segment.label in tiny.CLASSES:
            assert segment.label == tiny.CLASSES[int(alone["probabilities"][0].argmax())]


@pytest.mark.slow
@pytest.mark.parametrize(("clips", "persons"), [(1, 1), (1, 4), (3, 2), (8, 2)])
def test_clips_and_persons_are_free(exported: Path, clips: int, persons: int) -> None:
    positions = np.random.default_rng(0).normal(size=(clips, persons, 16, 20, 3)).astype(np.float32)
    found = run(exported, positions, np.ones(positions.shape[:-1], bool))
    assert found["probabilities"].shape == (clips, len(tiny.CLASSES))
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, atol=1e-5)
    padded = np.concatenate([positions, np.full_like(positions[:, :1], np.nan)], 1)
    empty = run(exported, padded, np.isfinite(padded).all(-1))
    np.testing.assert_allclose(empty["logits"], found["logits"], atol=TOLERANCE)


@pytest.mark.slow
def test_the_file_says_what_it_is_and_nothing_of_the_machine(exported: Path, recognizer: Recognizer) -> None:
    facts, card = facts_of(exported), recognizer.card
    assert facts["classes"] == list(tiny.CLASSES)
    assert facts["joints"] == list(KINECT20.joints)
    assert (facts["frames"], facts["coordinates"]) == (16, 3)
    assert facts["trained_on"] == {source["data"]: source["terms"] for source in card.all_sources()}
    assert facts["data_fingerprint"] == card.data_fingerprint
    assert facts["jointwise"] == card.code_version
    assert facts["coordinate_rms"] == card.size
    content = exported.read_bytes()
    for folder in (os.path.dirname(onnx_export.__file__), os.path.expanduser("~"), sys.prefix):
        assert folder.encode() not in content
    shape = onnx.load(exported, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_param or size.dim_value for size in shape] == ["clips", "persons", 16, 20, 3]


@pytest.mark.slow
def test_the_page_example_needs_neither_torch_nor_jointwise(
    exported: Path, recognizer: Recognizer, tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    (tmp_path / "recognise.py").write_text(code)
    for name in ("torch", "jointwise"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    sequence = whole(tiny.walk(0, 2, 1), 30)
    np.save(tmp_path / "clip.npy", np.where(sequence.validity[..., None], sequence.positions, np.nan))
    done = subprocess.run(
        [sys.executable, "recognise.py", str(exported), "clip.npy"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *named, last = done.stdout.splitlines()
    complete = replace(sequence, valid=None)  # resampled, the whole recording is the one clip
    cutter = ClipCutter.from_sequence(complete, 16)
    clip = cutter.cut(torch.tensor([0]), torch.tensor([0]), cutter.lengths)
    seen = ClipCutter.from_sequence(sequence, 16).cut(torch.tensor([0]), torch.tensor([0]), cutter.lengths).valid
    wanted = run(exported, clip.positions.numpy(), seen.numpy())["probabilities"][0]
    stated = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in named}
    best = [tiny.CLASSES[place] for place in np.argsort(-wanted)[:3]]
    assert next(iter(stated)) == best[0]
    assert stated[best[0]] == pytest.approx(wanted.max(), abs=0.05)  # gaps are left out of means here, filled there
    assert last in ("one of these", "none of these")


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_a_file_with_other_answers_is_refused_and_not_kept(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = onnx_export.as_recognized

    def shifted(*args: Any) -> Any:
        return {name: values + 2 * TOLERANCE for name, values in original(*args).items()}

    monkeypatch.setattr(onnx_export, "as_recognized", shifted)
    (tmp_path / "model.onnx").write_text("of before")
    with pytest.raises(StorageError, match=r"not written\. onnxruntime gives other answers"):
        recognizer.export(tmp_path / "model.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of before"]


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_weights_in_eight_bits_make_a_smaller_file_with_nearly_the_same_answers(
    recognizer: Recognizer, exported: Path, tmp_path: Path
) -> None:
    told = recognizer.export(tmp_path / "small.onnx", int8=True)
    assert facts_of(told.path)["weights"] == "int8"
    kinds = {node.op_type for node in onnx.load(told.path).graph.node}
    assert "MatMulInteger" in kinds
    rng = np.random.default_rng(0)
    positions = (rng.normal(0, 0.3, (4, 1, 1, 20, 3)) + rng.normal(0, 0.02, (4, 1, 16, 20, 3))).astype(np.float32)
    valid = np.ones(positions.shape[:-1], bool)
    small, large = (run(path, positions, valid)["probabilities"] for path in (told.path, exported))
    assert 0 < np.abs(small - large).max() < 0.05


def test_probabilities_have_the_temperature_of_the_calibration(recognizer: Recognizer) -> None:
    calibrated: Any = SimpleNamespace(calibration=SimpleNamespace(temperature=2.5))
    assert (temperature_of(recognizer.card), temperature_of(calibrated)) == (1.0, 2.5)


def test_a_missing_library_is_named_with_what_installs_it(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ConfigError, match=r'needs onnxscript: pip install "jointwise\[onnx\]"'):
        recognizer.export(tmp_path / "model.onnx")


def test_a_model_whose_root_is_none_of_its_joints_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    card: ModelCard = recognizer.card
    rootless = replace(card, skeleton=replace(card.skeleton, root=None), recorded=card.skeleton)
    with pytest.raises(ConfigError, match="the origin of this model's recordings is the joint 'spine_mid'"):
        export_onnx(rootless, recognizer._encoder, recognizer._classifier, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_the_command_says_what_it_wrote_and_how_it_was_checked(
    finetuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(["export", str(finetuned), "--to", "onnx", "--out", str(tmp_path / "model.onnx")])
    said = capsys.readouterr().out
    assert "16 frames, 20 joints, 3 coordinates" in said
    assert "on 12 clips" in said
    assert facts_of(tmp_path / "model.onnx")["weights"] == "float32"


def test_metadata_of_a_pre_trained_model_names_no_class_and_no_limits(pretrained: Path) -> None:
    encoder = Recognizer.from_pretrained(pretrained, device="cpu")
    graph = ClipGraph(encoder._encoder, None, encoder.card.config.clip.segment, encoder.card.skeleton.root_index)
    facts = {key: json.loads(value) for key, value in metadata(encoder.card, graph, int8=False).items()}
    assert (facts["classes"], facts["least_movement"], facts["largest_movement"]) == ([], 0, None)
    assert (facts["least_probability"], facts["calibration"]) == (0, None)


def test_eight_bits_are_for_onnx_files_only(finetuned: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--int8 is for --to onnx, not for --to hub"):
        command(["export", str(finetuned), "--to", "hub", "--out", str(tmp_path / "new"), "--int8"])


def test_a_folder_is_no_file(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a folder. Name a file, such as .*model.onnx"):
        recognizer.export(tmp_path)


def test_an_exporter_that_fails_says_what_to_upgrade(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(torch.onnx, "export", fails)
    monkeypatch.setattr(torch.export, "export", fails)
    with pytest.raises(ConfigError, match=r"cannot write this model as ONNX \(no such operator\). Upgrade both"):
        recognizer.export(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
