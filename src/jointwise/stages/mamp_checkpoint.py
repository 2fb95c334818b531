"""Official checkpoints of MAMP (Mao et al., ICCV 2023): the same weights under other names, in other shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data.skeletons import NTU25, Skeleton, unnamed_skeleton
from jointwise.errors import CheckpointError, ConfigError
from jointwise.model.build import build_objective
from jointwise.stages.foreign_checkpoint import Foreign, load_checkpoint
from jointwise.training.checkpoint import describe_mismatch, load_weights

SYSTEM = "mamp_published"
HEADS = 8  # of the published models

CONVOLUTION = "joints_embed.proj.weight"  # (D, C, s, 1), where ours is linear over (frame, coordinate): (D, s · C)
EMBEDDINGS = ("temp_embed", "pos_embed", "decoder_temp_embed", "decoder_pos_embed")  # ours lack the leading 1
_SIZED = {CONVOLUTION: 4, "temp_embed": 4, "pos_embed": 4, "mask_token": 3}  # weights that give sizes -> their axes

_OFFICIAL = {  # parts of our names -> of theirs
    "student.embed.proj": "joints_embed.proj",
    "student.embed.position.segment": "temp_embed",
    "student.embed.position.joint": "pos_embed",
    "student.transformer.": "",
    "decoder.mask_token": "mask_token",
    "decoder.embed": "decoder_embed",
    "decoder.position.segment": "decoder_temp_embed",
    "decoder.position.joint": "decoder_pos_embed",
    "decoder.transformer.": "decoder_",
    "decoder.head": "decoder_pred",
    ".mlp.0.": ".mlp.fc1.",
    ".mlp.2.": ".mlp.fc2.",
}


def official_name(name: str) -> str:
    """The name of one of our weights in MAMP's code.

    >>> official_name("decoder.transformer.blocks.2.mlp.0.bias")
    'decoder_blocks.2.mlp.fc1.bias'
    """
    for ours, theirs in _OFFICIAL.items():
        name = name.replace(ours, theirs)
    return name


def import_mamp(checkpoint: Path, heads: int | None = None, skeleton: Skeleton | None = None) -> Foreign:
    """Read encoder and decoder from a checkpoint of MAMP's pre-training. Sizes are read off the shapes.

    Args:
        checkpoint: The file.
        heads: Attention heads; None: those of `args.model_args` in the file, or 8.
        skeleton: Joints; None: NTU RGB+D's for 25 joints, else numbered ones.

    Returns:
        The model in our networks.

    Raises:
        CheckpointError: The file is of another kind; or weights, which it names, are missing, left over or misshapen.
        ConfigError: Heads or skeleton contradict the file.
    """
    content = load_checkpoint(checkpoint)
    if "model_mae" in str(getattr(content.get("args"), "model", "")):
        raise CheckpointError(
            f"{checkpoint}: was trained as a masked autoencoder (args.model {content['args'].model}): its weights have "
            "MAMP's names, but it predicted joints, not motion. It is not MAMP."
        )
    weights = _weights(content, checkpoint)
    for name, axes in _SIZED.items():
        if name not in weights or weights[name].ndim != axes:
            shape = tuple(weights[name].shape) if name in weights else None
            problem = f"{name} has shape {shape}, not one of {axes} axes" if shape is not None else f"missing {name}"
            raise _unfit(checkpoint, weights, problem)
    joints, coordinates = weights["pos_embed"].shape[2], weights[CONVOLUTION].shape[1]
    if coordinates not in (2, 3):
        raise _unfit(checkpoint, weights, f"{CONVOLUTION} takes {coordinates} coordinates, not 2 or 3")
    heads, assumed = _heads(content.get("args"), heads, checkpoint)
    if skeleton is None:
        skeleton = NTU25 if joints == len(NTU25.joints) else unnamed_skeleton(joints)
        assumed += (f"joints: {_order(skeleton)} (the file names none; --skeleton says otherwise)",)
    elif len(skeleton.joints) != joints:
        raise ConfigError(
            f"{checkpoint}: has {joints} joints, but skeleton '{skeleton.name}' has {len(skeleton.joints)}. Name "
            "another with --skeleton, or leave it out."
        )
    config = _config(weights, heads, checkpoint)
    objective = build_objective(config, skeleton, coordinates, coordinate_rms=1.0, seed=0)
    own = objective.state_dict()
    scale = {"coordinate_scale": own.pop("coordinate_scale")}  # MAMP predicts normalised motion: it has no unit
    shapes = {
        official_name(name): _official_shape(official_name(name), tensor, coordinates) for name, tensor in own.items()
    }
    if problems := describe_mismatch(weights, shapes):
        raise _unfit(checkpoint, weights, problems)
    ours = {name: _converted(official_name(name), weights).reshape(own[name].shape) for name in own}
    load_weights(objective, ours | scale, checkpoint)
    return Foreign(config, skeleton, coordinates, objective, assumed)


_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def _weights(content: dict[str, Any], checkpoint: Path) -> dict[str, Tensor]:
    """The named tensors under `model`, as fp32; CheckpointError where there are none, or one is not finite."""
    weights = content.get("model")
    if not isinstance(weights, dict) or not weights:
        found = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise CheckpointError(
            f"{checkpoint}: no weights under 'model' (found: {found}). MAMP's pre-training saves a dict with 'model', "
            "and beside it optimizer, epoch, scaler and args."
        )
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{checkpoint}: {name!r} under 'model' is a {type(tensor).__name__}, not a tensor.")
        odd = tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_nested
        if odd or tensor.dtype not in _FLOATS:
            raise CheckpointError(
                f"{checkpoint}: {name} is a {str(tensor.layout).removeprefix('torch.')} tensor of {tensor.dtype} on "
                f"{tensor.device}, expected ordinary weights of {', '.join(map(str, _FLOATS))}."
            )
        if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{checkpoint}: {name} of shape {tuple(tensor.shape)} stands for more numbers than the file holds."
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"{checkpoint}: {name} holds numbers that are not finite: its training failed.")
    return {name: tensor.float() for name, tensor in weights.items()}


def _heads(args: Any, heads: int | None, checkpoint: Path) -> tuple[int, tuple[str, ...]]:
    """The number of heads, and what had to be assumed. The shapes of the weights do not tell it."""
    model_args = getattr(args, "model_args", None)
    stated = model_args.get("num_heads") if isinstance(model_args, dict) else None
    if stated is None:
        assumed = () if heads else (f"heads: {HEADS}, as published (the file does not say; --heads says otherwise)",)
        return (HEADS, assumed) if heads is None else (heads, ())
    if type(stated) is not int:
        raise CheckpointError(f"{checkpoint}: args.model_args['num_heads'] is {stated!r}, not a whole number.")
    if heads not in (None, stated):
        raise ConfigError(
            f"{checkpoint}: was trained with {stated} heads (its args.model_args), but --heads says {heads}. Leave "
            "--heads out."
        )
    return stated, ()


def _config(weights: dict[str, Tensor], heads: int, checkpoint: Path) -> Config:
    """The published settings with the sizes of the weights."""
    width, _, segment, _ = weights[CONVOLUTION].shape
    decoder_width = weights["mask_token"].shape[2]
    if heads < 1 or width % heads or decoder_width % heads:
        raise ConfigError(
            f"{checkpoint}: encoder width {width} and decoder width {decoder_width} cannot be split into {heads} "
            "heads. Say with --heads how many there are."
        )
    sizes = {
        "clip": {"frames": weights["temp_embed"].shape[1] * segment, "segment": segment},
        "encoder": {"depth": _depth("blocks", weights), "width": width, "heads": heads},
        "decoder": {"depth": _depth("decoder_blocks", weights), "width": decoder_width},
    }
    return make_config(SYSTEM, options=sizes)


def _depth(blocks: str, weights: dict[str, Tensor]) -> int:
    """How many blocks there are, at least 1. A gap in their numbers shows later, as weights missing and left over."""
    return max(1, len({name.split(".")[1] for name in weights if name.startswith(f"{blocks}.")}))


def _official_shape(name: str, ours: Tensor, coordinates: int) -> tuple[int, ...]:
    """The shape of a weight in MAMP's code, from our weight."""
    if name == CONVOLUTION:
        width, numbers = ours.shape
        return width, coordinates, numbers // coordinates, 1
    return (1, *ours.shape) if name in EMBEDDINGS else tuple(ours.shape)


def _converted(name: str, weights: dict[str, Tensor]) -> Tensor:
    """A weight with its numbers in our order."""
    tensor = weights[name]
    return tensor.transpose(1, 2) if name == CONVOLUTION else tensor  # (D, C, s, 1) -> (D, s, C, 1)


def _order(skeleton: Skeleton) -> str:
    return "ntu25, in the order of NTU RGB+D" if skeleton is NTU25 else f"{len(skeleton.joints)} with numbers for names"


def _unfit(checkpoint: Path, weights: dict[str, Tensor], problems: str) -> CheckpointError:
    """The error for weights that are not those of MAMP's pre-training, with the likeliest reason."""
    if all(name.startswith("module.") for name in weights):
        reason = (
            "Its names begin with 'module.', as DataParallel writes them: save model.module.state_dict() under 'model' "
            "instead, or take that prefix off the names."
        )
    elif not any(name.startswith("decoder_") for name in weights):
        reason = "It has no decoder; was it fine-tuned? Import the checkpoint of the pre-training."
    else:
        reason = "Is it a checkpoint of MAMP's pre-training, whole and of the official code?"
    return CheckpointError(f"{checkpoint}: not a pre-trained MAMP: {problems}. {reason}")
