"""LOG.md, 'the raw floor': nearest neighbour on whole UTD-MHAD sequences, no test crop. Run: python lab/raw_floor.py"""

import torch
from torch.nn import functional

from jointwise import load_dataset

dataset = load_dataset("utd-mhad")
joints = dataset.skeleton.joints


def vectors(part, root: str, each_frame: bool) -> torch.Tensor:
    """Whole sequences resampled to 32 frames, relative to a joint of each frame or of the first."""
    rows = []
    for sequence in part:
        positions = torch.from_numpy(sequence.positions[0])
        origin = positions[:, [joints.index(root)]]
        relative = (positions - (origin if each_frame else origin[:1])).flatten(1).T[None]
        rows.append(functional.interpolate(relative, size=32, mode="linear").flatten())
    return torch.stack(rows)


labels = torch.from_numpy(dataset.train.labels)
truth = torch.from_numpy(dataset.test.labels)
for root in ("spine_mid", "spine_base"):
    for each_frame in (True, False):
        train, test = (vectors(part, root, each_frame) for part in (dataset.train, dataset.test))
        cosine = functional.normalize(test, dim=1) @ functional.normalize(train, dim=1).T
        scores = {"cosine": cosine.argmax(1), "euclidean": torch.cdist(test, train).argmin(1)}
        accuracy = {name: round(float((labels[best] == truth).float().mean()), 4) for name, best in scores.items()}
        print(f"root {root} of {'each' if each_frame else 'the first'} frame:", accuracy)
