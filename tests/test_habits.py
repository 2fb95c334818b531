"""What a person runs, what a commit runs and what CI runs are the same commands, with the versions that are stated."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# `make test` runs without them, or with any version of them
ONLY_CHECKED = {
    *("ruff", "mypy", "types-pyyaml", "pre-commit", "build", "twine", "setuptools", "uv", "cyclonedx-python-lib"),
}


def commands_of(target: str) -> list[str]:
    """The commands of a target of the Makefile, with the folder of the virtual environment written out."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]


def lowest_versions() -> dict[str, str]:
    """The version of each package of constraints-lowest.txt, by its name in small letters."""
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines if line[:1] != "#")}


def requirements() -> dict[str, str]:
    """The lowest version of every package that pyproject.toml names, empty without one; extras included."""
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    split = [re.fullmatch(r"([\w-]+)(?:\[[\w-]+\])?(?:>=([\d.]+))?", line) for line in lines]
    return {match[1].lower(): match[2] or "" for match in split if match is not None}


def numbers(version: str, places: int) -> tuple[int, ...]:
    """The first numbers of a version, zeros for what is left out: 6.0 is 6.0.0."""
    return tuple(map(int, f"{version}{'.0' * places}".split(".")[:places]))


def test_a_commit_runs_what_make_check_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands_of("check")


def test_ci_runs_make_check_and_make_test_on_every_python() -> None:
    assert {"make check", "make test"} <= set((ROOT / ".ci" / "run").read_text().splitlines())
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["test"]["steps"][-1]["run"] == "bash .ci/run"
    assert jobs["package"]["steps"][-1]["run"] == "make release"
    assert jobs["lowest"]["steps"][-1]["run"] == "make test CONSTRAINTS=constraints-lowest.txt"
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    named = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert pythons == named
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    (lowest,) = (step["with"]["python-version"] for step in jobs["lowest"]["steps"] if "with" in step)
    assert lowest == pythons[0]


def test_every_package_that_the_tests_need_has_its_lowest_version() -> None:
    assert set(requirements()) - ONLY_CHECKED == set(lowest_versions())


def test_the_lowest_versions_are_those_of_pyproject() -> None:
    """Up to releases that never were or were withdrawn: scipy 1.11 is 1.11.1."""
    for name, version in lowest_versions().items():
        stated = requirements()[name]
        places = stated.count(".") + 1
        assert numbers(version, places) == numbers(stated, places), name
