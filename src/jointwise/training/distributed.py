"""Many processes as one: all that knows `torch.distributed`. In a single process every function here does nothing.

Each process computes a part of a batch; what is divided by a count is divided by that of all, so that parts add up to
what one process would compute. The first process writes and speaks.
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
from torch import Tensor, distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from jointwise.data.store.shards import ONE_SHARD, Ints, Shards
from jointwise.errors import ConfigError, JointwiseError

Value = TypeVar("Value")

NEAR = 0.1  # of a process's share: so much more or less is better than a shard that two processes open
PAUSE = 0.5  # seconds between two looks whether the others are through
# what torchrun says to its processes, and what a process of its own must not hear
_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_OF_TORCHRUN_TOO = ("GROUP_", "ROLE_", "TORCHELASTIC_")

_NEW_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
_turns = itertools.count()  # how often the first process has gone first; the same in all
_store: Any = None  # a few words that all processes can read, kept by torchrun


class ProcessLost(JointwiseError):
    """Another process of the run has ended, so that this one cannot go on."""


# --- who is there ---


def join() -> None:
    """Joins the processes that torchrun has started; only the first one's standard output is seen from now on.

    CPU tensors travel by gloo, those of GPUs by nccl. Raises ConfigError where there are fewer GPUs than processes, or
    where processes that are started again would take the words of those before them for those of the others.
    """
    global _store
    gpu = torch.cuda.is_available()
    with _together():
        _store, number, count = next(rendezvous("env://"))
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) and os.environ.get(_NEW_STORE) != "1":
            raise ConfigError(
                f"--max-restarts: processes that are started again need a store of their own. Set {_NEW_STORE}=1 "
                "before torchrun."
            )
        if gpu:
            torch.cuda.set_device(own_gpu())
        backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        distributed.init_process_group(backend, store=_store, rank=number, world_size=count)
    if number:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)


def leave() -> None:
    """Takes leave of the others, at the end of a command that went well, when all are there."""
    wait_for_all("leaving")  # without a time limit: the first process may have a report to write
    barrier()  # nobody needs the store from here on
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """The number of this process, 0 … size − 1."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def own_gpu() -> int:
    """Which of the machine's GPUs is this process's: one each. Raises ConfigError when there are too few."""
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise ConfigError(
            f"{os.environ.get('LOCAL_WORLD_SIZE', 'too many')} processes on a machine with {there} GPUs: each takes "
            f"one. Start as many as there are (--nproc-per-node {there}), or hide them (CUDA_VISIBLE_DEVICES=) to "
            "compute on CPUs."
        )
    return number


# --- what they tell each other ---


@contextmanager
def _together() -> Iterator[None]:
    """Turns what torch raises when another process has gone into ProcessLost."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this run has ended, or cannot be reached. What it said stands above, if it could say "
            "anything; nothing is torn, and a training goes on from its last checkpoint with --resume. "
            f"(Process {os.environ.get('RANK')}: {str(error).split('] ', 1)[-1].split('. ')[0]}.)"
        ) from error


def total(part: Tensor) -> Tensor:
    """The sum over all processes of a tensor without gradient, as a new one."""
    if size() == 1:
        return part
    whole = part.detach().clone()
    with _together():
        distributed.all_reduce(whole)
    return whole


def totals(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums over all processes of some scalars, in one message."""
    if size() == 1:
        return parts
    return dict(zip(parts, total(torch.stack([part.float() for part in parts.values()])), strict=True))


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Adds up the gradients of all processes, in one message; all get the same bits."""
    if size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    vector_to_parameters(total(parameters_to_vector(gradients)), gradients)


def any_of(says_so: bool) -> bool:
    """Whether any process says so: all get the same answer."""
    return says_so if size() == 1 else bool(total(torch.tensor(int(says_so))) > 0)


def gather(value: Value) -> list[Value]:
    """What every process has, by rank; everybody gets the list. Tensors must lie on the CPU."""
    if size() == 1:
        return [value]
    values: list[Value] = [value] * size()
    with _together():
        distributed.all_gather_object(values, value)
    return values


def barrier() -> None:
    """Waits until all processes are here."""
    any_of(False)


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The others do the same when the first process is through, however long it takes, and find what it has made."""
    turn = f"turn {next(_turns)} of the first"
    if not is_first():
        wait_for_all(turn)
    yield
    if is_first():
        wait_for_all(turn)


