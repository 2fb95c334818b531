"""Two processes are one: the same losses, weights and results; and they end together, with one message."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_ident
from typing import NamedTuple

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.distributed import HashStore

from helpers import tiny, worker
from helpers.two_processes import (
    PLAIN,
    SEMI,
    TRAINING,
    UNEVEN,
    WORKER,
    assert_same_training,
    environment,
    pretraining,
    start_two,
)
from jointwise.cli import processes as stages
from jointwise.cli import run
from jointwise.cli.processes import Stage, run_stages
from jointwise.data.store.shards import ONE_SHARD
from jointwise.errors import ConfigError
from jointwise.model.losses import cross_entropy, mean_square, spread
from jointwise.model.sharpening import Sharpening
from jointwise.training import distributed
from jointwise.training.batches import BatchOrder
from jointwise.training.loop import Interrupted

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--")
HELD_OUT = ("--validation_subjects", "[3]")


class Both(NamedTuple):
    """The folders of one process and of two; of each of the two the outcomes of its commands, and its stderr."""

    one: Path
    two: Path
    outcomes: list[list[str]]
    stderr: list[str]


def commands_in(folder: Path) -> list[list[str]]:
    """Three pre-trainings, a fine-tuning, one with unlabelled clips, features and completions judged, in a folder."""
    start = str(folder / "pretrain")
    data = ("--data", tiny.NAME, "--probe.complete.steps", "4")
    return [
        pretraining(folder / "pretrain"),
        pretraining(folder / "sjepa", "--pretrain.clip_gradient", "0.5", *HELD_OUT, system="sjepa"),
        pretraining(folder / "slim", "--clip.segment", "4", system="slim"),
        ["finetune", start, *TRAINING, *UNEVEN, *PLAIN, "--run", str(folder / "finetune")],
        ["finetune", start, *TRAINING, *SEMI, *UNEVEN, *PLAIN, "--run", str(folder / "semi")],
        ["evaluate", start, "--protocol", "knn", *data],
        ["evaluate", start, "--protocol", "complete", *data],
    ]


@pytest.fixture(scope="module")
def both(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The folders of one process and of two."""
    folder = tmp_path_factory.mktemp("both")
    one = folder / "one"
    two = folder / "two"
    file = folder / "commands"
    stopped = pretraining(two / "stopped")
    commands: list[tuple[list[str], str | None]] = [(command, None) for command in commands_in(two)]
    commands += [(stopped, "term 1 3"), ([*stopped, "--resume"], None)]
    commands += [(pretraining(two / "nan"), "nan 1 6")]
    file.write_text(json.dumps(commands))
    stderr = start_two(file, tiny_data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(worker.DATASETS, tiny.NAME, tiny.SOURCE)
        patch.setenv("JOINTWISE_DATA", str(tiny_data))
        worker.adapt(patch.setattr)
        for command in commands_in(one):
            run(command)
    return Both(one, two, [json.loads(Path(f"{file}.{rank}").read_text()) for rank in range(2)], stderr)


@pytest.fixture(autouse=True)
def damped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test trains in this process is compared with `both`."""
    worker.damp_rounding(monkeypatch.setattr)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "sjepa", "slim", "finetune", "semi"])
def test_two_processes_train_as_one_does_and_log_the_same(both: Both, stage: str) -> None:
    assert_same_training(both.one / stage, both.two / stage)


@pytest.mark.slow
def test_held_out_losses_are_those_of_one_process(both: Both) -> None:
    one, two = (json.loads((folder / "sjepa" / "run.json").read_text()) for folder in both[:2])
    assert two["held_out"].keys() > {"split"}
    assert two["held_out"] == pytest.approx(one["held_out"], abs=1e-5)
    assert (one["processes"], two["processes"]) == (1, 2)


@pytest.mark.slow
def test_every_clip_is_scored_once_and_as_by_one_process(both: Both) -> None:
    names = sorted(str(path.relative_to(both.one)) for path in both.one.rglob("results/*.npz"))
    assert len(names) == 4
    assert names == sorted(str(path.relative_to(both.two)) for path in both.two.rglob("results/*.npz"))
    for name in names:
        with np.load(both.one / name) as one, np.load(both.two / name) as two:
            assert one.files == two.files
            assert one["ids"].tolist() == two["ids"].tolist()
            assert len(set(two["ids"].tolist())) == 30
            for kept in set(one.files) - {"ids"}:
                np.testing.assert_allclose(two[kept], one[kept], atol=1e-5)
        one_result, two_result = (json.loads((folder / name).with_suffix(".json").read_text()) for folder in both[:2])
        assert (one_result["n"], two_result["n"]) == (30, 30)
        assert two_result["scores"] == pytest.approx(one_result["scores"], abs=1e-5)


@pytest.mark.slow
def test_test_subjects_are_scored_once_in_the_log_of_scorings(both: Both) -> None:
    one, two = (sorted(folder.rglob("test_scorings.jsonl")) for folder in both[:2])
    assert [len(path.read_text().splitlines()) for path in two] == [len(path.read_text().splitlines()) for path in one]


@pytest.mark.slow
def test_a_polite_kill_of_one_process_stops_all_after_the_same_step_and_resume_goes_on(both: Both) -> None:
    for outcomes in both.outcomes:
        assert "stopped after step 4 of 12, all saved" in outcomes[-3]
        assert outcomes[-2] == ""
    assert_same_training(both.one / "pretrain", both.two / "stopped")


@pytest.mark.slow
def test_a_loss_of_one_process_that_is_no_number_ends_all_with_the_same_message(both: Both) -> None:
    one, two = (outcomes[-1] for outcomes in both.outcomes)
    assert "the loss of step 7 is not a finite number; the last good checkpoint, of step 5" in one
    assert one == two
    assert one.count("_s") == 7  # the files of the whole batch
    reported = [text for text in both.stderr if "jointwise: " in text]
    assert len(reported) == 1  # and it ends both
    assert reported[0].strip() == f"jointwise: {one}"


@pytest.mark.slow
def test_a_killed_process_ends_the_run_with_one_message_and_one_process_can_go_on(
    both: Both, registered: Path, tmp_path: Path
) -> None:
    command = pretraining(tmp_path / "killed")
    known = environment(JOINTWISE_DATA=str(registered), JOINTWISE_TEST_END="kill 1 7")
    ended = subprocess.run(
        [*TORCHRUN, str(WORKER), *command], env=known, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode != 0
    assert ended.stderr.count("jointwise: ") == ended.stderr.count("another process of this run has ended") <= 1
    assert 'in <module>\n    main()\n  File "' + str(WORKER) not in ended.stderr
    assert json.loads((tmp_path / "killed" / "checkpoint" / "state.json").read_text())["step"] == 5
    assert not list((tmp_path / "killed").rglob("*.unfinished"))
    run([*command, "--resume"])
    assert_same_training(both.one / "pretrain", tmp_path / "killed")


@pytest.mark.slow
def test_what_torchrun_starts_again_goes_on_where_the_run_was(
    both: Both, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = pretraining(tmp_path / "again")
    monkeypatch.setenv("RANK", "0")
    with monkeypatch.context() as patch:
        patch.setattr(worker.PretrainTask, "loss", worker.ended_badly("term", "0", 6))
        with pytest.raises(Interrupted, match="stopped after step 7 of 12"):
            run(command)
    with pytest.raises(ConfigError, match="exists already"):
        run(command)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    run(command)
    assert_same_training(both.one / "pretrain", tmp_path / "again")


# --- sharing out, without other processes ---


@pytest.fixture
def process_group(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Sets rank and world size, as far as the sharing of data is concerned."""

    def be(rank: int, size: int) -> None:
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        monkeypatch.setattr(distributed, "world_size", lambda: size)

    return be


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_shares_are_even_in_order_and_hold_everything_once(process_group, size: int, count: int) -> None:  # type: ignore[no-untyped-def]
    shares = []
    for rank in range(size):
        process_group(rank, size)
        shares.append(np.flatnonzero(distributed.assign_ranks(np.zeros(count, int), ONE_SHARD) == rank).tolist())
    assert [number for share in shares for number in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shares_of_a_step_are_its_batch_with_the_same_draws(process_group) -> None:  # type: ignore[no-untyped-def]
    order = BatchOrder(torch.arange(10) + 5, 7, 0)
    whole = order.local_batch(3)
    shares = []
    for rank in range(3):
        process_group(rank, 3)
        shares.append(order.local_batch(3))
    assert torch.equal(torch.cat([share.ids for share in shares]), whole.ids)
    drawn = torch.cat([share.draws(1, "clips").uniform(4) for share in shares])
    assert torch.equal(drawn, whole.draws(1, "clips").uniform(4))
    process_group(0, 8)
    with pytest.raises(ConfigError, match="a batch of 7 samples cannot be shared by 8 processes"):
        order.local_batch(3)


@pytest.mark.parametrize(("size", "fits"), [(1, True), (3, True), (4, False), (7, False)])
def test_every_process_gets_the_two_samples_that_batchnorm_needs(process_group, size: int, fits: bool) -> None:  # type: ignore[no-untyped-def]
    process_group(0, size)
    order = BatchOrder(torch.arange(7), 7, 0, min_share=2)
    if fits:
        assert len(order.local_batch(0).ids) >= 2
        return
    with pytest.raises(ConfigError, match=r"cannot be shared by \d processes: each needs 2\. Start fewer, at most 3,"):
        order.local_batch(0)


def test_a_single_sample_is_too_small_a_batch_for_batchnorm() -> None:
    with pytest.raises(ConfigError, match="a batch of 1 samples is too small: it takes 2"):
        BatchOrder(torch.arange(1), 24, 0, min_share=2).local_batch(0)


def test_parts_of_losses_add_up_to_the_loss_of_all() -> None:
    """What is divided by a count is divided by that of all parts, also by one in which nothing counts."""
    random = torch.Generator().manual_seed(0)
    predicted, wanted = torch.randn(2, 5, 6, 4, generator=random)
    weights = (torch.rand(5, 6, 1, generator=random) < 0.4).float()
    weights[3:] = 0
    parts, whole = (slice(0, 2), slice(2, 3), slice(3, 5)), slice(None)
    counts: dict[Callable[..., Tensor], Tensor] = {mean_square: 4 * weights.sum(), cross_entropy: weights.sum()}
    for loss, count in counts.items():
        wanted = wanted.softmax(-1)
        added = [loss(predicted[part], wanted[part], weights[part], lambda _, count=count: count) for part in parts]
        torch.testing.assert_close(torch.stack(added).sum(), loss(predicted[whole], wanted[whole], weights[whole]))


def test_spread_is_the_mean_standard_deviation_of_the_tokens_that_count() -> None:
    values = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(0))
    counts = torch.rand(5, 6, 1, generator=torch.Generator().manual_seed(1)) < 0.5
    expected = values[counts[..., 0]].std(0).mean()
    torch.testing.assert_close(spread(values, counts), expected)


def test_the_centre_moves_by_sums_over_all_parts() -> None:
    taught, weights = torch.randn(2, 3, 4), torch.ones(2, 3, 1)
    sharpening = Sharpening(4, 0.1, 0.04, 0.5)
    sharpening.move_centre(taught, weights, lambda part: 2 * part)  # another process with the same
    torch.testing.assert_close(sharpening.centre, taught.mean((0, 1)) / 2)


def test_a_stage_of_a_table_gets_no_variable_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "TORCHELASTIC_RUN_ID", "GROUP_RANK", "ROLE_NAME"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("JOINTWISE_DATA", "here")
    alone = distributed.single_process_environment()
    assert alone["JOINTWISE_DATA"] == "here"
    assert not {
        name for name in alone if name.startswith(("RANK", "WORLD", "LOCAL_", "MASTER_", "TORCHEL", "GROUP", "ROLE"))
    }


def test_a_claim_is_that_of_the_first_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_store", HashStore())
    claims = []
    for rank, name in (("1", "a"), ("0", "a"), ("1", "a"), ("0", "b"), ("1", "b")):
        monkeypatch.setenv("RANK", rank)
        claims.append(distributed.claim_once(name))
    assert claims == [True, False, True, True, False]


def test_processes_take_whole_chains_of_stages_each_stage_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Stage] = []
    for name in "abcd":
        first = Stage(f"pretrain {name}", (), (tmp_path / f"{name}1",), None, tmp_path / "log")
        planned += [first, Stage(f"finetune {name}", (), (tmp_path / f"{name}2",), None, tmp_path / "log", first)]
    planned[0].products[0].touch()  # finished before
    owners: dict[str, int] = {}
    monkeypatch.setattr(distributed, "claim_once", lambda name: owners.setdefault(name, get_ident()) == get_ident())
    monkeypatch.setattr(stages, "PAUSE", 0.001)
    started: list[tuple[int, Stage]] = []

    class Touching:
        """A stage that takes a moment."""

        def __init__(self, stage: Stage) -> None:
            self.stage, self.looks = stage, 0
            assert stage.after is None or stage.after.finished
            started.append((get_ident(), stage))

        def poll(self) -> int | None:
            self.looks += 1
            if self.looks < 5:
                return None
            self.stage.products[0].touch()
            return 0

        def send_signal(self, sig: int, /) -> None:
            raise AssertionError

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run_stages, planned, 1, Touching, Console(file=io.StringIO())) for _ in range(2)]
        assert [future.result() for future in running] == [[], []]
    assert sorted(stage.title for _, stage in started) == sorted(stage.title for stage in planned[1:])
    assert len({(stage.chain, owner) for owner, stage in started}) == 4
    assert len({owner for owner, _ in started}) == 2


@pytest.mark.parametrize("command", ["demo", "datasets", "predict run file"])
def test_commands_that_are_no_work_for_several_are_refused(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(ConfigError, match=r"is done by one process\. Call it without torchrun"):
        run(command.split())


def test_in_a_single_process_every_function_does_nothing() -> None:
    part = torch.ones(2)
    assert distributed.all_reduce_sum(part) is part
    assert distributed.all_reduce_any(True) is True
    assert distributed.all_gather(3) == distributed.all_gather_concat([3]) == [3]
    assert distributed.claim_once("a chain") is distributed.claim_once("a chain") is True
    assert distributed.store_barrier("the end", "said") == ["said"]
    assert (distributed.rank(), distributed.world_size(), distributed.is_main_process()) == (0, 1, True)
