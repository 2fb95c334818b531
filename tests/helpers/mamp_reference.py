"""MAMP (Mao et al., ICCV 2023) written out on the names of its official checkpoints, for one clip of one person.

From the paper's equations, in fp64, with no class, no batch and no code of jointwise: an independent answer to compare
with. A clip is (T, V, C); a token is (segment, joint), in this order; N = S · V tokens.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]
HEADS = 2
SIZES = {"width": 16, "decoder_width": 12, "depth": 3, "decoder_depth": 2}
SIZES |= {"segments": 4, "joints": 25, "segment": 4, "coordinates": 3}
PUBLISHED = {"width": 256, "decoder_width": 256, "depth": 8, "decoder_depth": 3}
PUBLISHED |= {"segments": 30, "joints": 25, "segment": 4, "coordinates": 3}


def shapes(
    width: int,
    decoder_width: int,
    depth: int,
    decoder_depth: int,
    segments: int,
    joints: int,
    segment: int,
    coordinates: int,
) -> dict[str, tuple[int, ...]]:
    """The official names and shapes."""

    def dense(name: str, inner: int, outer: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}

    def norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (size,), f"{name}.bias": (size,)}

    def blocks(name: str, count: int, size: int) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for block in (f"{name}.{i}" for i in range(count)):
            found |= norm(f"{block}.norm1", size) | dense(f"{block}.attn.qkv", size, 3 * size)
            found |= dense(f"{block}.attn.proj", size, size) | norm(f"{block}.norm2", size)
            found |= dense(f"{block}.mlp.fc1", size, 4 * size) | dense(f"{block}.mlp.fc2", 4 * size, size)
        return found

    return {
        "joints_embed.proj.weight": (width, coordinates, segment, 1),
        "joints_embed.proj.bias": (width,),
        "temp_embed": (1, segments, 1, width),
        "pos_embed": (1, 1, joints, width),
        **blocks("blocks", depth, width),
        **norm("norm", width),
        "mask_token": (1, 1, decoder_width),
        **dense("decoder_embed", width, decoder_width),
        "decoder_temp_embed": (1, segments, 1, decoder_width),
        "decoder_pos_embed": (1, 1, joints, decoder_width),
        **blocks("decoder_blocks", decoder_depth, decoder_width),
        **norm("decoder_norm", decoder_width),
        **dense("decoder_pred", decoder_width, segment * coordinates),
    }


def random_state(sizes: dict[str, int] = SIZES) -> State:
    """Weights as after a training: none of them at a value that would hide a mistake."""
    generator = torch.Generator().manual_seed(0)

    def draw(name: str, shape: tuple[int, ...]) -> Tensor:
        values = torch.randn(shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            return 1 + 0.2 * values
        if name.endswith("weight"):
            return values / math.sqrt(math.prod(shape[1:]))
        return 0.3 * values

    return {name: draw(name, shape) for name, shape in shapes(**sizes).items()}


def save_checkpoint(path: Path, state: State, heads: int | None = HEADS, **more: Any) -> Path:
    """A file as the official pre-training writes it; heads: None leaves them out of its arguments."""
    weights = [torch.nn.Parameter(tensor.clone()) for tensor in list(state.values())[:3]]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    sum(weight.sum() for weight in weights).backward()
    optimizer.step()
    model_args = {"dim_feat": 16, "mlp_ratio": 4.0} | ({} if heads is None else {"num_heads": heads})
    content = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "epoch": 399,
        "scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 7},
        "args": argparse.Namespace(model="model.transformer.Transformer", model_args=model_args, lr=None, nested=[1]),
    }
    torch.save(content | more, path)
    return path


# --- the network ---


def double(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def dense(features: Tensor, state: State, name: str) -> Tensor:
    return features @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def normalise(features: Tensor, state: State, name: str) -> Tensor:
    centred = features - features.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]


def attend(features: Tensor, state: State, name: str, heads: int) -> Tensor:
    """softmax(q kᵀ / √d) v, head by head: (K, D) -> (K, D)."""
    query, key, value = dense(features, state, f"{name}.qkv").chunk(3, 1)  # qkv: (3, heads, d)
    size = query.shape[1] // heads
    mixed = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        weights = (query[:, own] @ key[:, own].T / math.sqrt(size)).exp()
        mixed.append(weights / weights.sum(1, keepdim=True) @ value[:, own])
    return dense(torch.cat(mixed, 1), state, f"{name}.proj")


def block(features: Tensor, state: State, name: str, heads: int) -> Tensor:
    features = features + attend(normalise(features, state, f"{name}.norm1"), state, f"{name}.attn", heads)
    inner = dense(normalise(features, state, f"{name}.norm2"), state, f"{name}.mlp.fc1")
    gelu = 0.5 * inner * (1 + torch.erf(inner / math.sqrt(2)))
    return features + dense(gelu, state, f"{name}.mlp.fc2")


def run_blocks(features: Tensor, state: State, name: str, heads: int) -> Tensor:
    count = len({key.split(".")[1] for key in state if key.startswith(f"{name}.")})
    for i in range(count):
        features = block(features, state, f"{name}.{i}", heads)
    return features


def encode(clip: Tensor, state: State, heads: int, visible: Tensor | None = None) -> Tensor:
    """Features of the tokens `visible` (K,), ascending, of a clip (T, V, C), computed from them alone; -> (K, D)."""
    state, clip = double(state), clip.double()
    kernel = state["joints_embed.proj.weight"]
    length = kernel.shape[2]
    embedded = torch.stack(
        [
            # a convolution of stride `length` over the frames of each joint
            sum(clip[start + frame] @ kernel[:, :, frame, 0].T for frame in range(length))
            for start in range(0, len(clip), length)
        ]
    )
    tokens = embedded + state["joints_embed.proj.bias"] + state["pos_embed"][0] + state["temp_embed"][0]
    tokens = tokens.flatten(0, 1)
    tokens = tokens if visible is None else tokens[visible]
    return normalise(run_blocks(tokens, state, "blocks", heads), state, "norm")


def predict(features: Tensor, visible: Tensor, state: State, heads: int) -> Tensor:
    """What the decoder says of all tokens, (N, s · C), from the features (K, D) of the visible ones."""
    state = double(state)
    place = state["decoder_pos_embed"][0] + state["decoder_temp_embed"][0]
    filled = state["mask_token"][0].repeat(place.shape[0] * place.shape[1], 1)
    filled[visible] = dense(features, state, "decoder_embed")
    decoded = run_blocks(filled + place.flatten(0, 1), state, "decoder_blocks", heads)
    return dense(normalise(decoded, state, "decoder_norm"), state, "decoder_pred")


# --- mask, target, loss ---


def tokens_of(frames: Tensor, length: int) -> Tensor:
    """(T, V, C) -> (N, length · C), numbers in the order (frame, coordinate)."""
    cut = frames.reshape(-1, length, *frames.shape[1:])  # (S, length, V, C)
    return cut.permute(0, 2, 1, 3).reshape(-1, length * frames.shape[2])


def hidden_tokens(clip: Tensor, length: int, uniform: Tensor, keep: int, tau: float = 0.8) -> Tensor:
    """Motion-aware mask (N,): where `uniform` (N,) draws the Gumbel noise and `keep` tokens stay visible."""
    joints = clip.shape[1]
    segments = tokens_of(clip.double(), length).reshape(-1, joints, length * clip.shape[2])
    change = torch.zeros(segments.shape[:2], dtype=torch.float64)
    for i in range(1, len(segments)):
        change[i] = (segments[i] - segments[i - 1]).abs().mean(-1)
    change[0] = change[1]
    intensity = change.flatten() / (change.max() * tau)
    probability = intensity.exp() / intensity.exp().sum()
    key = probability.log() - (-uniform.double().log()).log()
    hidden = torch.ones(len(key), dtype=torch.bool)
    hidden[key.sort().indices[:keep]] = False
    return hidden


def motion_targets(clip: Tensor, length: int) -> Tensor:
    """(N, s · C): motion over the whole clip, 0 in its last frame, each token normalised by its own statistics."""
    motion = torch.zeros_like(clip, dtype=torch.float64)
    for frame in range(len(clip) - 1):
        motion[frame] = clip[frame + 1].double() - clip[frame].double()
    tokens = tokens_of(motion, length)
    mean = tokens.mean(1, keepdim=True)
    variance = (tokens - mean).square().sum(1, keepdim=True) / (tokens.shape[1] - 1)
    return (tokens - mean) / (variance + 1e-6).sqrt()


def loss(prediction: Tensor, target: Tensor, hidden: Tensor) -> float:
    """Squared error, mean over a token's numbers, then over the hidden tokens."""
    error = (prediction - target).square().mean(1)
    return float((error * hidden).sum() / hidden.sum())
