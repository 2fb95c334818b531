"""Where taught actions are compared, how they share probability with known classes, and the file they are kept in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from jointwise.errors import CheckpointError
from jointwise.inference import taught
from jointwise.inference.taught import FILE, SHARPNESS, Space, Taught

GENERATOR = torch.Generator().manual_seed(0)


def features(count: int = 40, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes apart along the last number, that vary ten times as much along the first as along the others."""
    rows = torch.randn(count, width, generator=GENERATOR)
    rows[:, 0] *= 10
    labels = torch.arange(count) % 2
    rows[:, -1] += 4 * labels
    return rows, labels


def test_the_space_is_the_root_of_the_inverse_covariance_within_classes() -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    within = torch.cat([rows[labels == label] - rows[labels == label].mean(0) for label in (0, 1)]).double()
    scatter = within.T @ within
    largest = torch.linalg.eigvalsh(scatter)[-1]
    values, axes = torch.linalg.eigh(torch.eye(6, dtype=torch.double) + scatter / (taught.SHRINKAGE * largest))
    dense = (rows - rows.mean(0)).double() @ (axes * values.rsqrt()) @ axes.T
    dense /= dense.norm(dim=1, keepdim=True)
    np.testing.assert_allclose(space.vectors(rows), dense, atol=1e-4)


def test_where_classes_vary_much_counts_less() -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    first, second = space.vectors(rows.mean(0) + torch.eye(6)[[0, 5]] * 4)
    assert abs(float(first @ space.known[1])) < float(second @ space.known[1])
    named = (space.vectors(rows) @ space.known.T).argmax(1)
    assert (named == labels).float().mean() > 0.9


def test_a_joint_that_is_never_seen_counts_as_the_mean() -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    missing, mean = rows[:1].clone(), rows[:1].clone()
    missing[:, 2:4] = 0
    mean[:, 2:4] = space.mean[2:4]
    np.testing.assert_allclose(space.vectors(missing), space.vectors(mean), atol=1e-6)


def test_prototypes_decide_on_known_or_taught_and_the_classifier_among_the_known() -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    new = space.prototype(rows[:3])
    known = torch.randn(5, 2, generator=GENERATOR)
    given = Taught(space, {"new": new}).logits(rows[5:10], known).softmax(1)
    np.testing.assert_allclose(given[:, :2] / given[:, :2].sum(1, keepdim=True), known.softmax(1), atol=1e-5)
    cosines = space.vectors(rows[5:10]) @ torch.stack([*space.known, new]).T
    np.testing.assert_allclose(given[:, 2], (SHARPNESS * cosines).softmax(1)[:, 2], atol=1e-5)


def test_without_a_classifier_taught_actions_share_all() -> None:
    space = Space.plain(6)
    rows, _ = features()
    both = {"one": space.prototype(rows[:1]), "two": space.prototype(rows[1:2])}
    given = Taught(space, both).logits(rows[:2], None).softmax(1)
    assert given.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-6)


def test_what_was_taught_is_read_as_it_was_written_in_its_order(tmp_path: Path) -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    names = ["zu Boden. sinken", "挥手", "a/b", *map(str, range(12))]
    before = Taught(space, {name: space.prototype(rows[place : place + 1]) for place, name in enumerate(names)})
    before.save(tmp_path)
    after = Taught.load(tmp_path, 2, 6)
    assert after is not None
    assert list(after.prototypes) == names
    known = torch.zeros(4, 2)
    assert torch.equal(before.logits(rows[:4], known), after.logits(rows[:4], known))
    Taught(space, {}).save(tmp_path)
    assert Taught.load(tmp_path, 2, 6) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "other model", "empty"])
def test_a_file_that_does_not_fit_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    rows, labels = features()
    space = Space.fitted(rows, labels, 2)
    Taught(space, {"new": space.prototype(rows[:1])}).save(tmp_path)
    file = tmp_path / FILE
    if damage != "other model":
        file.write_bytes(file.read_bytes()[:100] if damage == "cut" else b"")
    with pytest.raises(
        CheckpointError, match=rf"{FILE}: the file of taught actions is .* Delete it and teach them again"
    ):
        Taught.load(tmp_path, 3 if damage == "other model" else 2, 6)
