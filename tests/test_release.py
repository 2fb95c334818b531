"""What is released is whole, has one version, keeps what docs/stability.md promises, and is tagged only when clean."""

import glob
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import jointwise
from jointwise.cli import COMMANDS
from jointwise.data.store.header import VERSION as STORE
from jointwise.evaluation.results import SCHEMA
from jointwise.training.model_card import FORMAT

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
STABLE = (ROOT / "docs" / "stability.md").read_text("utf-8")


def tracked(folder: Path) -> set[str]:
    """Files under version control in a folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a clone: nobody knows which files are tracked")
    return set(listed.stdout.splitlines())


def row(name: str) -> list[str]:
    """What a row of the table of what is frozen names."""
    (line,) = [line for line in STABLE.splitlines() if line.startswith(f"| {name} ")]
    return re.findall(r"`([\w.]+)`", line.split("|")[2])


def test_the_wheel_has_every_tracked_file_of_the_package() -> None:
    package = ROOT / "src" / "jointwise"
    files = tracked(package)
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["jointwise"]
    data = {path for pattern in patterns for path in glob.glob(pattern, root_dir=package, recursive=True)}
    python = {path for path in files if path.endswith(".py")}
    assert not {path for path in files - python if path not in data}, "not in package-data of pyproject.toml"
    homeless = {path for path in python if not (package / path).with_name("__init__.py").is_file()}
    assert not homeless, "in a folder without __init__.py, which is no package and stays behind"


def test_the_version_stands_in_pyproject_and_what_repeats_it_agrees() -> None:
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == VERSION
    (newest, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest == VERSION


def clone(place: Path, changelog: str) -> Path:
    """A repository with a release script, one commit, and a Python that only notes that it was called."""
    (place / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "release", place / ".ci")
    (place / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (place / "CHANGELOG.md").write_text(changelog)
    (place / "python").write_text("#!/bin/sh\necho called\nexit 9\n")
    (place / "python").chmod(0o755)
    git(place, "init", "--quiet")
    git(place, "add", ".")
    git(place, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "-m", "all")
    return place


def git(place: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)


def release(place: Path, *options: str) -> tuple[str, str]:
    """What the script prints: on stdout, and on stderr."""
    done = subprocess.run([".ci/release", "./python", *options], cwd=place, capture_output=True, text=True)
    assert done.returncode
    return done.stdout, done.stderr


def test_a_tag_needs_a_clean_tree_a_new_version_and_a_date(tmp_path: Path) -> None:
    place = clone(tmp_path / "clone", "## 1.2.3 (unreleased)\n")
    assert release(place, "--tag") == (
        "",
        "release: CHANGELOG.md has no date for this version. Write '## 1.2.3 (YYYY-MM-DD)'.\n",
    )
    (place / "CHANGELOG.md").write_text("## 1.2.3 (2030-01-02)\n")
    assert release(place, "--tag") == ("", "release: there are changes without a commit. Commit them first.\n")
    git(place, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "-am", "date")
    assert release(place, "--tag")[0] == "called\n", "all is well, so it builds"
    git(place, "tag", "v1.2.3")
    assert release(place, "--tag") == ("", "release: v1.2.3 is tagged. Raise the version.\n")
    assert release(place)[0] == "called\n", "without a tag nothing is asked for"


def test_what_cannot_be_built_is_not_tagged_and_nothing_is_pushed(tmp_path: Path) -> None:
    place = clone(tmp_path / "clone", "## 1.2.3 (2030-01-02)\n")
    release(place, "--tag")
    assert subprocess.run(["git", "tag"], cwd=place, capture_output=True, text=True).stdout == ""
    lines = (ROOT / ".ci" / "release").read_text().splitlines()
    assert not [line for line in lines if re.search(r"git push|twine upload", line)]


def test_what_is_frozen_is_there() -> None:
    assert set(row("names in Python")) - {"jointwise."} <= set(jointwise.__all__)
    assert set(row("commands")) <= set(COMMANDS), "what is frozen is not taken out; new ones may wait to be frozen"
    assert f"store {STORE}, model folder {FORMAT}, result {SCHEMA}" in STABLE


def test_a_result_has_the_keys_that_are_frozen(finetuned: Path) -> None:
    (path,) = (finetuned / "results").glob("*-finetune-*.json")
    result = json.loads(path.read_text())
    promised = set(row("keys of a result"))
    inside = {"top1", "top5", "macro_f1"}
    assert promised - inside <= set(result)
    assert promised & inside >= set(result["scores"]), "of 5 classes or fewer no top-5 is told"
