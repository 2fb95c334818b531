"""One change of the source, and where it must be noticed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A change that runs without an error and makes results wrong.

    Args:
        file: The file, from `src/jointwise/` on.
        before: Lines of it, or a part of a line, that stand in it exactly once.
        after: What takes their place.
        wrong: What is wrong then, in a phrase.
        tests: The test files that must notice it, from `tests/` on, separated by spaces; of a file that takes long, the
            test (`file::test`).
    """

    file: str
    before: str
    after: str
    wrong: str
    tests: str

    def apply(self, source: str) -> str:
        """The source of the file with the change.

        Args:
            source: The file as it is.

        Raises:
            ValueError: `before` does not stand in it exactly once.
        """
        found = source.count(self.before)
        if found != 1:
            raise ValueError(f"{self.file}: found {found} times, expected once. Bring the mutant up to date:\n{self}")
        return source.replace(self.before, self.after)

    def __str__(self) -> str:
        lines = [f"{self.file}: {self.wrong}"]
        lines += [f"  - {line}" for line in self.before.splitlines()]
        lines += [f"  + {line}" for line in self.after.splitlines()]
        return "\n".join([*lines, f"  tests: {self.tests}"])
