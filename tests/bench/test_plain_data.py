"""The package's reader and cutter give what the plain ones give: bitwise, and to a hundredth of a millimetre."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jointwise.bench.plain_data import cut_clip, read_skeleton
from jointwise.data import augment
from jointwise.data.clips import ClipCutter, random_windows
from jointwise.data.formats import skeleton
from jointwise.data.store.reader import Store

FRAMES = 48  # at least as many as any recording has: the plain cutter does not average where a clip gets shorter


@st.composite
def joint_lines(draw: st.DrawFn) -> str:
    """Twelve numbers of a joint, printed in any format."""
    value = st.floats(-1e3, 1e3)
    kinds = (value.map(repr), value.map(lambda v: f"{v:.7g}"), value.map(lambda v: f"{v:+.4e}"), st.just("-0"))
    numbers = draw(st.lists(st.one_of(*kinds), min_size=11, max_size=11))
    return draw(st.sampled_from([" ", "  ", "\t", " \t"])).join([*numbers, draw(st.sampled_from("012"))])


@given(
    joints=st.lists(joint_lines(), min_size=3, max_size=3),
    frames=st.lists(st.lists(st.integers(1, 3), unique=True, max_size=2), max_size=3),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_reads_as_the_plain_reader_reads_it(
    tmp_path_factory: pytest.TempPathFactory, joints: list[str], frames: list[list[int]], end: str
) -> None:
    lines = [str(len(frames) + 1)]
    for frame, bodies in enumerate([*frames, [1]]):
        lines.append(str(len(bodies)))
        for body in bodies:
            lines += [f"{2**53 + body} 0 1 1 1 1 0 0.1 -0.2 2", "25"]
            lines += [joints[(frame + body + joint) % 3] for joint in range(25)]
    path = tmp_path_factory.mktemp("plain") / "any.skeleton"
    path.write_bytes((end.join(lines) + end).encode())
    positions, states = read_skeleton(path)
    sequence = skeleton.read(path)
    assert sequence.positions.tobytes() == positions.tobytes()
    np.testing.assert_array_equal(sequence.validity, states > 0)


@given(data=st.data(), seed=st.integers(0, 999))
def test_a_clip_is_cut_and_turned_as_the_plain_cutter_does(ragged_store: Store, data: st.DataObject, seed: int) -> None:
    ids = torch.tensor(data.draw(st.lists(st.integers(0, len(ragged_store) - 1), min_size=1, max_size=5)))
    crop, rotation = data.draw(st.floats(0.3, 1)), data.draw(st.floats(0, 0.5))
    drawn = torch.stack(
        [torch.rand(5, generator=torch.Generator().manual_seed(seed + place)) for place in range(len(ids))]
    )
    cutter = ClipCutter.from_store(ragged_store, FRAMES)
    clips = cutter.cut(ids, *random_windows(cutter.lengths[ids], crop, drawn[:, :2]))
    turned = augment.rotate(clips.positions, (2 * drawn[:, 2:] - 1) * rotation)
    for row, place in enumerate(ids.tolist()):
        whole = torch.from_numpy(ragged_store[place].positions)
        expected = cut_clip(whole, FRAMES, torch.Generator().manual_seed(seed + row), crop, rotation)
        torch.testing.assert_close(turned[row, : len(expected)], expected, atol=1e-5, rtol=0)
