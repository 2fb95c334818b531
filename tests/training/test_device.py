"""Devices by name, and bf16 where it is asked for."""

import pytest
import torch

from jointwise import cli
from jointwise.errors import ConfigError, JointwiseWarning
from jointwise.training.device import autocast, pick_device

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_products_are_computed_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    with pytest.raises(ConfigError, match="torch sees no GPU here"):
        pick_device("cuda")
    with pytest.raises(ConfigError, match=r"execution\.device 'tpux': not a device"):
        pick_device("tpux")


def test_a_warning_of_ours_is_one_line_and_others_are_pythons() -> None:
    own = cli._format_warning("slow", JointwiseWarning, "somewhere.py", 12)
    other = cli._format_warning("old", DeprecationWarning, "somewhere.py", 12)
    assert own == "jointwise: WARNING: slow\n"
    assert other.startswith("somewhere.py:12: DeprecationWarning: old")
