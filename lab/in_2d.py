"""LOG.md, '`base` on 2D poses': UTD-MHAD as a camera sees it, as a folder of recordings in pixels.

python lab/in_2d.py FOLDER OUT        FOLDER holds the `.mat` files of UTD-MHAD
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import jointwise
from jointwise.data.formats import npz

FOCAL = 525.0  # pixels, of a Kinect v1
MIDDLE = np.array([320.0, 240.0])


def main() -> None:
    """Project every recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for file in sorted(args.folder.rglob("*_skeleton.mat")):
        recording = jointwise.read(file)
        places = recording.positions
        # x grows to the right of a person who faces the camera: to the left of the image
        pixels = MIDDLE - FOCAL * places[..., :2] / places[..., 2:]
        target = args.out / file.name.split("_")[0] / f"{file.stem}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        flat = replace(recording, positions=pixels.astype(np.float32), label=None, units="px", up="-y")
        npz.write(target, flat)
    (args.out / "dataset.yaml").write_text("test_subjects: [2, 4, 6, 8]\n")


if __name__ == "__main__":
    main()
