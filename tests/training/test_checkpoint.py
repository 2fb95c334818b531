"""Weights and training states on disk: bit for bit, whole or not at all, never a pickle."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from jointwise.errors import CheckpointError, StorageError
from jointwise.training.checkpoint import Checkpoint, load_tensors, load_weights, read_json, save_tensors, write_json


def trained(seed: int = 0, steps: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A module with parameters and buffers, and an optimiser with moments."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()
    return module, optimizer


def assert_equal_states(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            assert_equal_states(value, other[key])
        else:
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[key])), key


def test_weights_buffers_moments_and_state_come_back_bit_for_bit(tmp_path: Path) -> None:
    module, optimizer = trained()
    Checkpoint(tmp_path).save(3, module, optimizer, {"seed": 7, "seconds": 1.5})
    other, other_optimizer = trained(seed=1, steps=1)
    assert Checkpoint(tmp_path).load(other, other_optimizer) == {
        **{"step": 3, "tensors": "step-00000003.safetensors"},
        **{"seed": 7, "seconds": 1.5},
    }
    assert_equal_states(module.state_dict(), other.state_dict())
    assert_equal_states(optimizer.state_dict()["state"], other_optimizer.state_dict()["state"])


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_weights_are_as_readable_as_any_other_new_file(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        for _ in range(2):  # a new file, and one that is replaced
            save_tensors(tmp_path / "model.safetensors", {"weight": torch.ones(2)})
            assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_an_optimiser_that_has_not_stepped_yet_comes_back_too(tmp_path: Path) -> None:
    module, optimizer = trained(steps=0)
    Checkpoint(tmp_path).save(0, module, optimizer, {})
    other, other_optimizer = trained(seed=1, steps=2)
    Checkpoint(tmp_path).load(other, other_optimizer)
    assert other_optimizer.state_dict()["state"] == {}


def test_a_checkpoint_is_json_and_safetensors_and_only_the_last_one_is_kept(tmp_path: Path) -> None:
    module, optimizer = trained()
    for step in (1, 2, 30):
        Checkpoint(tmp_path).save(step, module, optimizer, {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.json", "step-00000030.safetensors"]
    json.loads((tmp_path / "state.json").read_text())
    with safe_open(tmp_path / "step-00000030.safetensors", "pt") as file:
        assert "module.0.weight" in list(file.keys())


def test_nothing_saved_is_nothing_to_resume(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path).exists()
    assert not Checkpoint(tmp_path / "nowhere").exists()


@pytest.mark.parametrize("file", [1, 2])  # the tensors, state.json
def test_a_full_disk_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int
) -> None:
    module, optimizer = trained()
    kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    Checkpoint(tmp_path).save(1, module, optimizer, {})
    with torch.no_grad():
        module[0].weight += 1
    written = []

    def full(number: int) -> None:
        written.append(number)
        if len(written) == file:  # a part is on disk already
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        Checkpoint(tmp_path).save(2, module, optimizer, {})
    monkeypatch.undo()
    other, other_optimizer = trained(seed=1)
    assert Checkpoint(tmp_path).load(other, other_optimizer)["step"] == 1
    assert_equal_states(kept, other.state_dict())
    Checkpoint(tmp_path).save(2, module, optimizer, {})  # and there is room again
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.json", "step-00000002.safetensors"]


def test_a_full_disk_under_json_is_a_storage_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full to write to")
    (tmp_path / "x.json").write_text('"old"')
    (tmp_path / "x.json.unfinished").symlink_to(full)
    with pytest.raises(StorageError, match=r"cannot write .*x\.json: No space left on device\. Free some space"):
        write_json(tmp_path / "x.json", "new")
    assert read_json(tmp_path / "x.json") == "old"


@pytest.mark.parametrize("write", [lambda path: write_json(path, {}), lambda path: save_tensors(path, {})])
def test_an_unwritable_folder_is_a_storage_error_that_says_what_to_do(tmp_path: Path, write: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*[Nn]ame another folder \(--run"):
        write(tmp_path / "file" / "x")


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", [2, object()])
    assert read_json(tmp_path / "x.json") == [1]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\x00"])
def test_missing_or_damaged_json_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.json: (cannot be read|damaged)"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("kept", [None, 0, 1, 7, 8, 20, 0.5, -1])
def test_missing_or_damaged_tensors_name_the_file(tmp_path: Path, kept: float | None) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.arange(100.0)})
    whole = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"x\.safetensors: missing or damaged"):
        load_tensors(path)


@pytest.mark.parametrize("state", ["{}", "[]", '{"step": 1}', "3"])
def test_a_state_without_its_fields_is_a_damaged_checkpoint(tmp_path: Path, state: str) -> None:
    module, optimizer = trained()
    Checkpoint(tmp_path).save(1, module, optimizer, {})
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(CheckpointError, match=r"state\.json: .*damaged"):
        Checkpoint(tmp_path).load(module, optimizer)


def test_a_state_whose_tensors_are_gone_names_them(tmp_path: Path) -> None:
    module, optimizer = trained()
    Checkpoint(tmp_path).save(1, module, optimizer, {})
    (tmp_path / "step-00000001.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"step-00000001\.safetensors: missing or damaged"):
        Checkpoint(tmp_path).load(module, optimizer)


def test_weights_that_do_not_fit_are_named_and_nothing_is_loaded() -> None:
    module = nn.Linear(4, 3)
    before = module.weight.clone()
    with pytest.raises(
        CheckpointError, match=r"m: does not fit .*missing bias; unexpected other; weight has shape \(3, 5\)"
    ):
        load_weights(module, {"weight": torch.zeros(3, 5), "other": torch.zeros(1)}, Path("m"))
    with pytest.raises(CheckpointError, match="missing bias"):
        load_weights(module, {"weight": torch.zeros(3, 4)}, Path("m"))
    assert torch.equal(module.weight, before)