# --- sharing out ---


def owners(numbers: Ints, shards: Shards) -> Ints:
    """Which process computes each of n things: (n,) ranks, from their shards (n,); things of a shard are in order.

    The shards lie end to end on a line, each as long as it has training sequences, and each process has an equal piece
    of it: the things of a shard are spread evenly over its part. So processes open no shards but those that reach
    into their pieces, the same ones for all that is done with the data. A piece ends where a shard does, if that is
    near. Of one shard the shares are even, in the order of the processes.
    """
    edges = np.array([0, *shards.weights.cumsum()]) / shards.weights.sum()
    ends = np.arange(1, size()) / size()
    nearest = edges[np.abs(edges[:, None] - ends).argmin(0)]
    ends = np.where(np.abs(nearest - ends) * size() <= NEAR, nearest, ends)
    width = np.diff(edges)[numbers]
    return np.searchsorted(ends, edges[numbers] + shards.places(numbers) * width, side="right")


def own_batches(ids: Tensor, batch: int, shards: Shards = ONE_SHARD) -> list[Tensor]:
    """The batches of sequences `ids` that this process computes: the places of each in `ids`, which ascends.

    No batch spans two shards; batches are the same whatever the number of processes.
    """
    numbers = shards.of(ids.numpy())
    runs = np.split(np.arange(len(ids)), np.flatnonzero(np.diff(numbers)) + 1)
    batches = [places for run in runs for places in torch.from_numpy(run).split(batch)]
    whose = owners(numbers[[int(places[0]) for places in batches]], shards)
    return [places for places, owner in zip(batches, whose, strict=True) if owner == rank()]


def gather_shares(parts: list[Value]) -> list[Value]:
    """What all processes have made of their `own_batches`, in the order of the batches."""
    return [part for parts in gather(parts) for part in parts]


# --- modules ---


def start_alike(module: nn.Module) -> None:
    """Gives all processes the first one's weights: they are drawn alike, but machines may differ in a last bit."""
    if size() > 1:
        with _together():
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)


def share_statistics(module: nn.Module) -> None:
    """Turns BatchNorm layers inside the module into those that see the whole batch: on GPUs, where torch has them."""
    if size() > 1 and next(module.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)


def average_statistics(module: nn.Module) -> None:
    """Makes the running statistics of BatchNorm the mean of those of all processes."""
    if size() == 1:
        return
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d) and layer.track_running_stats:
            for statistic in (layer.running_mean, layer.running_var):
                assert statistic is not None
                statistic.copy_(total(statistic) / size())


# --- stages of their own, and last words ---


def claim(name: str) -> bool:
    """Whether this process is the first to ask for `name`, or was."""
    if _store is None:
        return True
    own = os.environ["RANK"]
    with _together():
        return bool(_store.compare_set(f"claimed {name}", "", own) == own.encode())


def wait_for_all(what: str, said: str = "") -> list[str]:
    """Waits, however long it takes, until every process has come to `what`; returns what each said there, by rank."""
    if _store is None:
        return [said]
    keys = [f"{what} {number}" for number in range(size())]
    with _together():
        _store.set(keys[rank()], said)
        while not _store.check(keys):
            time.sleep(PAUSE)
        return [_store.get(key).decode() for key in keys]


def speaks_of_errors() -> bool:
    """Whether this process is the first that something went wrong in: it says what, the others say nothing."""
    try:
        return claim("error")
    except ProcessLost:  # torchrun is gone too
        return is_first()


def environment_alone() -> dict[str, str]:
    """The environment for a process of its own: torchrun's variables left out, this process's GPU the only one."""
    alone = {
        name: value
        for name, value in os.environ.items()
        if name not in _OF_TORCHRUN and not name.startswith(_OF_TORCHRUN_TOO)
    }
    if size() > 1 and torch.cuda.is_available():
        every = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
        alone["CUDA_VISIBLE_DEVICES"] = every.split(",")[own_gpu()]
    return alone
