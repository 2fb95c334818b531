"""Every reader, on damaged files: a value or an error of ours, never a crash, a hang, code or another exception."""

import sys
from pathlib import Path

import pytest

from fuzz.harness import Outcomes, Request, requests_for, run_requests, write_samples
from fuzz.targets import TARGETS
from fuzz.worker import damage

CORPUS = Path(__file__).parents[1] / "corpus"
FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_dir())  # target / number / the damaged file
OWN = [name for name in TARGETS if not name.startswith("shared ")]  # a clean clone has no others
INPUTS = 700


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    write_samples(root, OWN)
    return root


def bad(outcomes: Outcomes) -> str:
    return "\n".join(f"{name}, {case}: {kind}: {why}" for name, case, kind, why in outcomes.bad)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as /proc tells it")
def test_real_files_are_valid_and_damaged_ones_are_errors_of_ours(samples: Path) -> None:
    """What ended badly once (tests/corpus), and some inputs of every kind; `make fuzz` tries a million."""
    found: list[Request] = [(path.parent.name, 0, 1, 0, str(path)) for path in FOUND]
    requests = requests_for({name: TARGETS[name].weight for name in OWN}, INPUTS, seed=0)
    outcomes = run_requests(samples, [*found, *requests], jobs=1)
    assert not outcomes.bad, bad(outcomes)
    assert set(outcomes.counts) >= set(OWN)
    total = outcomes.total()
    assert total["valid"] > INPUTS // 10, "damage is so heavy that nothing behind the first check is reached"
    assert total["our error"] > INPUTS // 10


def test_the_same_seed_damages_the_same_file_alike(samples: Path) -> None:
    for name in ("format npz", "own folder"):
        first, again, other = (damage(TARGETS[name], samples / name, name, 3, seed) for seed in (0, 0, 1))
        assert first == again != other


def test_every_found_input_belongs_to_a_target() -> None:
    assert {path.parent.name for path in FOUND} <= set(OWN)
