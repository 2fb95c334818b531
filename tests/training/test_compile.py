"""Compiled transformer blocks say what they say otherwise, for batches of other sizes too."""

import copy
import shutil

import pytest
import torch

from jointwise.model.blocks import Block
from jointwise.model.encoders import Encoder
from jointwise.model.tokens import all_tokens
from jointwise.training.device import compile_blocks


def outputs_and_gradients(encoder: Encoder, segments: torch.Tensor) -> list[torch.Tensor]:
    encoder.zero_grad()
    features = encoder(segments, all_tokens(torch.ones(segments.shape[:3], dtype=torch.bool)))
    features.square().mean().backward()
    return [features.detach(), *(p.grad for p in encoder.parameters() if p.grad is not None)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_compiled_blocks_have_the_outputs_gradients_and_weights_of_plain_ones() -> None:
    torch.manual_seed(0)
    plain = Encoder(segments=3, joints=5, numbers=6, axis="spacetime", depth=1, width=16, heads=2)
    compiled = copy.deepcopy(plain)
    compile_blocks(compiled)
    assert all(block._compiled_call_impl is not None for block in compiled.modules() if isinstance(block, Block))
    for persons in (2, 3):
        segments = torch.randn(persons, 3, 5, 6)
        for found, wanted in zip(*(outputs_and_gradients(e, segments) for e in (compiled, plain)), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
