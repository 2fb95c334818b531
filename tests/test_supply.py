"""What is installed is locked: every package, on every Python, with hashes. The bill of materials says all of it."""

import json
import re
import runpy
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytest.importorskip("cyclonedx.validation.json", reason="make sbom needs the package cyclonedx-python-lib")
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SBOM = runpy.run_path(str(ROOT / ".ci" / "sbom.py"))
PINS = SBOM["read_lock"]()
PYTHONS = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
PLATFORMS = {"linux": ("Linux", "x86_64", "posix"), "darwin": ("Darwin", "arm64", "posix")}


def on(python: str, platform: str) -> dict[str, str]:
    """The words of markers on a Python and a platform."""
    system, machine, name = PLATFORMS[platform]
    return {
        **{"python_version": python, "python_full_version": f"{python}.9", "implementation_version": f"{python}.9"},
        **{"sys_platform": platform, "platform_system": system, "platform_machine": machine, "os_name": name},
        **{"implementation_name": "cpython", "platform_python_implementation": "CPython"},
    }


def versions(environment: dict[str, str]) -> dict[str, str]:
    """What the lock installs there: a version for each name."""
    found = [
        (pin.name, pin.version)
        for pin in PINS
        if not pin.marker or Requirement(f"x ; {pin.marker}").marker.evaluate(environment)  # type: ignore[union-attr]
    ]
    assert len(found) == len(dict(found)), "two versions of one package"
    return dict(found)


@pytest.mark.parametrize(("python", "platform"), [*product(PYTHONS, PLATFORMS)])
def test_the_lock_has_what_pyproject_asks_for(python: str, platform: str) -> None:
    locked = versions(on(python, platform))
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    for requirement in map(Requirement, lines):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_the_page_of_figures_counts_what_is_locked() -> None:
    files = [file.read_text() for file in SBOM["LOCK"]]
    page = (ROOT / "docs" / "reliability.md").read_text()
    packages, hashes = (
        [len(re.findall(what, text, re.MULTILINE)) for text in files] for what in ("^[a-z].*==", "hash=")
    )
    assert f"| {packages[0]} and {packages[1]} |" in page
    assert f"| {hashes[0]:,} and {hashes[1]} |" in page


def test_the_lock_has_what_builds_the_project() -> None:
    built_with = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for requirement in map(Requirement, built_with):
        assert requirement.specifier.contains(versions(on(PYTHONS[0], "linux"))[requirement.name])


def test_every_file_has_a_hash_and_none_an_address() -> None:
    assert len(PINS) > 100
    assert not [pin.name for pin in PINS if not pin.hashes]
    text = "".join(path.read_text() for path in SBOM["LOCK"])
    assert text.count("==") == len(PINS) + text.count(" == "), "no line that is not understood"
    assert "://" not in text


def test_what_only_cuda_needs_stands_apart() -> None:
    """`make setup` installs the first file also where torch comes as a build for CPUs."""
    everywhere, cuda = ({pin.name for pin in SBOM["read_lock"]([path])} for path in SBOM["LOCK"])
    assert "torch" in cuda
    assert not [name for name in everywhere if name.startswith(("nvidia", "cuda", "triton", "torch"))]
    assert cuda - {"torch"} == {name for name in cuda if name.startswith(("nvidia-", "cuda-", "triton"))}


def test_every_package_of_the_lock_is_needed_by_one_of_it_or_by_pyproject() -> None:
    names = {pin.name for pin in PINS}
    assert not {parent for pin in PINS for parent in pin.needed_by} - names
    assert not [pin.name for pin in PINS if not pin.asked_for and not pin.needed_by], "nobody needs it"


def test_a_lock_is_read_as_it_is_written(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    digests = ["0" * 64, "1" * 64]
    lock.write_text(
        "# made\n"
        f"alpha==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{digests[0]} \\\n"
        f"    --hash=sha256:{digests[1]}\n    # via\n    #   jointwise (pyproject.toml)\n    #   beta\n"
        f"beta==2.0.post1 \\\n    --hash=sha256:{digests[1]}\n    # via jointwise (pyproject.toml)\n"
        f"gamma==3 \\\n    --hash=sha256:{digests[0]}\n    # via alpha\n"
    )
    alpha, beta, gamma = SBOM["read_lock"]([lock])
    assert (alpha.name, alpha.version, alpha.marker) == ("alpha", "1.0", "python_full_version < '3.12'")
    assert (alpha.hashes, alpha.needed_by, alpha.asked_for) == (tuple(digests), {"beta"}, True)
    assert (beta.version, beta.marker, beta.needed_by, beta.asked_for) == ("2.0.post1", "", set(), True)
    assert (gamma.needed_by, gamma.asked_for) == ({"alpha"}, False)
    assert SBOM["with_their_needs"]({"beta"}, [alpha, beta, gamma]) == {"alpha", "beta", "gamma"}
    assert SBOM["with_their_needs"]({"alpha"}, [alpha, beta, gamma]) == {"alpha", "gamma"}


@pytest.mark.slow
def test_the_bill_of_materials_is_valid_and_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bill.json"
    monkeypatch.setattr("sys.argv", ["sbom.py", str(file)])
    SBOM["main"]()
    text = file.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["version"] == PROJECT["version"]
    parts = {part["purl"]: part for part in bill["components"]}
    assert {f"pkg:pypi/{pin.name}@{pin.version}" for pin in PINS} < set(parts)
    (three,) = (part for purl, part in parts.items() if purl.startswith("pkg:npm/three@"))
    assert three["licenses"] == [{"license": {"id": "MIT"}}]
    scopes = {part["name"]: part["scope"] for part in parts.values()}
    assert [scopes[name] for name in ("torch", "mpmath", "fastapi", "starlette", "ruff", "mkdocs")] == [
        *("required", "required", "optional", "optional", "excluded", "excluded"),
    ]
    (needs,) = (link["dependsOn"] for link in bill["dependencies"] if "/scipy@" in link["ref"])
    assert [need.partition("@")[0] for need in needs] == ["pkg:pypi/numpy"]
