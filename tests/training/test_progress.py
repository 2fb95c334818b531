"""Progress is shown where a command asks for it, and items pass unchanged."""

from collections.abc import Iterable

from jointwise.training.progress import showing, watched


def test_items_pass_unchanged_and_are_shown_in_the_block_only() -> None:
    seen: list[tuple[int, str]] = []

    def show(items: Iterable[int], count: int, what: str) -> Iterable[int]:
        seen.append((count, what))
        return items

    assert list(watched(range(3), 3, "before")) == [0, 1, 2]
    with showing(show):
        assert list(watched(range(3), 3, "inside")) == [0, 1, 2]
    assert list(watched(range(3), 3, "after")) == [0, 1, 2]
    assert seen == [(3, "inside")]
