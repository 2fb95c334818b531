"""Everything that uses `torch.distributed`. In a single process every function here is a no-op or an identity.

Each process computes a share of every batch. A sum over a share is divided by the count of the whole batch, so the
shares add up to what a single process would compute. The main process (rank 0) writes files and prints.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from jointwise.data.store.shards import ONE_SHARD, Ints, Shards
from jointwise.errors import ConfigError, JointwiseError

Value = TypeVar("Value")

SHARD_TOLERANCE = 0.1  # of a process's share: it may be this much larger or smaller to end where a shard ends
POLL_SECONDS = 0.5  # between two looks at the store in `store_barrier`

# the environment variables that torchrun sets, and the prefixes of the others
_TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_TORCHRUN_PREFIXES = ("GROUP_", "ROLE_", "TORCHELASTIC_")
_NEW_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"

_store: Any = None  # torchrun's key-value store, which every process reads and writes; None in a single process
_calls = itertools.count()  # numbers the calls of `main_process_first`; all processes count alike


class ProcessLost(JointwiseError):
    """Another process of the run has ended or cannot be reached, so this one cannot continue."""


@contextmanager
def _raise_process_lost() -> Iterator[None]:
    """Turns the RuntimeError that torch raises when another process has ended into ProcessLost."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this run has ended, or cannot be reached. If it printed an error, that stands above. "
            "No file is damaged, and a training continues from its last checkpoint with --resume. "
            f"(Process {os.environ.get('RANK')}: {str(error).split('] ', 1)[-1].split('. ')[0]}.)"
        ) from error


# --- process group: set-up, rank, world size ---


def init_process_group() -> None:
    """Joins the process group that torchrun has started, and silences standard output in all but the main process.

    CPU tensors are exchanged by gloo, GPU tensors by nccl.

    Raises:
        ConfigError: The machine has fewer GPUs than processes, or torchrun may restart processes without giving them
            a new store. Restarted processes would read what the earlier ones have written into the old store.
        ProcessLost: Another process cannot be reached.
    """
    global _store
    gpu = torch.cuda.is_available()
    with _raise_process_lost():
        _store, rank, world_size = next(rendezvous("env://"))
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) and os.environ.get(_NEW_STORE) != "1":
            raise ConfigError(
                f"--max-restarts: processes that are started again need a store of their own. Set {_NEW_STORE}=1 "
                "before torchrun."
            )
        if gpu:
            torch.cuda.set_device(local_gpu())
        backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        dist.init_process_group(backend, store=_store, rank=rank, world_size=world_size)
    if rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)


def destroy_process_group() -> None:
    """Waits for all processes at the end of a successful command, then leaves the process group."""
    store_barrier("leaving")  # without a time limit: the main process may have a report to write
    barrier()  # from here on no process needs the store
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """The rank of this process, 0 … world size − 1; 0 without a process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this is the process that writes files and prints: rank 0."""
    return rank() == 0


def local_gpu() -> int:
    """The index of this process's GPU on its machine: one GPU for each process.

    Raises:
        ConfigError: The machine has fewer GPUs than processes.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise ConfigError(
            f"{os.environ.get('LOCAL_WORLD_SIZE', 'too many')} processes on a machine with {gpus} GPUs: each takes "
            f"one. Start as many as there are (--nproc-per-node {gpus}), or hide them (CUDA_VISIBLE_DEVICES=) to "
            "compute on CPUs."
        )
    return local_rank


# --- collectives: all processes must call them in the same order ---


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes.

    Args:
        tensor: Any shape, the same in every process. It is not changed.

    Returns:
        A new tensor without gradient; in a single process `tensor` itself.

    Raises:
        ProcessLost: Another process has ended.
    """
    if world_size() == 1:
        return tensor
    summed = tensor.detach().clone()
    with _raise_process_lost():
        dist.all_reduce(summed)
    return summed


