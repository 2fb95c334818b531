"""Augmentations are rigid or true mirror images: bodies that could exist."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jointwise.data import augment
from jointwise.data.skeletons import KINECT20, NTU25, Skeleton

angle = st.floats(-math.pi, math.pi)


@given(angles=st.tuples(angle, angle, angle))
def test_rotation_matrices_are_proper_rotations(angles: tuple[float, float, float]) -> None:
    matrix = augment.rotation_matrices(torch.tensor([angles], dtype=torch.float64))[0]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.det(matrix), torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("axis", "before", "after"),
    [
        (0, (0, 1, 0), (0, 0, 1)),  # about x, right-handed: y -> z
        (0, (1, 0, 0), (1, 0, 0)),
        (1, (0, 0, 1), (1, 0, 0)),  # about y: z -> x
        (1, (1, 0, 0), (0, 0, -1)),
        (2, (1, 0, 0), (0, 1, 0)),  # about z: x -> y
        (2, (0, 1, 0), (-1, 0, 0)),
    ],
)
def test_a_quarter_turn_takes_each_axis_to_the_next(axis: int, before: tuple, after: tuple) -> None:
    angles = torch.zeros(1, 3)
    angles[0, axis] = math.pi / 2
    point = torch.tensor(before, dtype=torch.float32).view(1, 1, 1, 1, 3)
    expected = torch.tensor(after, dtype=torch.float32).view(1, 1, 1, 1, 3)
    torch.testing.assert_close(augment.rotate(point, angles), expected, atol=1e-6, rtol=0)


def test_rotations_are_applied_about_x_first_then_y_then_z() -> None:
    quarter = torch.tensor([[math.pi / 2, math.pi / 2, 0.0]])
    point = torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 1, 3)  # x: -> z, then y: -> x
    expected = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 1, 3)
    torch.testing.assert_close(augment.rotate(point, quarter), expected, atol=1e-6, rtol=0)


@given(angles=st.lists(st.tuples(angle, angle, angle), min_size=2, max_size=2), coordinates=st.sampled_from([2, 3]))
def test_rotation_keeps_bone_lengths_and_turns_each_clip_by_its_own_angles(angles: list, coordinates: int) -> None:
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(2, 2, 3, 25, coordinates, generator=generator, dtype=torch.float64)
    turned = augment.rotate(positions, torch.tensor(angles, dtype=torch.float64))
    parent, child = torch.tensor(NTU25.bone_indices).T
    lengths = [(p[..., parent, :] - p[..., child, :]).norm(dim=-1) for p in (positions, turned)]
    torch.testing.assert_close(*lengths)
    torch.testing.assert_close(turned.norm(dim=-1), positions.norm(dim=-1))  # about the origin
    for clip in range(2):
        alone = augment.rotate(positions[clip : clip + 1], torch.tensor(angles[clip : clip + 1], dtype=torch.float64))
        torch.testing.assert_close(turned[clip], alone[0])


def test_flat_poses_turn_in_their_plane_by_the_z_angle() -> None:
    point = torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 2)
    turned = augment.rotate(point, torch.tensor([[0.7, -0.4, math.pi / 2]]))
    torch.testing.assert_close(turned.flatten(), torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


def random_batch(joints: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 4, joints, 3, generator=generator), torch.rand(3, 2, 4, joints, generator=generator) < 0.7


@pytest.mark.parametrize("skeleton", [NTU25, KINECT20], ids=lambda s: s.name)
@pytest.mark.parametrize("lateral", [0, 2])
def test_mirroring_swaps_left_and_right_and_negates_the_lateral_axis(skeleton: Skeleton, lateral: int) -> None:
    positions, valid = random_batch(len(skeleton.joints))
    chosen = torch.tensor([True, False, True])
    permutation = skeleton.mirror_permutation
    mirrored, mirrored_valid = augment.mirror(positions, valid, chosen, permutation, lateral)
    for joint, name in enumerate(skeleton.joints):
        other = name.replace("left_", "RIGHT_").replace("right_", "left_").replace("RIGHT_", "right_")
        source = skeleton.joints.index(other)
        for clip in (0, 2):
            expected = positions[clip, ..., source, :].clone()
            expected[..., lateral] = -expected[..., lateral]
            assert torch.equal(mirrored[clip, ..., joint, :], expected)
            assert torch.equal(mirrored_valid[clip, ..., joint], valid[clip, ..., source])
    assert torch.equal(mirrored[1], positions[1])
    assert torch.equal(mirrored_valid[1], valid[1])


@pytest.mark.parametrize("skeleton", [NTU25, KINECT20], ids=lambda s: s.name)
def test_mirroring_twice_is_the_identity(skeleton: Skeleton) -> None:
    positions, valid = random_batch(len(skeleton.joints))
    chosen = torch.ones(3, dtype=torch.bool)
    once = augment.mirror(positions, valid, chosen, skeleton.mirror_permutation, 0)
    twice = augment.mirror(*once, chosen, skeleton.mirror_permutation, 0)
    assert torch.equal(twice[0], positions)
    assert torch.equal(twice[1], valid)
    assert not torch.equal(once[0], positions)


def test_mirroring_leaves_its_input_as_it_was() -> None:
    positions, valid = random_batch(25)
    before = positions.clone(), valid.clone()
    augment.mirror(positions, valid, torch.ones(3, dtype=torch.bool), NTU25.mirror_permutation, 0)
    assert torch.equal(positions, before[0])
    assert torch.equal(valid, before[1])


def test_scaling_multiplies_each_clip_by_its_factor() -> None:
    positions, _ = random_batch(25)
    scaled = augment.scale(positions, torch.tensor([2.0, 1.0, 0.5]))
    for clip, factor in enumerate((2.0, 1.0, 0.5)):
        assert torch.equal(scaled[clip], positions[clip] * factor)


@pytest.mark.parametrize("skeleton", [NTU25, KINECT20], ids=lambda s: s.name)
def test_stretching_scales_every_bone_by_its_factor_and_leaves_root_and_directions(skeleton: Skeleton) -> None:
    positions, _ = random_batch(len(skeleton.joints))
    factors = 0.5 + torch.rand(3, len(skeleton.joints), generator=torch.Generator().manual_seed(1))
    stretched = augment.stretch_bones(positions, factors, skeleton.bone_indices)
    assert torch.equal(stretched[..., skeleton.root_index, :], positions[..., skeleton.root_index, :])
    for parent, child in skeleton.bone_indices:
        before, after = (x[..., child, :] - x[..., parent, :] for x in (positions, stretched))
        expected = before * factors[:, child, None, None, None]
        torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-4)


def test_stretching_by_one_or_without_bones_changes_nothing() -> None:
    positions, _ = random_batch(25)
    torch.testing.assert_close(augment.stretch_bones(positions, torch.ones(3, 25), NTU25.bone_indices), positions)
    assert torch.equal(augment.stretch_bones(positions, torch.full((3, 25), 2.0), ()), positions)
