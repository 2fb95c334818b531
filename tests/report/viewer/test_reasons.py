"""Why a recogniser answers as it does, as the viewer shows it."""

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from jointwise.data.centring import prepare_sequence
from jointwise.data.dataset import Dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20, MEDIAPIPE33, NTU25
from jointwise.errors import DataError
from jointwise.inference.occlusion import Occlusion
from jointwise.inference.recognizer import Recognizer
from jointwise.report.viewer import Clip, Panel, clip_of
from jointwise.report.viewer.packing import pack
from jointwise.report.viewer.reasons import joint_weights, weights_of, with_reasons


@pytest.fixture(scope="module")
def recognizer(finetuned: Path) -> Recognizer:
    return Recognizer.from_pretrained(finetuned)


def shown(recognizer: Recognizer, recording: Sequence) -> Clip:
    return with_reasons(clip_of(recording), recognizer, recording, prepare_sequence(recording))


def test_the_clip_plays_what_the_answer_rests_on_and_the_nearest_training_clips(
    recognizer: Recognizer, dataset: Dataset, registered: Path
) -> None:
    recording = dataset.test[0]
    clip = shown(recognizer, recording)
    found = recognizer.occlusion(recording)
    nearest = recognizer.nearest(recording, 5)
    titles = [panel.title for panel in clip.panels]
    assert titles[0] == "recording"
    assert titles[1] == f"what “{found.label}” rests on"
    assert titles[2:] == [f"nearest: {nearest[0].label}", f"2nd nearest: {nearest[1].label}"]
    assert clip.panels[0].weights is None
    np.testing.assert_array_equal(clip.panels[1].weights, weights_of(found.joints))
    rests, near = clip.bars
    assert rests.rows[0] == ("nothing hidden", found.probability, f"{100 * found.probability:.1f} %")
    assert [share for _, share, _ in rests.rows[1:]] == sorted(share for _, share, _ in rests.rows[1:])
    assert all(share < found.probability for _, share, _ in rests.rows[1:])
    assert [name for name, *_ in near.rows] == [f"{one.label} · {one.name}" for one in nearest]
    assert [share for _, share, _ in near.rows] == [one.similarity for one in nearest]


def test_spans_of_time_lie_on_the_clip_that_plays(recognizer: Recognizer, dataset: Dataset, registered: Path) -> None:
    recording = dataset.test[3]
    blank = np.full((1, 15, 20, 3), np.nan, np.float32)  # nobody is seen in the first half second
    late = Sequence(
        np.concatenate([blank, recording.positions], 1),
        recording.skeleton,
        np.concatenate([np.zeros((1, 15, 20), bool), recording.validity], 1),
        recording.fps,
    )
    clip = shown(recognizer, late)
    assert clip.frames == recording.frames
    for late_span, span in zip(clip.spans, shown(recognizer, recording).spans, strict=True):
        assert late_span[:3] == pytest.approx(span[:3])
        assert late_span[3] == span[3]
    length = clip.frames / clip.fps
    assert 0 <= clip.spans[0][0] < 0.05 * length
    assert 0.95 * length < clip.spans[-1][1] <= length


def test_a_training_clip_in_another_unit_has_the_size_of_the_recording(
    recognizer: Recognizer, dataset: Dataset, registered: Path
) -> None:
    metres = shown(recognizer, dataset.test[3])
    recording = replace(dataset.test[3], positions=1000 * dataset.test[3].positions)
    with pytest.warns(match="unit|size|large"):
        recognizer.predict(recording)
    millimetres = shown(recognizer, recording)
    sizes = [panel.stature for panel in millimetres.panels]
    assert sizes[0] > 500 * metres.panels[0].stature
    assert all(0.5 < size / sizes[0] < 2 for size in sizes)


def test_the_terms_of_the_training_clips_stand_beside_them(finetuned: Path, dataset: Dataset, registered: Path) -> None:
    under_terms = Recognizer.from_pretrained(finetuned)
    assert "Terms" not in shown(under_terms, dataset.test[3]).bars[1].words
    under_terms.card.terms = "research only"
    assert shown(under_terms, dataset.test[3]).bars[1].words.endswith("Terms of use of these clips: research only.")


def test_without_the_training_data_the_page_says_so(
    recognizer: Recognizer, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, finetuned: Path
) -> None:
    monkeypatch.delitem(DATASETS, tiny.NAME, raising=False)
    clip = shown(Recognizer.from_pretrained(finetuned), dataset.test[3])
    assert len(clip.panels) == 2
    assert clip.bars[1].rows == ()
    assert "do not travel with it" in clip.bars[1].words


def test_a_model_folder_that_does_not_say_what_it_was_trained_on_still_answers(
    finetuned: Path, dataset: Dataset, registered: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((finetuned / "model" / name).read_bytes())
    clip = shown(Recognizer.from_pretrained(tmp_path), dataset.test[3])
    assert clip.bars[1].words.startswith(f"None: {tmp_path}/trained_on.npy: missing")


def test_joints_of_another_layout_have_the_weight_of_those_that_follow_from_them() -> None:
    drops = np.zeros(len(NTU25.joints))
    drops[NTU25.joints.index("left_wrist")] = np.log(2)  # half of the probability
    drops[NTU25.joints.index("head")] = np.log(4)  # in MediaPipe's layout the mean of both ears
    found = Occlusion("wave", 0.8, NTU25, drops, {}, np.zeros(0), np.zeros((0, 2)))
    weights = dict(zip(MEDIAPIPE33.joints, joint_weights(found, MEDIAPIPE33), strict=True))
    assert {joint: weight for joint, weight in weights.items() if weight} == pytest.approx(
        {"left_wrist": 0.5 / 0.75, "left_ear": 1, "right_ear": 1}
    )


def test_a_neighbour_of_other_axes_stands_upright_beside_a_picture_whose_y_points_down() -> None:
    standing = np.zeros((1, 4, 20, 3), np.float32)
    standing[..., 1] = np.linspace(1, -1, 20)  # the head comes first
    hanging = replace(KINECT20, name="image", up=None)
    valid = np.ones((1, 4, 20), bool)
    clip = Clip("clip", 30, (Panel("a", hanging, -standing, valid), Panel("b", KINECT20, standing, valid)))
    heights = [np.frombuffer(b64decode(text), "<i2")[1::3] for text in pack([clip], 100_000)["clips"][0]["arrays"]]
    assert len(heights) == 2
    assert (np.diff(heights[0][:20].astype(int)) < 0).all()
    np.testing.assert_array_equal(*heights)


def test_weights_must_fit_the_joints() -> None:
    with pytest.raises(DataError, match=r"panel 'a': \(3,\) weights for 20 joints"):
        Panel("a", KINECT20, np.zeros((1, 4, 20, 3)), np.ones((1, 4, 20), bool), weights=np.zeros(3))
