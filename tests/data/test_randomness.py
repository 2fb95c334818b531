"""Draws by place: uniform, unrelated between neighbours, and the same in a part of the samples as among all."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jointwise.data.randomness import Draws

SAMPLES, ELEMENTS = 200, 500
MASK = 2**64 - 1


def draws(samples: int = SAMPLES, *place: int | str) -> Draws:
    return Draws(torch.arange(samples), *(place or (0, "masks", 5)))


def splitmix(state: int) -> int:
    """The reference, in numbers without an end."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_the_mixing_is_that_of_splitmix64() -> None:
    some = draws(3)
    for sample, element in itertools.product(range(3), range(4)):
        stream = splitmix((sample * 0x9E3779B97F4A7C15 + some.seed) & MASK)
        bits = splitmix((stream + (element + 1) * 0x9E3779B97F4A7C15) & MASK)
        assert float(some.uniform(4)[sample, element]) == (bits >> 40) / 2**24


@given(
    samples=st.lists(st.integers(0, 2**40), min_size=1, max_size=9),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    start=st.integers(0, 8),
)
def test_a_share_of_the_samples_draws_the_same_numbers_as_among_all(
    samples: list[int], shape: list[int], start: int
) -> None:
    every = torch.tensor(samples)
    whole, part = (Draws(some, 1, "clips", 7).uniform(*shape) for some in (every, every[start:]))
    assert whole.shape == (len(samples), *shape)
    assert torch.equal(whole[start:], part)


def test_a_larger_first_axis_changes_no_number() -> None:
    assert torch.equal(draws().uniform(3, 4, 5)[:, :2], draws().uniform(2, 4, 5))


def test_numbers_lie_in_zero_to_one_without_one() -> None:
    some = draws(2000).uniform(ELEMENTS)
    assert some.dtype == torch.float32
    assert 0 <= float(some.min()) < 1e-5
    assert 1 - 1e-5 < float(some.max()) < 1


@pytest.mark.parametrize("axis", ["all", "first element", "first sample", "first element of many steps"])
def test_numbers_are_uniform(axis: str) -> None:
    some = {
        "all": lambda: draws().uniform(ELEMENTS),
        "first element": lambda: draws(20_000).uniform(1),
        "first sample": lambda: draws(1).uniform(20_000),
        "first element of many steps": lambda: torch.stack([draws(1, 0, "m", k).uniform(1) for k in range(5000)]),
    }[axis]()
    counts = torch.histc(some, 64, 0, 1).numpy()
    assert stats.chisquare(counts).pvalue > 1e-3
    assert stats.kstest(some.flatten().numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("neighbour", ["sample", "element", "step", "seed", "purpose"])
def test_neighbours_are_unrelated(neighbour: str) -> None:
    """Neither their values nor their lowest bits go together, and pairs fill the square evenly."""
    one = draws().uniform(ELEMENTS)
    other = {
        "sample": lambda: draws(SAMPLES + 1).uniform(ELEMENTS)[1:],
        "element": lambda: draws().uniform(ELEMENTS + 1)[:, 1:],
        "step": lambda: draws(SAMPLES, 0, "masks", 6).uniform(ELEMENTS),
        "seed": lambda: draws(SAMPLES, 1, "masks", 5).uniform(ELEMENTS),
        "purpose": lambda: draws(SAMPLES, 0, "clips", 5).uniform(ELEMENTS),
    }[neighbour]()
    pair = np.stack([one.flatten().double().numpy(), other.flatten().double().numpy()])
    bound = 4 / np.sqrt(pair.shape[1])  # four standard deviations
    assert abs(np.corrcoef(pair)[0, 1]) < bound
    assert abs(np.corrcoef((pair * 2**24) % 2)[0, 1]) < bound
    squares = np.histogram2d(*pair, bins=16, range=[(0, 1), (0, 1)])[0]
    assert stats.chisquare(squares.ravel()).pvalue > 1e-3


def test_no_two_samples_share_a_stream() -> None:
    """Numbers of 24 bits meet by chance; rows do not, not even shifted by some elements."""
    rows = draws(300).uniform(40).unfold(1, 3, 1).reshape(-1, 3)
    assert len(torch.unique(rows, dim=0)) == len(rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_draws_the_same_bits() -> None:
    assert torch.equal(draws().uniform(ELEMENTS, device="cuda").cpu(), draws().uniform(ELEMENTS))
