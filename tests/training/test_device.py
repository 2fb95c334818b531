"""bf16 is warned about where it is slow, once, and only there."""

import warnings
from collections.abc import Iterator

import pytest
import torch

from jointwise import cli
from jointwise.errors import JointwiseWarning
from jointwise.training import device as precision
from jointwise.training.device import autocast

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Each test is the first to ask, and so is the next file."""
    precision._warn_if_slow.cache_clear()
    yield
    precision._warn_if_slow.cache_clear()


def _pace(monkeypatch: pytest.MonkeyPatch, bf16: float) -> None:
    monkeypatch.setattr(precision, "seconds", {torch.float32: 1.0, torch.bfloat16: bf16}.__getitem__)


def test_a_cpu_without_instructions_for_bf16_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _pace(monkeypatch, 14.2)
    with pytest.warns(JointwiseWarning, match="14 times as long as in fp32. Leave out --execution.precision") as told:
        chosen = [autocast(CPU, "bf16") for _ in range(3)]
    assert len(told) == 1
    with chosen[0]:
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16  # as was asked


@pytest.mark.parametrize(
    ("device", "name", "pace"), [("cpu", "bf16", 0.5), ("cpu", "fp32", 14.0), ("cuda", "bf16", 14.0)]
)
def test_nothing_is_said_where_nothing_is_slow(
    monkeypatch: pytest.MonkeyPatch, device: str, name: str, pace: float
) -> None:
    _pace(monkeypatch, pace)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: None)  # there is no GPU here
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autocast(torch.device(device), name)


def test_seconds_are_of_a_product() -> None:
    assert 0 < precision.seconds(torch.float32) < 60


def test_the_command_line_says_its_own_warnings_in_a_line() -> None:
    own = cli._format("slow", JointwiseWarning, "somewhere.py", 12)
    other = cli._format("old", DeprecationWarning, "somewhere.py", 12)
    assert own == "jointwise: WARNING: slow\n"
    assert other.startswith("somewhere.py:12: DeprecationWarning: old")
