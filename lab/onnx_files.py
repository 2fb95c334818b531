"""LOG.md, 'A model without PyTorch': what an ONNX file, and 8-bit weights, cost in accuracy, and what they gain.

python lab/onnx_files.py scores RUN DATA           accuracy on the test part, sizes, time for one clip on one thread
python lab/onnx_files.py systems [NAME …]          whether every system can be exported, at quick size, random weights

Scores are of the evaluation clips. The file centres and fills each clip anew, as it does for anybody who runs it.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch

from jointwise import Recognizer, load_dataset
from jointwise.config.layers import make_config, to_settings
from jointwise.config.systems import systems
from jointwise.data.clips import ClipCutter
from jointwise.data.skeletons import NTU25
from jointwise.inference.onnx_export import export_onnx
from jointwise.model.build import build_classifier
from jointwise.training.model_card import ModelCard

torch.set_num_threads(1)


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def scores(run: str, data: str) -> None:
    recognizer, dataset = Recognizer.from_pretrained(run, device="cpu"), load_dataset(data)
    own = recognizer.card.on_own_joints(dataset, Path(run))
    cutter = ClipCutter.from_store(own.store, recognizer.card.config.clip.frames)
    labels = np.array([sequence.label for sequence in own.test])
    clips = [cutter.centre(torch.tensor([number])) for number in own.test.ids]
    fed = [{"positions": clip.positions.numpy(), "valid": clip.valid.numpy()} for clip in clips]
    classifier = recognizer._classifier
    assert classifier is not None

    @torch.no_grad()
    def by_torch(place: int) -> np.ndarray:
        return classifier(clips[place].persons()).softmax(-1)[0].numpy()

    ways = {"PyTorch": (by_torch, (Path(run) / "model" / "model.safetensors").stat().st_size)}
    with TemporaryDirectory() as folder:
        for name, int8 in (("ONNX", False), ("ONNX int8", True)):
            told = recognizer.export(Path(folder) / f"{name}.onnx", int8)
            session = session_of(told.path)
            ways[name] = (lambda place, own=session: own.run(["probabilities"], fed[place])[0][0], told.size)
        answers = {name: np.stack([way(place) for place in range(len(clips))]) for name, (way, _) in ways.items()}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(5):  # in turns, so that what else the machine does meets all
            for name, (way, _) in ways.items():
                begin = time.perf_counter()
                for place in range(40):
                    way(place)
                times[name].append((time.perf_counter() - begin) / 40)
    reference = answers["PyTorch"]
    print(f"{data}, {len(labels)} test clips, {run}")
    for name, found in answers.items():
        print(
            f"{name:10} top-1 {100 * (found.argmax(1) == labels).mean():5.1f}  same label as PyTorch "
            f"{100 * (found.argmax(1) == reference.argmax(1)).mean():5.1f} %  probability differs by "
            f"{np.abs(found - reference).max():.3f} at most, {np.abs(found - reference).max(1).mean():.4f} on average  "
            f"{ways[name][1] / 1e6:.2f} MB  {1e3 * min(times[name]):.2f} ms a clip, "
            f"{min(times['PyTorch']) / min(times[name]):.1f} times as fast"
        )
    plain, small = answers["ONNX"], answers["ONNX int8"]
    same, apart = (plain.argmax(1) == small.argmax(1)).mean(), np.abs(plain - small).max(1)
    print(
        f"int8 beside ONNX: same label {100 * same:.1f} %, differs by {apart.max():.3f}, {apart.mean():.4f} on average"
    )


def exportable(names: list[str]) -> None:
    classes = tuple(f"class {number}" for number in range(7))
    for name in names or list(systems()):
        config = make_config(name, "synthetic", quick=True)
        facts = {"data": "none", "data_fingerprint": "", "preparation": "", "seed": 0, "split": "", "size": 0.3}
        card = ModelCard("classifier", name, to_settings(config), NTU25, 3, classes, initialisation="scratch", **facts)
        classifier = build_classifier(config, card.recipe, NTU25, 3, len(classes), 0).eval()
        with TemporaryDirectory() as folder:
            told = export_onnx(card, classifier.encoder, classifier, Path(folder) / "model.onnx")
        print(f"{name:34} {config.encoder.axis:10} {config.clip.input:16} differs by {told.difference:.0e}", flush=True)


if __name__ == "__main__":
    command, *words = sys.argv[1:] or [""]
    if command == "scores" and len(words) == 2:
        scores(*words)
    elif command == "systems":
        exportable(words)
    else:
        sys.exit(__doc__)
