"""LOG.md, 'Pseudo-labels that label propagation begins': propagation on raw coordinates, decorrelated or not.

python lab/propagation.py        UTD-MHAD's training subjects held out in turn, five draws of two labels per class
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jointwise import load_dataset
from jointwise.data.clips import ClipCutter
from jointwise.data.label_subset import choose_labelled
from jointwise.evaluation import propagation
from jointwise.evaluation.features import RAW_FRAMES, extract, raw_features
from jointwise.evaluation.propagation import decorrelate, spread_labels

DRAWS = 5


def top1(train: Tensor, test: Tensor, places: Tensor, labels: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Per cent of the test clips that are named by the nearest labelled clip, and by label propagation."""
    spread = spread_labels(train, places, torch.from_numpy(labels), int(truth.max()) + 1)
    train, test = (functional.normalize(some, dim=1) for some in (train, test))
    nearest = labels[(test @ train[places].T).argmax(1).numpy()]
    spread_to = spread[(test @ train.T).argmax(1)].argmax(1).numpy()
    return 100 * float((nearest == truth).mean()), 100 * float((spread_to == truth).mean())


def main() -> None:
    """Print 1-NN and propagation for each held-out subject and way to compare clips."""
    for subject in (1, 3, 5, 7):
        dataset = load_dataset("utd-mhad").hold_out([subject])
        cutter = ClipCutter.from_store(dataset.store, RAW_FRAMES)
        features = raw_features(dataset.skeleton.root_index)
        raw = tuple(extract(features, cutter, torch.from_numpy(part.ids)) for part in (dataset.train, dataset.test))
        ways = {"raw": raw, "minus the mean": tuple(some - raw[0].mean(0) for some in raw)}
        for components in (50, 100, 200, 400):
            for share in (0.1, 0.2, 0.3, 0.5, 1.0):
                propagation.COMPONENTS, propagation.SHRINKAGE = components, share
                ways[f"{components} components, share {share}"] = decorrelate(*raw)
        for name, (train, test) in ways.items():
            scores = []
            for seed in range(DRAWS):
                labelled = choose_labelled(dataset.train, "2shot", seed, dataset.classes)
                places = torch.from_numpy(np.flatnonzero(np.isin(dataset.train.ids, labelled.ids)))
                scores.append(top1(train, test, places, labelled.labels, dataset.test.labels))
            nearest, spread = np.mean(scores, 0)
            print(f"held out {subject}: {name}: 1-NN {nearest:.1f}, propagation {spread:.1f}", flush=True)


if __name__ == "__main__":
    main()
