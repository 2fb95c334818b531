"""Makes the model `base` that the package ships: a pool of sets whose terms allow it, pre-trained without labels.

python lab/base.py FOLDER        FOLDER holds wmft/, precog16/, uiprmd_kinect/, cmu/ and reactidle/

Twenty minutes on one core of a busy machine. An interrupted training goes on. Weights are written in half precision.
"""

import argparse
import json
import shutil
from pathlib import Path

from jointwise.cli import run as jointwise
from jointwise.training.checkpoint import load_tensors, save_tensors, write_json
from jointwise.training.model_folder import SEEN
from jointwise.training.shipped import SHIPPED

NAME = "base"
SETS = ("precog16", "uiprmd_kinect", "cmu", "reactidle")
TERMS = (
    "weights: Apache-2.0. Trained on: WMFT (BSD-3-Clause), PreCog-16 (MIT), ReActIdle (MIT), UI-PRMD (PDDL 1.0), CMU "
    "Graphics Lab Motion Capture Database (free for all uses; the data itself may not be resold), synthetic (jointwise)"
)
SETTINGS = (
    *("--encoder.width", "64", "--encoder.heads", "4", "--clip.frames", "32", "--pretrain.steps", "5000"),
    *("--execution.precision", "bf16", "--execution.log_every", "250"),
)
RUN = Path("runs/base")


def ship(model: Path, target: Path) -> None:
    """Copy a model folder in half precision, with the terms of its data."""
    target.mkdir(parents=True, exist_ok=True)
    tensors = load_tensors(model / "model.safetensors")
    # a single number is a unit, which must stay exact
    halved = {name: tensor.half() if tensor.ndim else tensor for name, tensor in tensors.items()}
    save_tensors(target / "model.safetensors", halved)
    shutil.copy(model / SEEN, target / SEEN)
    said = {"terms": TERMS, "sources": [{"data": NAME, "terms": TERMS}]}
    write_json(target / "config.json", json.loads((model / "config.json").read_text()) | said)


def main() -> None:
    """Prepare, pool, pre-train and ship."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    jointwise(["prepare", "wmft", "--root", str(args.folder / "wmft")])
    jointwise(["pool", NAME, "wmft", *(f"{args.folder / name}/" for name in SETS), "synthetic"])
    resume = ["--resume"] if (RUN / "config.yaml").is_file() else []
    if not (RUN / "model" / "config.json").is_file():
        jointwise(["pretrain", "recommended", "--data", NAME, "--run", str(RUN), *SETTINGS, *resume])
    ship(RUN / "model", SHIPPED / NAME)


if __name__ == "__main__":
    main()
