"""Writes a model as an ONNX file that needs neither PyTorch nor jointwise, and checks the file before it is kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import jointwise
from jointwise.data.centring import prepare_sequence
from jointwise.data.movement import LARGEST_SHARE, LEAST_SHARE, movement
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, ReadError, StorageError, writing
from jointwise.evaluation.features import encoder_features
from jointwise.inference.answers import Answers
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import join_clips
from jointwise.inference.onnx_graph import ClipGraph
from jointwise.inference.windows import usual_window
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.training.model_card import ModelCard

EXTRA = "onnx"
OPSET = 18  # of the operators in the file: the one that every version of the exporter writes without converting
TOLERANCE = 1e-4  # of an output, relative to 1 or to its size; more is another answer
INSIDE = "origin to the root of the main person, gaps filled, persons averaged, empty person slots ignored"
OUTSIDE = (
    "joints named and ordered as in 'joints'; axes, unit and cleaning as in training; the action, or windows of "
    "'seconds', resampled to 'frames' frames; each person in one slot throughout"
)
_CHECKED = (1, 3, 8)  # clips in the batches of the check
_PERSONS = 2  # in those batches

Arrays = dict[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        path: The file.
        size: Its bytes.
        shape: M is free, as is the number of clips: T, V and C, the shape of a person.
        clips: Clips on which onnxruntime was compared with PyTorch.
        difference: Largest difference of an output, relative to 1 or to its size.
    """

    path: Path
    size: int
    shape: tuple[int, int, int]
    clips: int
    difference: float


def export_onnx(
    card: ModelCard, encoder: Encoder, classifier: Classifier | None, path: Path, int8: bool = False
) -> Exported:
    """Writes a model as an ONNX file, with the facts of its card in it.

    The written file is opened with onnxruntime and compared with PyTorch, which prepares and computes as `Recognizer`
    does, on clips with missing joints and missing persons. A file that differs is not kept.

    Args:
        card: What the model is.
        encoder: Its encoder.
        classifier: Its classifier; None for a model that is pre-trained only.
        path: The file that is written, replaced if it is there.
        int8: Whether weights are stored in 8 bits. Answers then differ, and how much is told and not checked.

    Returns:
        What was written.

    Raises:
        ConfigError: A library is not installed, or the model is one that no fixed graph can serve.
        StorageError: The file cannot be written, or gives other answers than PyTorch.
    """
    _check_installed()
    _check_origin(card)
    if path.is_dir():
        raise ConfigError(f"{path}: a folder. Name a file, such as {path / 'model.onnx'}.")
    segment, root = card.config.clip.segment, card.skeleton.root_index
    graph = ClipGraph(encoder, classifier, segment, root, temperature_of(card)).eval()
    written = path.with_name(f"{path.name}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(card, graph, written, int8)
        difference = _largest_difference(card, encoder, classifier, written)
        if difference > TOLERANCE and not int8:
            raise StorageError(
                f"{path}: not written. onnxruntime gives other answers than PyTorch for the exported model: they "
                f"differ by {difference:.1g}, more than {TOLERANCE:g}. Newer versions of torch, onnxscript or "
                "onnxruntime may agree; else please report it."
            )
        with writing(path):
            written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    shape = (card.config.clip.frames, len(card.skeleton.joints), card.coordinates)
    return Exported(path, path.stat().st_size, shape, sum(_CHECKED), difference)


def _check_installed() -> None:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f'writing ONNX needs {" and ".join(missing)}: pip install "jointwise[{EXTRA}]"')


def _check_origin(card: ModelCard) -> None:
    """A graph moves the origin as preparation did, which it cannot where the root is none of the model's joints."""
    if card.recorded is not None and card.recorded.root is not None and card.skeleton.root is None:
        raise ConfigError(
            f"the origin of this model's recordings is the joint '{card.recorded.root}', which is none of the "
            f"{len(card.skeleton.joints)} joints that it takes. So a file that gets these alone cannot find the "
            "origin. Train it on data whose joints include the root."
        )


