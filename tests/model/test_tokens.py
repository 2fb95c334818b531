"""From frames to tokens: segments, validity, sets of tokens, embeddings, against plain loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jointwise.model.tokens import (
    MotionInput,
    PositionEmbedding,
    TokenEmbedding,
    all_tokens,
    from_centre,
    from_segments,
    relative_to_centre,
    to_segments,
    token_motion,
    token_validity,
    visible_tokens,
)

P = 2
S = 3
V = 5
LENGTH = 4
C = 3


def test_a_token_holds_the_numbers_of_one_joint_in_one_segment() -> None:
    frames = torch.randn(P, S * LENGTH, V, C)
    segments = to_segments(frames, LENGTH)
    assert segments.shape == (P, S, V, LENGTH * C)
    for person in range(P):
        for segment in range(S):
            for joint in range(V):
                numbers = [frames[person, segment * LENGTH + t, joint] for t in range(LENGTH)]
                assert torch.equal(segments[person, segment, joint], torch.cat(numbers))


@given(sizes=st.tuples(*[st.integers(1, 4)] * 4), coordinates=st.sampled_from([2, 3]))
def test_from_segments_undoes_to_segments(sizes: tuple[int, int, int, int], coordinates: int) -> None:
    persons, segments, joints, length = sizes
    frames = torch.randn(persons, segments * length, joints, coordinates)
    assert torch.equal(from_segments(to_segments(frames, length), length), frames)


def test_a_token_is_valid_if_any_of_its_frames_is() -> None:
    valid = torch.rand(P, S * LENGTH, V, generator=torch.Generator().manual_seed(0)) < 0.3
    tokens = token_validity(valid, LENGTH)
    assert 0 < int(tokens.sum()) < tokens.numel()
    for person in range(P):
        for segment in range(S):
            for joint in range(V):
                frames = [bool(valid[person, segment * LENGTH + t, joint]) for t in range(LENGTH)]
                assert bool(tokens[person, segment, joint]) == any(frames)


def random_hidden(count: int) -> torch.Tensor:
    hidden = torch.ones(P, S * V, dtype=torch.bool)
    generator = torch.Generator().manual_seed(1)
    for person in range(P):
        hidden[person, torch.randperm(S * V, generator=generator)[:count]] = False
    return hidden.view(P, S, V)


def test_visible_tokens_are_the_unhidden_ones_in_ascending_order() -> None:
    hidden = random_hidden(6)
    valid = torch.rand(P, S, V, generator=torch.Generator().manual_seed(2)) < 0.6
    tokens, numbers = visible_tokens(hidden, valid, None), torch.randn(P, S, V, 7)
    taken = tokens.take(numbers)
    assert tokens.joints == V
    assert tokens.grid is None
    for person in range(P):
        places = [(s, v) for s in range(S) for v in range(V) if not hidden[person, s, v]]
        assert tokens.index[person].tolist() == [s * V + v for s, v in places]
        assert tokens.valid[person].tolist() == [bool(valid[person, s, v]) for s, v in places]
        for k, (s, v) in enumerate(places):
            assert torch.equal(taken[person, k], numbers[person, s, v])


def test_all_tokens_are_every_token_of_the_grid() -> None:
    valid = torch.rand(P, S, V, generator=torch.Generator().manual_seed(3)) < 0.6
    tokens = all_tokens(valid)
    assert tokens.index.tolist() == [list(range(S * V))] * P
    assert tokens.grid == (S, V)
    assert tokens.valid.tolist() == valid.flatten(1).tolist()


@pytest.mark.parametrize("hide", [False, True])
def test_a_mask_is_left_out_only_when_every_token_of_the_set_is_valid(hide: bool) -> None:
    valid = torch.ones(P, S, V, dtype=torch.bool)
    hidden = torch.zeros(P, S, V, dtype=torch.bool)
    hidden[:, 0, 0] = hide
    assert visible_tokens(hidden, valid, None).valid is None
    valid[1, 0, 0] = False
    assert (visible_tokens(hidden, valid, None).valid is None) == hide


def test_the_position_is_the_joint_embedding_plus_the_segment_embedding() -> None:
    position = PositionEmbedding(S, V, 8)
    index = torch.tensor([[0, 7, 14], [3, 4, 5]])
    everywhere, somewhere = position(), position(index)
    for s in range(S):
        for v in range(V):
            torch.testing.assert_close(everywhere[s * V + v], position.segment[s, 0] + position.joint[0, v])
    for person in range(2):
        for k in range(3):
            assert torch.equal(somewhere[person, k], everywhere[index[person, k]])


def test_the_embedding_is_linear_plus_position_at_the_tokens_of_the_set() -> None:
    embed = TokenEmbedding(S, V, LENGTH * C, 8)
    segments, hidden = torch.randn(P, S, V, LENGTH * C), random_hidden(4)
    tokens = visible_tokens(hidden, torch.ones_like(hidden), None)
    embedded = embed(segments, tokens)
    for person in range(P):
        for k, place in enumerate(tokens.index[person].tolist()):
            s, v = divmod(place, V)
            expected = embed.proj.weight @ segments[person, s, v] + embed.proj.bias
            expected = expected + embed.position.segment[s, 0] + embed.position.joint[0, v]
            torch.testing.assert_close(embedded[person, k], expected)


def test_motion_is_the_change_to_the_next_frame_and_ends_with_the_token() -> None:
    numbers = torch.tensor([1.0, 10.0, 4.0, 12.0, 3.0, 11.0])  # three frames of (x, y)
    assert token_motion(numbers, 3).tolist() == [3.0, 2.0, -1.0, -1.0, 0.0, 0.0]
    assert token_motion(numbers[None, :2], 1).tolist() == [[0.0, 0.0]]


def test_place_and_motion_enter_each_in_its_own_unit() -> None:
    embed = TokenEmbedding(S, V, LENGTH * C, 8, scale=2.0, motion=MotionInput(LENGTH, 0.01))
    segments, hidden = torch.randn(P, S, V, LENGTH * C), random_hidden(4)
    tokens = visible_tokens(hidden, torch.ones_like(hidden), None)
    embedded = embed(segments, tokens)
    for person in range(P):
        for k, place in enumerate(tokens.index[person].tolist()):
            s, v = divmod(place, V)
            frames = segments[person, s, v].view(LENGTH, C)
            motion = torch.zeros(LENGTH, C)
            for frame in range(LENGTH - 1):
                motion[frame] = (frames[frame + 1] - frames[frame]) / 0.01
            numbers = torch.cat([frames.flatten() / 2.0, motion.flatten()])
            expected = embed.proj.weight @ numbers + embed.proj.bias
            expected = expected + embed.position.segment[s, 0] + embed.position.joint[0, v]
            torch.testing.assert_close(embedded[person, k], expected, atol=1e-4, rtol=1e-4)


def test_a_token_says_nothing_of_the_next_one() -> None:
    embed = TokenEmbedding(S, V, LENGTH * C, 8, motion=MotionInput(LENGTH, 0.01))
    segments = torch.randn(P, S, V, LENGTH * C)
    changed = segments.clone()
    changed[:, 1:] += 5.0
    tokens = all_tokens(torch.ones(P, S, V, dtype=torch.bool))
    assert torch.equal(embed(segments, tokens)[:, :V], embed(changed, tokens)[:, :V])


def test_under_autocast_millimetres_reach_the_features() -> None:
    """bf16 has three digits: of 1.5 m and 1.501 m it makes the same number."""
    embed = TokenEmbedding(S, V, LENGTH * C, 8)
    segments = torch.full((P, S, V, LENGTH * C), 1.5)
    tokens = all_tokens(torch.ones(P, S, V, dtype=torch.bool))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        change = embed(segments + 0.001, tokens) - embed(segments, tokens)
    assert change.dtype == torch.float32
    torch.testing.assert_close(change[0, 0], 0.001 * embed.proj.weight.sum(1), atol=1e-6, rtol=1e-2)


def test_position_embeddings_start_with_standard_deviation_one_fiftieth() -> None:
    position = PositionEmbedding(64, 64, 128)
    for parameter in (position.segment, position.joint):
        assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.05)
        assert abs(float(parameter.detach().mean())) < 0.002


def test_places_relative_to_the_root_by_hand() -> None:
    frames = torch.tensor([[[1.0, 2.0], [4.0, 6.0], [0.0, 1.0]], [[2.0, 2.0], [4.0, 6.0], [2.0, 3.0]]])  # (T, V, C)
    relative = relative_to_centre(frames[None], (1,))[0]
    assert relative.tolist() == [[[-3.0, -4.0], [4.0, 6.0], [-4.0, -5.0]], [[-2.0, -4.0], [4.0, 6.0], [-2.0, -3.0]]]
    between = relative_to_centre(frames[None], (0, 2))[0]  # the centre is (0.5, 1.5), then (2, 2.5)
    assert between.tolist() == [[[1.0, 2.0], [3.5, 4.5], [0.0, 1.0]], [[2.0, 2.0], [2.0, 3.5], [2.0, 3.0]]]
    assert torch.equal(relative_to_centre(frames[None], ()), frames[None])


@pytest.mark.parametrize("centre", [(), (2,), (0, 3)])
def test_from_centre_undoes_relative_to_centre_for_frames_and_for_tokens(centre: tuple[int, ...]) -> None:
    frames = torch.randn(P, 2 * LENGTH, V, C, dtype=torch.float64)
    torch.testing.assert_close(from_centre(relative_to_centre(frames, centre), centre), frames)
    tokens = to_segments(relative_to_centre(frames, centre), LENGTH)
    torch.testing.assert_close(tokens, relative_to_centre(to_segments(frames, LENGTH), centre))


def test_a_path_through_the_room_is_seen_at_the_root_alone() -> None:
    embed = TokenEmbedding(S, V, LENGTH * C, 8, motion=MotionInput(LENGTH, 0.01), centre=(1,))
    frames = torch.randn(P, S * LENGTH, V, C)
    moved = frames + torch.randn(P, S * LENGTH, 1, C)
    tokens = all_tokens(torch.ones(P, S, V, dtype=torch.bool))
    still, walking = (embed(to_segments(some, LENGTH), tokens).view(P, S, V, 8) for some in (frames, moved))
    others = [joint for joint in range(V) if joint != 1]
    torch.testing.assert_close(still[:, :, others], walking[:, :, others], atol=2e-3, rtol=1e-3)
    assert not torch.allclose(still[:, :, 1], walking[:, :, 1], atol=0.1)