def all_reduce_scalars(scalars: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums of named scalars over all processes, in one message."""
    if world_size() == 1:
        return scalars
    summed = all_reduce_sum(torch.stack([scalar.float() for scalar in scalars.values()]))
    return dict(zip(scalars, summed, strict=True))


def all_reduce_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces each gradient by its sum over all processes, in one message; all processes get the same bits."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    vector_to_parameters(all_reduce_sum(parameters_to_vector(gradients)), gradients)


def all_reduce_any(condition: bool) -> bool:
    """Whether the condition holds in any process; all get the same answer."""
    if world_size() == 1:
        return condition
    return bool(all_reduce_sum(torch.tensor(int(condition))) > 0)


def all_gather(value: Value) -> list[Value]:
    """The value of every process, in the order of ranks; every process gets the list.

    Args:
        value: Anything that pickle can write. Tensors must lie on the CPU.

    Raises:
        ProcessLost: Another process has ended.
    """
    if world_size() == 1:
        return [value]
    values: list[Value] = [value] * world_size()
    with _raise_process_lost():
        dist.all_gather_object(values, value)
    return values


def all_gather_concat(items: list[Value]) -> list[Value]:
    """The lists of all processes end to end: results of `local_batches` come back in the order of the batches."""
    return [item for share in all_gather(items) for item in share]


def barrier() -> None:
    """Waits until all processes have called it; fails after the time limit of the process group."""
    all_reduce_any(False)


# --- the store: waiting without a time limit, and decisions that only one process may take ---


def store_barrier(name: str, message: str = "") -> list[str]:
    """Waits, without a time limit, until every process has called it with this name, and exchanges messages.

    Args:
        name: Of the barrier; each name serves once.
        message: From this process to all others.

    Returns:
        The messages of all processes, in the order of ranks.

    Raises:
        ProcessLost: Another process has ended.
    """
    if _store is None:
        return [message]
    keys = [f"{name} {number}" for number in range(world_size())]
    with _raise_process_lost():
        _store.set(keys[rank()], message)
        while not _store.check(keys):
            time.sleep(POLL_SECONDS)
        return [_store.get(key).decode() for key in keys]


@contextmanager
def main_process_first() -> Iterator[None]:
    """Runs the block in the main process first, then in all others, which find the files that it has written."""
    name = f"main process first {next(_calls)}"
    if not is_main_process():
        store_barrier(name)
    yield
    if is_main_process():
        store_barrier(name)


def claim_once(name: str) -> bool:
    """Whether `name` belongs to this process: it goes to the process that asks for it first.

    Raises:
        ProcessLost: The store cannot be reached.
    """
    if _store is None:
        return True
    own = os.environ["RANK"]
    with _raise_process_lost():
        return bool(_store.compare_set(f"claimed {name}", "", own) == own.encode())


def should_report_error() -> bool:
    """Whether this is the first process in which an error occurred: only that one prints it."""
    try:
        return claim_once("error")
    except ProcessLost:  # the store went down with torchrun
        return is_main_process()


# --- sharing out data: which process reads which shards ---


def assign_ranks(shard_of_item: Ints, shards: Shards) -> Ints:
    """The rank that computes each of n items (samples or batches), so that each process opens few shards.

    The shards lie end to end on a line, each as long as its number of training sequences. Every process gets an equal
    piece of the line, and the items of a shard are spread evenly over the shard's part of it. A process therefore
    opens only the shards that reach into its piece, and the same ones whatever is computed from the data. A piece ends
    where a shard ends if that is within SHARD_TOLERANCE. With a single shard the shares are even, in rank order.

    Args:
        shard_of_item: (n,) the shard of each item; the items of a shard are in order.
        shards: All shards of the data.

    Returns:
        (n,) ranks.
    """
    edges = np.array([0, *shards.weights.cumsum()]) / shards.weights.sum()
    ends = np.arange(1, world_size()) / world_size()
    nearest = edges[np.abs(edges[:, None] - ends).argmin(0)]
    ends = np.where(np.abs(nearest - ends) * world_size() <= SHARD_TOLERANCE, nearest, ends)
    width = np.diff(edges)[shard_of_item]
    return np.searchsorted(ends, edges[shard_of_item] + shards.places(shard_of_item) * width, side="right")


def local_batches(ids: Tensor, batch_size: int, shards: Shards = ONE_SHARD) -> list[Tensor]:
    """The batches that this process computes, of an evaluation that visits each sequence once.

    The batches do not depend on the world size, and none spans two shards.

    Args:
        ids: (n,) sequences, ascending.
        batch_size: Sequences in a batch, at most.
        shards: Those of the sequences.

    Returns:
        For each batch the places of its sequences in `ids`.
    """
    shard_of_id = shards.of(ids.numpy())
    runs = np.split(np.arange(len(ids)), np.flatnonzero(np.diff(shard_of_id)) + 1)
    batches = [places for run in runs for places in torch.from_numpy(run).split(batch_size)]
    ranks = assign_ranks(shard_of_id[[int(places[0]) for places in batches]], shards)
    return [places for places, assigned in zip(batches, ranks, strict=True) if assigned == rank()]


# --- modules: weights and BatchNorm ---


def broadcast_weights(module: nn.Module) -> None:
    """Copies the weights and buffers of the main process to all others.

    All draw the same initial weights, but machines may differ in the last bit.

    Raises:
        ProcessLost: Another process has ended.
    """
    if world_size() > 1:
        with _raise_process_lost():
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)


def convert_sync_batchnorm(module: nn.Module) -> None:
    """Turns the BatchNorm layers inside a module on a GPU into SyncBatchNorm, which sees the batch of all processes.

    On CPUs torch has no SyncBatchNorm, and the layers stay as they are.
    """
    if world_size() > 1 and next(module.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)


def average_batchnorm_statistics(module: nn.Module) -> None:
    """Replaces the running statistics of each BatchNorm layer by their mean over all processes."""
    if world_size() == 1:
        return
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d) and layer.track_running_stats:
            for statistic in (layer.running_mean, layer.running_var):
                assert statistic is not None
                statistic.copy_(all_reduce_sum(statistic) / world_size())


# --- single processes that a distributed run starts ---


def single_process_environment() -> dict[str, str]:
    """The environment for a subprocess outside the process group: no torchrun variables, and this process's GPU only.

    Raises:
        ConfigError: The machine has fewer GPUs than processes.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _TORCHRUN_VARIABLES and not name.startswith(_TORCHRUN_PREFIXES)
    }
    if world_size() > 1 and torch.cuda.is_available():
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
        environment["CUDA_VISIBLE_DEVICES"] = gpus.split(",")[local_gpu()]
    return environment
