"""Makes a user's folder of small random recordings, a folder for each class."""

from pathlib import Path

import numpy as np
import yaml

from jointwise.data.dataset import Dataset, load_dataset


def write(path: Path, seed: int = 0, joints: int = 7, persons: int = 1, coordinates: int = 3, **about: object) -> None:
    """A jointwise .npz of random joints, 12 to 21 frames."""
    random = np.random.default_rng([seed, joints])
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (persons, int(random.integers(12, 22)), joints, coordinates)
    np.savez(path, positions=random.normal(size=shape).astype(np.float32), **about)  # type: ignore[arg-type]


def gestures(root: Path, classes: tuple[str, ...] = ("nod", "wave"), each: int = 10, **about: object) -> Path:
    for label, name in enumerate(classes):
        for number in range(each):
            subject = {"subject": 1 + number % 5} if about.get("subjects") else {}
            rest = {key: value for key, value in about.items() if key != "subjects"}
            write(root / name / f"{number:02d}.npz", 100 * label + number, **rest, **subject)  # type: ignore[arg-type]
    return root


def settings(root: Path, **content: object) -> Path:
    (root / "dataset.yaml").write_text(yaml.safe_dump(content))
    return root


def load(root: Path) -> Dataset:
    return load_dataset(f"{root}/")
