"""Models that others trained, made into runs of ours. Each method has its own file, such as mamp_checkpoint.py."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from jointwise.config.layers import to_settings
from jointwise.data.centring import PREPARATION
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError, unknown
from jointwise.model.size import count_parameters
from jointwise.stages.foreign_checkpoint import Foreign
from jointwise.stages.mamp_checkpoint import import_mamp
from jointwise.training.checkpoint import write_json
from jointwise.training.costs import Costs
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import save_model
from jointwise.training.provenance import provenance
from jointwise.training.run_folder import opened_run

# (checkpoint, heads, skeleton) -> the model in our networks; None: what the file says, or what was published
IMPORTS: dict[str, Callable[[Path, int | None, Skeleton | None], Foreign]] = {"mamp": import_mamp}

NOT_KNOWN = "not known: the imported file does not say"


@dataclass(frozen=True)
class Imported:
    """What a checkpoint was made into.

    Args:
        card: The card of the model.
        assumed: Sentences on what was assumed because the file does not tell it.
    """

    card: ModelCard
    assumed: tuple[str, ...]


def import_checkpoint(
    method: str, checkpoint: Path, folder: Path, heads: int | None = None, skeleton: Skeleton | None = None
) -> Imported:
    """Make a run of a checkpoint; its model is of kind `pretrained`.

    What such a model was trained on cannot be checked. Its card calls the data `unknown-imported-<file>`, and its list
    of sequences seen is empty. Where something is raised, nothing is written.

    Args:
        method: A key of IMPORTS.
        checkpoint: The file.
        folder: The run folder to make.
        heads: Attention heads; None: those in the file, or those that were published.
        skeleton: Joints of the sequences the model takes; None: those that the method was published with.

    Returns:
        The card of the model, and what was assumed.

    Raises:
        ConfigError: The method is unknown, the folder is not empty, or heads or skeleton contradict the file.
        CheckpointError: The file is damaged, or no checkpoint of the method.
    """
    if method not in IMPORTS:
        raise ConfigError(unknown("method", method, IMPORTS))
    foreign = IMPORTS[method](checkpoint, heads, skeleton)
    config, objective = foreign.config, foreign.objective
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {
        "stage": "import",
        "system": config.system,
        "data": f"unknown-imported-{checkpoint.stem}",
        "split": NOT_KNOWN,
        "seed": 0,
        "labels": "none",
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": digest,
        "assumed": list(foreign.assumed),
    }
    card = ModelCard(
        kind="pretrained",
        system=config.system,
        settings=to_settings(config),
        skeleton=foreign.skeleton,
        coordinates=foreign.coordinates,
        classes=(),
        data=str(about["data"]),
        data_fingerprint=NOT_KNOWN,
        preparation=PREPARATION,
        seed=0,
        split=NOT_KNOWN,
        terms=f"those of {checkpoint.name} and of the data it was trained on, which it does not name",
        costs=Costs(parameters=count_parameters(encoder=objective.encoder, pretrain=objective)),
    )
    with opened_run(folder, config, about, resume=False):
        save_model(folder / "model", card, objective.state_dict(), seen=set())
        known = card.costs.of_run(str(about["stage"]))
        write_json(folder / "run.json", about | known | provenance(torch.device("cpu"), "fp32"))
    return Imported(card, foreign.assumed)
