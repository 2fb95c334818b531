"""The mutants fit the source, and the harness tells killed from survived; `make mutants` tries them."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mutants.catalogue import AREAS
from mutants.harness import PACKAGE, ROOT
from mutants.mutant import Mutant

MUTANTS = [mutant for mutants in AREAS.values() for mutant in mutants]

TRY = """
import sys
from pathlib import Path
from mutants.harness import as_table, run_mutants, run_tests
from mutants.mutant import Mutant

place = Path(sys.argv[1])
def changed(after, tests="test_sums.py"):
    return Mutant("sums.py", "return a + b", after, after, tests)

mutants = [changed("return a - b"), changed("return b + a"), changed("return a +")]
outcomes = run_mutants(place / "own", place / "copy", {"sums": mutants[:1], "others": mutants[1:]})
print(*(outcome.kind for outcome in outcomes))
print(as_table(outcomes))
(place / "copy" / "src" / "jointwise" / "sums.py").write_text("def add(a, b):\\n    while True: pass\\n")
print(run_tests(place / "copy", ["test_sums.py"], 1.0)[0])
"""


def test_every_mutant_changes_the_source_as_it_is_and_can_be_read_by_python() -> None:
    sources = {mutant.file: (ROOT / PACKAGE / mutant.file).read_text("utf-8") for mutant in MUTANTS}
    for mutant in MUTANTS:
        changed = mutant.apply(sources[mutant.file])
        assert changed != sources[mutant.file], mutant
        ast.parse(changed, mutant.file)


def test_every_mutant_has_tests_and_a_description_of_its_own() -> None:
    for file, _, name in {test.partition("::") for mutant in MUTANTS for test in mutant.tests.split()}:
        assert f"def {name or 'test_'}" in (ROOT / "tests" / file).read_text("utf-8"), f"{file}::{name}"
    named = Counter((mutant.file, mutant.wrong, mutant.after) for mutant in MUTANTS)
    assert max(named.values()) == 1
    assert len(MUTANTS) >= 60


def test_a_mutant_whose_lines_have_changed_is_an_error() -> None:
    mutant = Mutant("sums.py", "a + b", "a - b", "differences", "test_sums.py")
    assert mutant.apply("return a + b") == "return a - b"
    for source in ("return sum([a, b])", "return a + b + a + b"):
        with pytest.raises(ValueError, match=r"sums.py: found \d times, expected once"):
            mutant.apply(source)


@pytest.mark.slow
def test_a_mutant_is_killed_by_a_failed_test_alone(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for file, content in {
        "src/jointwise/sums.py": "def add(a, b):\n    return a + b\n",
        "tests/test_sums.py": "from jointwise.sums import add\n\n\ndef test_sums():\n    assert add(2, 3) == 5\n",
        "src/jointwise/__init__.py": "",
        "conftest.py": "",
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-q"\n',
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(content)
    command = [sys.executable, "-c", TRY, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    first, *table, last = ended.stdout.splitlines()
    assert first == "killed survived broken"
    assert [line.split() for line in table] == [
        ["tried", "killed", "survived", "broken"],
        ["sums", "1", "1", "0", "0"],
        ["others", "2", "0", "1", "1"],
        ["all", "3", "1", "1", "1"],
    ]
    assert last == "timed out"
    assert (root / "src/jointwise/sums.py").read_text() == "def add(a, b):\n    return a + b\n"
