"""LOG.md, 'Where equal seeds stop giving equal numbers'. python lab/determinism.py FOLDER [NAME…]

Each line trains `recommended` with --quick on `synthetic`, pre-training and fine-tuning with two labels a class, each
in processes of their own, and compares the fine-tuned model and its scores with those of another line. Finished
trainings in FOLDER are not repeated. Names of lines choose some of them.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jointwise.training.checkpoint import load_tensors

OLDER_CPU = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
ALONE = ("-m", "jointwise")
WITHOUT_ONEDNN = ("-c", "import torch; torch.backends.mkldnn.enabled = False; from jointwise.cli import main; main()")
TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "jointwise")


@dataclass(frozen=True)
class Way:
    """One way to run the same trainings.

    Args:
        options: More options of both commands.
        environment: More variables of the environment.
        program: What python is given before the command.
        seed: Seed of both.
        against: The line that it is compared with.
    """

    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ALONE
    seed: int = 0
    against: str = "1 thread"


TWO_THREADS = {"OMP_NUM_THREADS": "2"}
WAYS = {
    "1 thread": Way(),  # what most are compared with
    "1 thread, again": Way(),
    "2 threads": Way(environment=TWO_THREADS),
    "2 threads, again": Way(environment=TWO_THREADS, against="2 threads"),
    "2 processes": Way(program=TWO_PROCESSES),
    "2 processes, again": Way(program=TWO_PROCESSES, against="2 processes"),
    "AVX2 instructions": Way(environment=OLDER_CPU),
    "without oneDNN": Way(program=WITHOUT_ONEDNN),
    "bf16": Way(options=("--execution.precision", "bf16")),
    "bf16, again": Way(options=("--execution.precision", "bf16"), against="bf16"),
    "bf16, 2 threads": Way(options=("--execution.precision", "bf16"), environment=TWO_THREADS, against="bf16"),
    "torch.compile": Way(options=("--execution.compile", "true")),
    "torch.compile, again": Way(options=("--execution.compile", "true"), against="torch.compile"),
    "another seed": Way(seed=1),
}


def train(folder: Path, way: Way) -> Path:
    """Trains in one way, unless that is done.

    Args:
        folder: The folder of its two runs.
        way: How.

    Returns:
        The fine-tuned run.
    """
    common = ("--data", "synthetic", "--quick", "--seed", str(way.seed), *way.options)
    first, second = folder / "pretrain", folder / "finetune"
    for run, words in (
        (first, ("pretrain", "recommended", *common)),
        (second, ("finetune", str(first), "--labels", "2shot", *common)),
    ):
        if not (run / "run.json").is_file():
            environment = {**os.environ, "OMP_NUM_THREADS": "1", **way.environment}
            command = [sys.executable, *way.program, *words, "--run", str(run)]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return second


def flat(tensors: dict[str, Tensor], all_of_them: bool) -> Tensor:
    """The weights of a model as one vector.

    Args:
        tensors: The weights by name.
        all_of_them: Whether with those that change no output. Their gradients are nothing but rounding, which AdamW
            makes as large as any other: the biases of attention keys, which softmax takes away, and a bias before
            BatchNorm, which takes away the mean.
    """
    parts = []
    for name, tensor in tensors.items():
        if not all_of_them and name.endswith("qkv.bias"):
            queries, _, values = tensor.chunk(3)
            tensor = torch.cat((queries, values))
        if all_of_them or name not in ("head.mlp.0.bias", "head.mlp.1.running_mean"):
            parts.append(tensor.flatten().double())
    return torch.cat(parts)


def compare(run: Path, other: Path) -> str:
    """How far two fine-tuned runs are from each other, as cells of a table."""
    ours, theirs = (load_tensors(folder / "model" / "model.safetensors") for folder in (run, other))
    files = [next((folder / "results").glob("*.npz")) for folder in (run, other)]
    with np.load(files[0]) as arrays, np.load(files[1]) as against:
        scores, others, labels = arrays["scores"], against["scores"], arrays["labels"]
    same = np.array_equal(scores, others) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    apart = []
    for all_of_them in (True, False):
        one, two = (flat(tensors, all_of_them) for tensors in (ours, theirs))
        apart.append(f"{float((one - two).norm() / two.norm()):.1e}")
    named = int((scores.argmax(1) != others.argmax(1)).sum())
    return (
        f"{'yes' if same else 'no'} | {' | '.join(apart)} | {np.abs(scores - others).max():.1e} | "
        f"{named} of {len(labels)} | {100 * (scores.argmax(1) == labels).mean():.1f}"
    )


folder, names = Path(sys.argv[1]), sys.argv[2:] or list(WAYS)
print("| way | against | same bits | weights | those with effect | scores | named otherwise | top-1 % |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for name in names:
    way = WAYS[name]
    if way.against == name:
        continue
    run, other = (train(folder / known.replace(" ", "-"), WAYS[known]) for known in (name, way.against))
    print(f"| {name} | {way.against} | {compare(run, other)} |", flush=True)
