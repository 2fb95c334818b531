"""LOG.md, 'none of these, by what a model says of actions it never saw'.

Run: python lab/unknown_actions.py DATA FOLDER, DATA utd-mhad (7 of 27 classes left out) or sbu (2 of 8; seed k has fold
k + 1). Three seeds; each draws its classes. Trains what is not in FOLDER, writes results/unknown-actions/DATA.json.
Of each seed a run without every fourth training subject gives temperature and thresholds, and on its held-out clips,
those of left-out classes among them, max probability and energy are compared. The run on all training subjects is
judged on test subjects.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from jointwise import load_dataset
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.evaluation.calibration import (
    auroc,
    false_alarms,
    fit_temperature,
    probabilities,
    reliability,
    threshold_keeping,
)
from jointwise.evaluation.class_scores import class_logits
from jointwise.model.build import build_classifier
from jointwise.stages.calibrate import subjects_to_hold_out
from jointwise.training.checkpoint import load_weights
from jointwise.training.model_folder import load_model

LEFT_OUT = {"utd-mhad": 7, "sbu": 2}
SEEDS = 3
SETTINGS = ["--finetune.steps", "400", "--execution.precision", "bf16"]
SCORES = {  # of logits (n, K) and a temperature: higher is more known
    "max probability": lambda logits, temperature: probabilities(logits, temperature).max(1),
    "energy": lambda logits, temperature: temperature * logsumexp(logits / temperature, axis=1),
    "energy, temperature 1": lambda logits, _temperature: logsumexp(logits, axis=1),
}


def train(dataset: Dataset, classes: list[str], seed: int, run: Path, *more: str) -> Path:
    """A run from `base` on all labels of the known classes; as it is if it is there."""
    if not (run / "model" / "config.json").is_file():
        data = dataset.without(classes).arguments
        command = ["finetune", "base", *data, "--seed", str(seed), "--run", str(run), *SETTINGS, *more]
        subprocess.run([sys.executable, "-m", "jointwise", *command], check=True)
    return run


def scored(run: Path, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the clips of `dataset.test`, left-out classes among them, and their labels; -1 for left-out classes."""
    card, weights = load_model(run)
    dataset = dataset.on_joints(card.skeleton.joints)
    module = build_classifier(
        card.config, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed
    ).eval()
    load_weights(module, weights, run)
    cutter = ClipCutter.from_store(dataset.store, card.config.clip.frames)
    logits = class_logits(module, cutter, torch.from_numpy(dataset.test.ids), "fp32").numpy()
    names = [dataset.classes[label] for label in dataset.test.labels]
    return logits, np.array([card.classes.index(name) if name in card.classes else -1 for name in names])


def told_apart(name: str, parts: list[tuple[np.ndarray, np.ndarray]], temperature: float) -> dict[str, Any]:
    """What a score tells of known and unknown clips: held-out training subjects first, then test subjects."""
    found: dict[str, Any] = {}
    threshold = 0.0
    for part, (logits, labels) in zip(("held-out", "test"), parts, strict=True):
        scores = SCORES[name](logits.astype(np.float64), temperature)
        known, unknown = scores[labels >= 0], scores[labels < 0]
        threshold = threshold if part == "test" else threshold_keeping(known)
        found[part] = {
            "auroc": auroc(known, unknown),
            "false_alarms_at_95": false_alarms(known, unknown),
            "known_rejected": float((known < threshold).mean()),
            "unknown_accepted": float((unknown >= threshold).mean()),
        }
    return found


def measure(data: str, seed: int, folder: Path) -> dict[str, Any]:
    """One seed: its classes, temperature, calibration and what each score tells."""
    dataset = load_dataset(data, split=None if data == "utd-mhad" else f"fold{seed + 1}")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(dataset.classes))[: LEFT_OUT[data]])
    classes = [dataset.classes[place] for place in drawn]
    subjects = subjects_to_hold_out(dataset)
    stem = folder / f"{data}-seed{seed}"
    without = train(dataset, classes, seed, Path(f"{stem}-held-out"), "--validation_subjects", str(subjects))
    final = train(dataset, classes, seed, Path(f"{stem}-final"))
    parts = [scored(without, dataset.hold_out(subjects)), scored(final, dataset)]
    held, test = ((logits[labels >= 0], labels[labels >= 0]) for logits, labels in parts)
    temperature = fit_temperature(*held)
    before, after = (reliability(probabilities(test[0], value), test[1]) for value in (1.0, temperature))
    return {
        "data": data,
        "split": dataset.split,
        "seed": seed,
        "left_out": classes,
        "held_out_subjects": subjects,
        "clips": {
            part: {"known": int((labels >= 0).sum()), "unknown": int((labels < 0).sum())}
            for part, (_, labels) in zip(("held-out", "test"), parts, strict=True)
        },
        "temperature": temperature,
        "accuracy": float((test[0].argmax(1) == test[1]).mean()),
        "calibration_error": {"before": before.error, "after": after.error},
        "scores": {name: told_apart(name, parts, temperature) for name in SCORES},
    }


def main() -> None:
    """Measure all seeds, print a line of each and score, and write the result."""
    data, folder = sys.argv[1], Path(sys.argv[2])
    found = [measure(data, seed, folder) for seed in range(SEEDS)]
    for one in found:
        error = one["calibration_error"]
        print(
            f"{data} seed {one['seed']}: without {', '.join(one['left_out'])}: accuracy {one['accuracy']:.3f}, "
            f"temperature {one['temperature']:.2f}, calibration error {error['before']:.3f} -> {error['after']:.3f}"
        )
    for name in SCORES:
        for part in ("held-out", "test"):
            means = {key: [one["scores"][name][part][key] for one in found] for key in found[0]["scores"][name][part]}
            line = ", ".join(
                f"{key} {np.mean(values):.3f} ({' '.join(f'{value:.3f}' for value in values)})"
                for key, values in means.items()
            )
            print(f"{name}, {part}: {line}")
    out = Path("results", "unknown-actions", f"{data}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
