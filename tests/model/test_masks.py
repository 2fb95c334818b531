"""What every mask strategy must keep, and what each of them promises on its own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from jointwise.model.masks import MASKS, motion_scores

RATIOS = (0.5, 0.75, 0.9)
every_mask = pytest.mark.parametrize("name", MASKS)


def parts_of(joints: int) -> Tensor:
    """Parts of about three joints each."""
    return torch.arange(joints) // 3


def draw(name: str, valid: Tensor, ratio: float, seed: int = 0, segments: Tensor | None = None) -> Tensor:
    persons, s, v = valid.shape
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(persons, s + 1, v + 1, generator=generator)
    numbers = torch.randn(persons, s, v, 12, generator=generator) if segments is None else segments
    strategy = MASKS[name]
    before = numbers.clone(), valid.clone(), noise.clone()
    hidden = strategy.draw(numbers, valid, noise, strategy.visible(s, v, ratio), parts_of(v))
    assert all(torch.equal(a, b) for a, b in zip(before, (numbers, valid, noise), strict=True))
    return hidden


def some_validity(kind: str, persons: int, segments: int, joints: int) -> Tensor:
    valid = torch.ones(persons, segments, joints, dtype=torch.bool)
    if kind == "scattered":
        valid = torch.rand(valid.shape, generator=torch.Generator().manual_seed(9)) < 0.6
    if kind == "few":
        valid = torch.zeros_like(valid)
        valid[:, 0, 0] = True
    return valid & (kind != "none")


@every_mask
@pytest.mark.parametrize("kind", ["all", "scattered", "few", "none"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_declared_number_of_tokens_is_visible_for_every_person(name: str, kind: str, ratio: float) -> None:
    valid = some_validity(kind, 6, 7, 5)
    hidden = draw(name, valid, ratio)
    assert hidden.dtype == torch.bool
    assert hidden.shape == valid.shape
    count = MASKS[name].visible(7, 5, ratio).count
    assert [int((~person).sum()) for person in hidden] == [count] * 6  # the others are hidden: together they are all


@given(
    name=st.sampled_from(sorted(MASKS)),
    sizes=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    ratio=st.floats(0.01, 0.99),
)
def test_at_least_one_and_at_most_all_tokens_are_visible(name: str, sizes: tuple[int, int], ratio: float) -> None:
    visible = MASKS[name].visible(*sizes, ratio)
    assert 1 <= visible.count <= sizes[0] * sizes[1]
    if visible.grid is not None:
        assert visible.count == visible.grid[0] * visible.grid[1]
        assert visible.grid[0] <= sizes[0]
        assert visible.grid[1] <= sizes[1]
    hidden = draw(name, torch.ones(2, *sizes, dtype=torch.bool), ratio)
    assert (~hidden).flatten(1).sum(1).tolist() == [visible.count] * 2


@every_mask
def test_a_mask_is_a_function_of_the_noise(name: str) -> None:
    valid = some_validity("scattered", 8, 10, 6)
    assert torch.equal(draw(name, valid, 0.75, seed=3), draw(name, valid, 0.75, seed=3))
    assert not torch.equal(draw(name, valid, 0.75, seed=3), draw(name, valid, 0.75, seed=4))


@every_mask
def test_the_mask_of_a_person_does_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    numbers, noise = torch.randn(4, 6, 5, 12, generator=generator), torch.rand(4, 7, 6, generator=generator)
    valid, strategy = some_validity("scattered", 4, 6, 5), MASKS[name]
    together = strategy.draw(numbers, valid, noise, strategy.visible(6, 5, 0.75), parts_of(5))
    for p in range(4):
        one = slice(p, p + 1)
        alone = strategy.draw(numbers[one], valid[one], noise[one], strategy.visible(6, 5, 0.75), parts_of(5))
        assert torch.equal(together[one], alone)


@pytest.mark.parametrize("name", [name for name, mask in MASKS.items() if mask.visible(4, 4, 0.5).grid is None])
@pytest.mark.parametrize("kind", ["all", "scattered", "few", "none"])
def test_an_invalid_token_is_visible_only_where_valid_ones_have_run_out(name: str, kind: str) -> None:
    valid = some_validity(kind, 20, 7, 5)
    hidden = draw(name, valid, 0.6)
    count = MASKS[name].visible(7, 5, 0.6).count
    for p in range(20):
        padding = int((~hidden[p] & ~valid[p]).sum())
        assert padding == max(0, count - int(valid[p].sum()))


@every_mask
def test_joints_and_segments_never_seen_are_hidden_first(name: str) -> None:
    valid = torch.zeros(20, 10, 8, dtype=torch.bool)
    valid[:, 2:8, 3:] = True  # 6 segments x 5 joints, more than the 5 x 4 or 20 that stay visible
    hidden = draw(name, valid, 0.75)
    assert (hidden | valid).all()


def test_the_joint_frame_mask_shows_padding_only_when_a_whole_axis_runs_out() -> None:
    valid = torch.zeros(10, 10, 8, dtype=torch.bool)
    valid[:, :, :2] = True  # 2 joints, but 4 are to stay visible: both are among them
    hidden = draw("joint-frame", valid, 0.75)
    assert ((~hidden & valid).flatten(1).sum(1) == 2 * 5).all()


def test_random_and_motion_round_the_count_and_joint_frame_keeps_8_joints_of_9_segments() -> None:
    assert MASKS["random"].visible(30, 25, 0.9).count == 75
    assert MASKS["motion"].visible(30, 25, 0.9).count == 75
    assert MASKS["joint-frame"].visible(30, 25, 0.9).count == 72
    assert MASKS["joint-frame"].visible(30, 25, 0.9).grid == (9, 8)


def test_the_joint_frame_mask_is_some_joints_times_some_segments() -> None:
    hidden = draw("joint-frame", torch.ones(50, 30, 25, dtype=torch.bool), 0.9)
    chosen = set()
    for visible in (~hidden).numpy():
        segments, joints = visible.any(1), visible.any(0)
        assert (segments.sum(), joints.sum()) == (9, 8)
        np.testing.assert_array_equal(visible, segments[:, None] & joints[None, :])
        chosen.add((tuple(segments), tuple(joints)))
    assert len(chosen) == 50  # another choice for every person


def test_the_shares_of_hidden_segments_and_joints_can_be_given_one_by_one() -> None:
    assert MASKS["joint-frame"].visible(30, 25, (0.5, 0.8)).grid == (15, 5)
    assert MASKS["random"].visible(30, 25, (0.5, 0.8)).count == 75


def test_the_tube_mask_shows_whole_parts_over_runs_of_segments_and_at_most_one_cut_short() -> None:
    s, v = 12, 9  # runs of 3 segments, parts of 3 joints: tubes of 9 tokens, fewer where a clip begins or ends in a run
    hidden = draw("tube", torch.ones(60, s, v, dtype=torch.bool), 0.6)
    layouts = set()
    for visible in (~hidden).numpy():
        parts = visible.reshape(s, 3, 3)
        cut = [(t, p) for t in range(s) for p in range(3) if len(set(parts[t, p])) > 1]
        assert len(cut) <= 1  # a part is seen as a whole, but for the last visible tube
        whole = parts.all(2)
        changes = {t % 3 for p in range(3) for t in range(1, s) if whole[t, p] != whole[t - 1, p]}
        layouts.add(tuple(sorted(changes)))
        assert len(changes - {t % 3 for t, _ in cut} - {(t + 1) % 3 for t, _ in cut}) <= 1
    assert len(layouts) > 3  # runs begin at different segments


def semantic_tubes(noise: Tensor, s: int, sizes: list[int], hide: int) -> tuple[set[int], list[set[int]]]:
    """What one person's noise hides, tube by tube until `hide` tokens are: places before the last tube, and all tubes.

    Joints are numbered part by part; `sizes` are those of the parts.
    """
    numbers = noise.flatten().tolist()
    hidden: set[int] = set()
    tubes = []
    for tube in range(min(64, len(numbers) // 5)):
        of_part, of_width, of_joint, of_area, of_segment = numbers[5 * tube : 5 * tube + 5]
        part = int(of_part * len(sizes))
        width = 1 + int(of_width * sizes[part])
        joint = sum(sizes[:part]) + int(of_joint * (sizes[part] - width + 1))
        length = min(max(round((4 + of_area * (hide - 4)) / width), 1), s)
        segment = int(of_segment * (s - length + 1))
        tubes.append(
            {t * sum(sizes) + v for t in range(segment, segment + length) for v in range(joint, joint + width)}
        )
        if len(hidden | tubes[-1]) > hide:
            return hidden, tubes
        hidden |= tubes[-1]
    return hidden, tubes


def test_semantic_tubes_are_hidden_one_after_the_other_and_the_last_is_cut_short() -> None:
    s, sizes, ratio = 8, [5, 6, 6, 4, 4], 0.7  # the parts of NTU's 25 joints in SLiM's public code
    noise = torch.rand(200, s + 1, 26, generator=torch.Generator().manual_seed(0))
    parts = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    visible = MASKS["semantic-tube"].visible(s, 25, ratio)
    assert visible.count == 60
    valid = torch.ones(200, s, 25, dtype=torch.bool)
    hidden = MASKS["semantic-tube"].draw(torch.randn(200, s, 25, 6), valid, noise, visible, parts)
    for p in range(200):
        found = set(hidden[p].flatten().nonzero().flatten().tolist())
        before, tubes = semantic_tubes(noise[p], s, sizes, s * 25 - 60)
        assert before <= found <= before | tubes[-1]
        assert len(found) == 140


def test_where_semantic_tubes_hide_too_few_single_tokens_are_hidden() -> None:
    noise = 0.01 * torch.rand(1, 3, 10, generator=torch.Generator().manual_seed(0))  # all tubes are the first joint
    visible = MASKS["semantic-tube"].visible(2, 9, 0.5)
    hidden = MASKS["semantic-tube"].draw(
        torch.randn(1, 2, 9, 6), torch.ones(1, 2, 9, dtype=torch.bool), noise, visible, parts_of(9)
    )
    assert hidden[0, :, 0].all()
    assert int(hidden.sum()) == 9


def test_every_tube_is_as_likely_to_stay_visible_as_any_other() -> None:
    draws = 4000
    visible = ~draw("tube", torch.ones(draws, 4, 6, dtype=torch.bool), 0.5)  # runs of one segment: 8 tubes, 4 stay
    assert_shares(visible.float().mean(0), 0.5, draws)


def assert_shares(shares: Tensor, expected: float, draws: int) -> None:
    sigma = math.sqrt(expected * (1 - expected) / draws)
    assert float((shares - expected).abs().max()) < 5 * sigma


def test_the_random_mask_shows_every_token_and_every_pair_equally_often() -> None:
    draws = 8000
    visible = ~draw("random", torch.ones(draws, 5, 4, dtype=torch.bool), 0.75).flatten(1)  # 5 of 20
    assert_shares(visible.float().mean(0), 5 / 20, draws)
    together = visible.float().T @ visible.float() / draws
    assert_shares(together[~torch.eye(20, dtype=torch.bool)], 5 / 20 * 4 / 19, draws)


def test_the_joint_frame_mask_chooses_every_joint_and_segment_equally_often_and_apart() -> None:
    draws = 8000
    visible = ~draw("joint-frame", torch.ones(draws, 6, 4, dtype=torch.bool), 0.75)  # 3 segments, 2 joints
    segments, joints = visible.any(2).float(), visible.any(1).float()
    assert_shares(segments.mean(0), 3 / 6, draws)
    assert_shares(joints.mean(0), 2 / 4, draws)
    assert_shares(segments.T @ joints / draws, 1 / 4, draws)


def test_motion_scores_are_mean_absolute_change_and_the_first_segment_copies_the_second() -> None:
    numbers = torch.randn(2, 4, 3, 12)
    scores = motion_scores(numbers)
    for p in range(2):
        for v in range(3):
            for s in range(4):
                now, before = numbers[p, max(s, 1), v], numbers[p, max(s, 1) - 1, v]
                change = sum(abs(float(a) - float(b)) for a, b in zip(now, before, strict=True)) / 12
                assert float(scores[p, s, v]) == pytest.approx(change, rel=1e-5)
    assert torch.equal(scores[:, 0], scores[:, 1])


def moving_joints(persons: int, speeds: list[float]) -> Tensor:
    """(P, S, V, 6): joint v moves by speeds[v] per segment."""
    time = torch.arange(4.0).view(1, 4, 1, 1)
    return (time * torch.tensor(speeds).view(1, 1, -1, 1)).expand(persons, 4, len(speeds), 6).clone()


def test_the_motion_mask_hides_moving_tokens_more_often() -> None:
    draws = 4000
    numbers = moving_joints(draws, [0.0, 0.5, 1.0])
    shares = draw("motion", torch.ones(draws, 4, 3, dtype=torch.bool), 0.5, segments=numbers).float().mean((0, 1))
    assert float(shares[0]) + 0.05 < float(shares[1]) < float(shares[2]) - 0.05


@pytest.mark.parametrize("speed", [1.0, 0.001])
def test_of_two_tokens_the_moving_one_is_hidden_with_the_probability_of_two_gumbel_keys(speed: float) -> None:
    # scores 1 and 0 over (largest · 0.8): log-probabilities 1.25 apart; the difference of two Gumbel draws is logistic
    draws = 20_000
    numbers = moving_joints(draws, [speed, 0.0])
    valid = torch.zeros(draws, 4, 2, dtype=torch.bool)
    valid[:, 2] = True
    hidden = draw("motion", valid, 0.9, segments=numbers)
    assert MASKS["motion"].visible(4, 2, 0.9).count == 1
    probability = 1 / (1 + math.exp(-1.25))
    assert_shares(hidden[:, 2, 0].float().mean(), probability, draws)
    assert_shares(hidden[:, 2, 1].float().mean(), 1 - probability, draws)


def test_of_three_tokens_the_one_hidden_is_drawn_with_its_share_of_the_softmax() -> None:
    # the largest key is the hidden one, and the largest of log p + Gumbel noise falls on i with probability p_i
    draws = 20_000
    valid = torch.zeros(draws, 4, 3, dtype=torch.bool)
    valid[:, 2] = True
    hidden = draw("motion", valid, 0.83, segments=moving_joints(draws, [0.0, 0.5, 1.0]))
    assert MASKS["motion"].visible(4, 3, 0.83).count == 2
    weights = [math.exp(score / 0.8) for score in (0.0, 0.5, 1.0)]
    for joint, weight in enumerate(weights):
        assert_shares(hidden[:, 2, joint].float().mean(), weight / sum(weights), draws)


def test_a_person_who_stands_still_is_masked_uniformly() -> None:
    draws = 4000
    hidden = draw("motion", torch.ones(draws, 4, 3, dtype=torch.bool), 0.5, segments=moving_joints(draws, [0, 0, 0]))
    assert_shares(hidden.flatten(1).float().mean(0), 0.5, draws)


@every_mask
@pytest.mark.parametrize("value", [0.0, 1 - 2**-24])
def test_noise_at_the_ends_of_its_range_does_no_harm(name: str, value: float) -> None:
    valid = some_validity("scattered", 3, 6, 5)
    strategy = MASKS[name]
    visible = strategy.visible(6, 5, 0.75)
    hidden = strategy.draw(torch.randn(3, 6, 5, 12), valid, torch.full((3, 7, 6), value), visible, parts_of(5))
    assert (~hidden).flatten(1).sum(1).tolist() == [visible.count] * 3