def temperature_of(card: ModelCard) -> float:
    """What logits are divided by before they become probabilities; 1 for a model that was never calibrated.

    Args:
        card: What the model is.
    """
    return 1.0 if card.calibration is None else card.calibration.temperature


def metadata(card: ModelCard, graph: ClipGraph, int8: bool) -> dict[str, str]:
    """What an ONNX file says of itself; every value is JSON.

    Args:
        card: What the model is.
        graph: What is written.
        int8: Whether weights are stored in 8 bits.

    Returns:
        Key -> JSON.
    """
    low, high = card.movement or (0.0, None)
    calibration = card.calibration
    facts: dict[str, Any] = {
        "classes": card.classes,
        "joints": card.skeleton.joints,
        "coordinates": card.coordinates,
        "frames": card.config.clip.frames,
        "seconds": usual_window(card.recording_seconds),
        "fps": card.fps,
        "up": card.axes.up,
        "mirrored": card.axes.mirrored,
        "coordinate_rms": card.size,
        "root": card.skeleton.root,
        "prepared_inside": INSIDE,
        "prepared_outside": OUTSIDE,
        "cleaning": card.cleaning,
        "least_movement": LEAST_SHARE * low,
        "largest_movement": None if high is None else LARGEST_SHARE * high,
        "least_probability": 0.0 if calibration is None else calibration.threshold,
        "calibration": None if calibration is None else asdict(calibration),
        "weights": "int8" if int8 else "float32",
        "system": card.system,
        "trained_on": {source["data"]: source["terms"] for source in card.all_sources()},
        "data_fingerprint": card.data_fingerprint,
        "weights_fingerprint": _fingerprint(graph),
        "jointwise": jointwise.__version__,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def _fingerprint(graph: nn.Module) -> str:
    """A digest of the weights, the same for the same weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(graph.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _write(card: ModelCard, graph: ClipGraph, path: Path, int8: bool) -> None:
    """Writes the graph, with the facts of the card."""
    import onnx

    model = _traced(graph, tuple(map(torch.from_numpy, _example(card, _CHECKED[1], 0))))
    if int8:
        model = _in_int8(model, path)
    _clean(model)
    onnx.helper.set_model_props(model, metadata(card, graph, int8))
    onnx.save(model, path)


def _traced(graph: ClipGraph, example: tuple[Tensor, ...]) -> Any:
    """The graph as an ONNX model, for any number of clips and persons."""
    sizes = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)  # clips and persons
    try:
        with _quiet():
            program = torch.export.export(graph, example, dynamic_shapes=(sizes, sizes))
            exported = torch.onnx.export(
                program,
                input_names=["positions", "valid"],
                output_names=list(graph.outputs),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            assert exported is not None
            return exported.model_proto
    except Exception as error:  # of any kind, from deep inside
        onnxscript = importlib.metadata.version("onnxscript")
        raise ConfigError(
            f"torch {torch.__version__} with onnxscript {onnxscript} cannot write this model as ONNX "
            f"({str(error).strip().partition(chr(10))[0][:200]}). Upgrade both: pip install -U torch onnxscript"
        ) from error


def _clean(model: Any) -> None:
    """Removes notes of the exporter, such as paths of this machine, and names the free sizes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")  # shapes inside, of which onnxruntime makes its own
    for value in (*graph.input, *graph.output):
        for place, size in enumerate(value.type.tensor_type.shape.dim):
            if not size.HasField("dim_value"):
                size.dim_param = ("clips", "persons")[place]


def _in_int8(model: Any, path: Path) -> Any:
    """The model with the weights of matrix products in 8 bits, one scale per column."""
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    with _quiet():
        quantize_dynamic(model, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True)
    return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without words of the libraries that tell a user nothing."""
    exporter = logging.getLogger("torch.onnx._internal.exporter._registration")  # that torchvision is missing
    level = exporter.level

    def told(record: logging.LogRecord) -> bool:
        return "Please consider to run pre-processing before quantization" not in str(record.msg)

    root = logging.getLogger()
    exporter.setLevel(logging.ERROR)
    root.addFilter(told)
    try:
        with warnings.catch_warnings():
            # of each other's old forms, from the libraries to themselves; the written file is checked anyway
            warnings.filterwarnings("ignore", module=r"(torch|onnxscript|onnx_ir|onnxruntime|copyreg)\b")
            yield
    finally:
        exporter.setLevel(level)
        root.removeFilter(told)


def _example(card: ModelCard, clips: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Random walks as clips (B, M, T, V, C), as large as the model's data, and which joints are valid.

    A fifth of the joints is missing, one for a while and one for good; every other clip has one person only.
    """
    rng = np.random.default_rng(seed)
    frames, joints = card.config.clip.frames, len(card.skeleton.joints)
    size = card.size or 1.0
    steps = rng.normal(0, 0.1, (clips, _PERSONS, frames, joints, card.coordinates)).cumsum(2)
    places = rng.normal(0, 1, (clips, _PERSONS, 1, joints, card.coordinates)) + steps + rng.normal(0, 3)
    valid = rng.random((clips, _PERSONS, frames, joints)) > 0.2
    valid[:, 0, frames // 4 : frames // 2, joints // 2] = False
    valid[:, 0, :, joints // 3] = False
    valid[:, 0, 0], valid[:, 0, -1, 0] = valid[:, 0, 0] | ~valid[:, 0, 0].any(1, keepdims=True), True
    valid[::2, 1] = False
    return (size * places).astype(np.float32), valid


def _largest_difference(card: ModelCard, encoder: Encoder, classifier: Classifier | None, path: Path) -> float:
    """The largest difference between onnxruntime and PyTorch over all outputs and all batches of the check."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    worst = 0.0
    for seed, clips in enumerate(_CHECKED):
        positions, valid = _example(card, clips, seed)
        found = dict(zip(names, session.run(names, {"positions": positions, "valid": valid}), strict=True))
        for name, wanted in as_recognized(card, encoder, classifier, positions, valid).items():
            other = found[name]
            if other.shape != wanted.shape or not np.isfinite(other).all():
                return float("inf")
            worst = max(worst, float((np.abs(other - wanted) / np.maximum(1, np.abs(wanted))).max()))
    return worst


@torch.no_grad()
def as_recognized(
    card: ModelCard,
    encoder: Encoder,
    classifier: Classifier | None,
    positions: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
) -> Arrays:
    """The outputs of a file as `Recognizer` computes them: prepared by numpy, persons packed.

    Args:
        card: What the model is.
        encoder: Its encoder.
        classifier: Its classifier; None for a model that is pre-trained only.
        positions: (B, M, T, V, C); somebody is seen in the first and in the last frame of each clip.
        valid: (B, M, T, V) bool.

    Returns:
        The name of each output, and its values.
    """
    device = next(encoder.parameters()).device
    inputs = Inputs(card, device)
    pieces = [
        prepare_sequence(Sequence(positions=places, valid=seen, skeleton=card.skeleton, source="check"))
        for places, seen in zip(positions, valid, strict=True)
    ]
    clips = [inputs.whole(piece) for piece in pieces]
    describe = encoder_features(encoder, card.config.clip.segment, "mean")
    outputs: Arrays = {
        "features": torch.cat([describe(clip) for clip in clips]).cpu().numpy(),
        "movement": np.array([movement(piece) for piece in pieces]),
    }
    if classifier is not None:
        outputs["logits"] = classifier(join_clips(clips)).cpu().numpy()
        answers = Answers(card, classifier).of(clips, pieces)
        outputs["probabilities"] = np.stack([_told(answer) for answer in answers])
    return outputs


def _told(answer: Any) -> npt.NDArray[np.float64]:
    """The probabilities of an answer. Raises the error where there is none."""
    if isinstance(answer, ReadError):
        raise answer
    probabilities: npt.NDArray[np.float64] = answer.probabilities
    return probabilities
