"""Transfer: joints of model and data are matched by name; what one side lacks is as if nobody had seen it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.stores import write_store
from jointwise import cli
from jointwise.data.clips import ClipCutter, Clips
from jointwise.data.dataset import Dataset, load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.randomness import Draws
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import (
    BODY25,
    KINECT20,
    MEDIAPIPE33,
    NTU25,
    SBU15,
    SKELETONS,
    Skeleton,
    choose_joints,
    shared_joints,
    unnamed_skeleton,
)
from jointwise.data.store.reader import Description, Store
from jointwise.errors import CheckpointError, ConfigError
from jointwise.evaluation.features import encoder_features
from jointwise.evaluation.results import read_results
from jointwise.inference.recognizer import Recognizer
from jointwise.model.encoders import AXES
from jointwise.model.parts import build_encoder
from jointwise.model.tokens import restrict_joints
from jointwise.report.tables.grouping import group_results
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json
from jointwise.training.coordinate_scale import coordinate_rms, with_coordinate_scale
from jointwise.training.model_folder import encoder_weights, load_card, load_model

KINECT_ONLY = tuple(joint for joint in NTU25.joints if joint in KINECT20.joints)


def random_data(path: Path, skeleton: Skeleton, coordinates: int = 3) -> Dataset:
    """Two classes and two subjects, 12 clips of noise in which a tenth of the joints is invalid."""
    random = np.random.default_rng(0)
    shape = (1, 19, len(skeleton.joints))
    pairs = [
        (
            Sequence(
                random.normal(size=(*shape, coordinates)), skeleton, random.random(shape) > 0.1, 30.0, label, subject
            ),
            subject == 2,
        )
        for label in (0, 1)
        for subject in (1, 2)
        for _ in range(3)
    ]
    description = Description("other", skeleton, ("a", "b"), coordinates)
    return Dataset.of(Store(write_store(path / "other", description, pairs)), "other")


@pytest.fixture(scope="module")
def ntu(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Data of 25 joints, of which the tiny data have 20."""
    return random_data(tmp_path_factory.mktemp("ntu"), NTU25)


@pytest.fixture(scope="module")
def transferred(ntu: Dataset, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pre-training fine-tuned on other data. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "finetune"
    finetune(tiny.config(), ntu, 0, "1.0", folder, pretrained)
    return folder


# --- layouts and views ---


def test_bones_bridge_joints_that_are_left_out() -> None:
    skeleton = NTU25.on_joints(["head", "spine_shoulder", "left_shoulder", "left_wrist", "left_thumb"])
    assert set(skeleton.bones) == {
        ("spine_shoulder", "head"),  # over the neck
        ("spine_shoulder", "left_shoulder"),
        ("left_shoulder", "left_wrist"),  # over the elbow
        ("left_wrist", "left_thumb"),
    }
    assert skeleton.root is None  # spine_mid is not among them
    assert (skeleton.up, skeleton.lateral) == (NTU25.up, NTU25.lateral)


@pytest.mark.parametrize("layout", SKELETONS.values(), ids=list(SKELETONS))
def test_a_layout_on_all_its_joints_is_itself_and_joints_come_in_the_order_asked_for(layout: Skeleton) -> None:
    assert layout.on_joints(layout.joints) is layout
    backwards = layout.on_joints(reversed(layout.joints))
    assert backwards.joints == layout.joints[::-1]
    assert (backwards.bones, backwards.root) == (layout.bones, layout.root)


def test_bones_in_a_ring_end_the_search_for_a_joint_that_stays() -> None:
    ring = Skeleton("ring", ("a", "b", "c", "d"), (("a", "b"), ("b", "a"), ("b", "c"), ("c", "d")), None)
    assert ring.on_joints(["c", "d"]).bones == (("c", "d"),)


def test_an_unknown_joint_is_named() -> None:
    with pytest.raises(ConfigError, match="skeleton 'ntu25': unknown joint 'heed': did you mean 'head'"):
        NTU25.on_joints(["heed"])


def test_joints_are_shared_by_name_and_numbers_are_no_names() -> None:
    assert shared_joints(NTU25, KINECT20) == KINECT20.joints
    assert shared_joints(KINECT20, NTU25) == KINECT_ONLY
    assert shared_joints(BODY25, SBU15) == tuple(
        joint for joint in SBU15.joints if joint.endswith(("shoulder", "elbow", "hip", "knee"))
    )
    assert shared_joints(unnamed_skeleton(20), unnamed_skeleton(25)) == ()
    assert shared_joints(unnamed_skeleton(20), unnamed_skeleton(20)) == unnamed_skeleton(20).joints


def test_joints_are_chosen_by_layout_or_by_name() -> None:
    assert choose_joints("kinect20", NTU25) == KINECT_ONLY
    some = ("left_hand", "head", "left_foot", "neck", "right_hand")
    assert choose_joints(", ".join(some), NTU25) == some
    with pytest.raises(
        ConfigError, match=r"--joints kinect20: at least 5 .* 'joints3' has none of its joints\. It has"
    ):
        choose_joints("kinect20", unnamed_skeleton(3))
    with pytest.raises(ConfigError, match=r"at least 5 different joints are needed; '.*' has neck, spine_mid of them"):
        choose_joints("h36m17", NTU25.on_joints(("neck", "head", "spine_mid")))
    with pytest.raises(ConfigError, match="at least 5 different joints"):
        choose_joints(",".join((*some, some[0])), NTU25)


def test_a_view_shows_the_columns_of_its_joints_and_nothing_else(dataset: Dataset) -> None:
    names = ("right_hand", "head", "left_knee")
    columns = [KINECT20.joints.index(name) for name in names]
    view = dataset.on_joints(KINECT20.joints[::-1]).on_joints(names)  # a view of a view
    assert view.skeleton.joints == names
    ids = torch.tensor([0, 7, 31])
    clips, whole = (ClipCutter.from_store(data.store, 16).centre(ids) for data in (view, dataset))
    assert torch.equal(clips.positions, whole.positions[:, :, :, columns])
    assert torch.equal(clips.valid, whole.valid[:, :, :, columns])
    assert np.array_equal(view.test[3].positions, dataset.test[3].positions[:, :, columns])
    assert np.array_equal(view.test[3].validity, dataset.test[3].validity[:, :, columns])
    picked = np.concatenate([s.positions[:, :, columns][s.validity[:, :, columns]] for s in dataset.train])
    assert coordinate_rms(view.train) == pytest.approx(np.sqrt(np.square(picked, dtype=np.float64).mean()), rel=1e-6)
    assert dataset.on_joints(KINECT20.joints) is dataset


def test_a_view_mirrors_its_own_joints(dataset: Dataset) -> None:
    view = dataset.on_joints(("right_hand", "head", "left_hand"))
    cutter, ids = ClipCutter.from_store(view.store, 16), torch.tensor([4])
    plain, mirrored = (cutter.random(ids, Draws(torch.arange(1), 1), mirror=mirror).positions for mirror in (0.0, 1.0))
    swapped = plain[..., [2, 1, 0], :] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(mirrored, swapped)


def test_a_view_computes_joints_that_follow_from_others(dataset: Dataset) -> None:
    names = ("head", "left_hip", "right_hip", "left_shoulder", "right_shoulder")
    columns = [KINECT20.joints.index(name) for name in names]
    view = dataset.on_joints(names).on_joints(("spine_mid", "spine_base", "head"))  # a view of a view
    assert view.skeleton.joints == ("spine_mid", "spine_base", "head")
    ids = torch.tensor([0, 7, 31])
    clips, whole = (ClipCutter.from_store(data.store, 16).centre(ids) for data in (view, dataset))
    parts = whole.positions[:, :, :, columns]
    expected = torch.stack([parts[..., 1:, :].mean(3), parts[..., 1:3, :].mean(3), parts[..., 0, :]], 3)
    torch.testing.assert_close(clips.positions, expected)
    seen = whole.valid[:, :, :, columns]
    valid = torch.stack([seen[..., 1:].all(-1), seen[..., 1:3].all(-1), seen[..., 0]], -1)
    assert torch.equal(clips.valid, valid)
    sequence, original = view.test[3], dataset.test[3]
    np.testing.assert_allclose(
        sequence.positions[:, :, 1], original.positions[:, :, columns[1:3]].mean(2), rtol=1e-6, atol=1e-7
    )
    picked = np.concatenate([s.positions[s.validity] for s in view.train])
    assert coordinate_rms(view.train) == pytest.approx(np.sqrt(np.square(picked, dtype=np.float64).mean()), rel=1e-6)
    assert choose_joints("head,left_hip,right_hip,spine_base,left_knee", NTU25.on_joints(NTU25.joints[1:]))
    with pytest.raises(ConfigError, match="unknown joint 'left_hand'"):
        view.on_joints(["left_hand"])


# --- the weights that stay ---


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("pooling", ["mean", "phases"])
def test_an_encoder_on_shared_joints_is_the_whole_one_with_the_others_invalid(
    ntu: Dataset, axis: str, pooling: str
) -> None:
    config = tiny.config("--encoder.axis", axis)
    whole = build_encoder(config, NTU25, 3).eval()
    places = [NTU25.joints.index(joint) for joint in KINECT20.joints]  # in another order, too
    part = build_encoder(config, KINECT20, 3).eval()
    part.load_state_dict(restrict_joints(whole.state_dict(), places))
    clips = ClipCutter.from_store(ntu.store, config.clip.frames).centre(torch.arange(6))
    valid = torch.zeros_like(clips.valid)
    valid[..., places] = clips.valid[..., places]
    reduced = Clips(clips.positions[:, :, :, places], clips.valid[..., places], clips.ids)
    with torch.no_grad():
        expected = encoder_features(whole, config.clip.segment, pooling)(Clips(clips.positions, valid, clips.ids))
        found = encoder_features(part, config.clip.segment, pooling)(reduced)
        seeing_all = encoder_features(whole, config.clip.segment, pooling)(clips)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(seeing_all, expected, atol=1e-3)


def test_rows_of_the_joint_embedding_are_picked_by_name(ntu: Dataset, pretrained: Path) -> None:
    rows_before = load_model(pretrained)[1]["student.embed.position.joint"][0]
    _, weights, view = encoder_weights(pretrained, ntu, "student")
    assert view.skeleton.joints == KINECT_ONLY != KINECT20.joints
    for place, joint in enumerate(view.skeleton.joints):
        assert torch.equal(weights["embed.position.joint"][0, place], rows_before[KINECT20.joints.index(joint)])


# --- fine-tuning and evaluation on other data ---


def test_a_transferred_model_knows_the_shared_joints_and_where_it_comes_from(transferred: Path, ntu: Dataset) -> None:
    card = load_card(transferred)
    assert (card.skeleton.joints, card.recorded) == (KINECT_ONLY, NTU25)
    assert (card.pretrained_on, card.data) == ("tiny", "other")
    (result,) = read_results(transferred / "results")
    assert result["path"].stem.startswith(f"{tiny.SYSTEM}-from-tiny-finetune-ntu25-20joints-")
    assert result["split"]["is_test"]
    (group,) = group_results([result])
    assert group.condition.start.startswith("pretrained on tiny, ntu25-20joints")


@pytest.mark.filterwarnings("ignore:.*do not fit these joints:jointwise.errors.JointwiseWarning")  # they are random
def test_a_whole_recording_is_recognised_by_the_joints_the_model_knows(transferred: Path, ntu: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(transferred)
    with np.load(next((transferred / "results").glob("*.npz"))) as clips:
        scores = clips["scores"]
    for place in (0, 5):
        sequence = ntu.test[place]
        answer = recognizer.predict(sequence)
        assert [answer.probabilities[name] for name in ntu.classes] == pytest.approx(scores[place].tolist(), abs=1e-5)
        assert recognizer.predict(sequence.on_joints(KINECT_ONLY)).probabilities == answer.probabilities
        numbered = replace(sequence, skeleton=unnamed_skeleton(25))
        assert recognizer.predict(numbered).probabilities == answer.probabilities
    array = np.random.default_rng(1).normal(size=(9, 25, 3))
    assert recognizer.predict(array).probabilities == recognizer.predict(Sequence(array, NTU25)).probabilities


def test_the_origin_is_that_of_the_whole_recording_when_the_root_is_left_out(dataset: Dataset, tmp_path: Path) -> None:
    view = dataset.on_joints([joint for joint in KINECT20.joints if joint != "spine_mid"])
    finetune(tiny.config("--scratch.steps", "1", system=tiny.BASELINE), view, 0, "1.0", tmp_path / "run")
    recognizer = Recognizer.from_pretrained(tmp_path / "run")
    sequence = tiny.walk(0, 2, 2)
    with np.load(next((tmp_path / "run" / "results").glob("*.npz"))) as clips:
        expected = clips["scores"][clips["ids"].tolist().index(sequence.source)]
    answer = recognizer.predict(sequence).probabilities
    assert [answer[name] for name in tiny.CLASSES] == pytest.approx(expected.tolist(), abs=1e-5)
    rootless = recognizer.predict(sequence.on_joints(view.skeleton.joints))  # its origin is computed from four joints
    assert rootless.label in tiny.CLASSES


@pytest.mark.filterwarnings("ignore:.*do not fit these joints:jointwise.errors.JointwiseWarning")  # they are random
def test_a_model_is_fine_tuned_and_used_on_a_layout_whose_joints_only_follow(pretrained: Path, tmp_path: Path) -> None:
    data = random_data(tmp_path, MEDIAPIPE33)
    finetune(tiny.config(), data, 0, "1.0", tmp_path / "run", pretrained)
    card = load_card(tmp_path / "run")
    assert {"spine_base", "spine_mid", "spine_shoulder", "head", "left_hand", "left_foot"} <= set(card.skeleton.joints)
    assert len(card.skeleton.joints) == len(KINECT20.joints)
    assert card.recorded == MEDIAPIPE33
    recognizer = Recognizer.from_pretrained(tmp_path / "run")
    with np.load(next((tmp_path / "run" / "results").glob("*.npz"))) as clips:
        expected = clips["scores"]
    answers = [recognizer.predict(sequence).probabilities for sequence in data.test]
    found = [[answer[name] for name in ("a", "b")] for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5)  # the same joints are computed in training and in use
    _, path = evaluate(tmp_path / "run", "score", data, tiny.config(), 0, results=tmp_path / "again")
    with np.load(path.with_suffix(".npz")) as again:
        np.testing.assert_allclose(again["scores"], expected, atol=1e-5)


def test_scoring_a_transferred_model_again_gives_the_scores_of_its_training(
    transferred: Path, ntu: Dataset, tmp_path: Path
) -> None:
    _, path = evaluate(transferred, "score", ntu, tiny.config(), 0, results=tmp_path)
    (trained,) = (transferred / "results").glob("*-finetune-*.json")
    assert read_json(path)["scores"] == read_json(trained)["scores"]


@pytest.mark.parametrize("protocol", ["knn", "linear"])
def test_an_encoder_of_more_joints_judges_data_with_fewer(
    ntu: Dataset, dataset: Dataset, tmp_path: Path, protocol: str
) -> None:
    pretrain(tiny.config("--pretrain.steps", "1"), ntu, 0, tmp_path / "run")
    (path,) = evaluate(tmp_path / "run", protocol, dataset, tiny.config(), 0)
    content = read_json(path)
    assert (content["pretrained_on"], content["data"], content["joints"]) == ("other", "tiny", None)


def test_the_same_joints_in_another_order_are_the_same_model(
    pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    backwards = dataset.on_joints(KINECT20.joints[::-1])
    paths = [
        evaluate(pretrained, "knn", data, tiny.config(), 0, results=tmp_path / str(i))[1]
        for i, data in enumerate((dataset, backwards))
    ]
    first, second = (np.load(path.with_suffix(".npz"))["scores"] for path in paths)
    np.testing.assert_allclose(first, second, atol=1e-5)


# --- what cannot be transferred ---


def test_too_few_shared_joints_are_refused_and_those_of_both_named(pretrained: Path, tmp_path: Path) -> None:
    limbs = Skeleton("limbs", ("left_hand", "right_hand", "left_foot", "right_foot", "tail"), (), None)
    data = random_data(tmp_path, limbs)
    with pytest.raises(CheckpointError) as caught:
        finetune(tiny.config(), data, 0, "1.0", tmp_path / "run", pretrained)
    message = str(caught.value)
    assert "4 of the model's 20 joints follow from it, too few (at least 7)" in message
    assert "The model's: head, spine_shoulder," in message
    assert "The data's: left_hand, right_hand, left_foot, right_foot, tail." in message
    assert not (tmp_path / "run").exists()  # and no run was begun


def test_numbered_joints_are_not_matched_with_those_of_other_numbered_data(pretrained: Path, tmp_path: Path) -> None:
    card = replace(load_card(pretrained), skeleton=unnamed_skeleton(20))
    with pytest.raises(CheckpointError, match="0 of the model's 20 joints follow"):
        card.on_shared_joints(random_data(tmp_path, unnamed_skeleton(25)), pretrained)


def test_a_trained_head_needs_every_joint_and_the_same_classes(
    transferred: Path, finetuned: Path, dataset: Dataset, ntu: Dataset
) -> None:
    with pytest.raises(
        CheckpointError, match="names the 5 classes of 'tiny', but data 'other' has 2: it lacks up, down"
    ):
        evaluate(finetuned, "score", ntu, tiny.config(), 0)
    fewer = dataset.on_joints(KINECT20.joints[:-1])
    with pytest.raises(CheckpointError, match=r"Joints the data lacks: right_foot\. Fine-tune on this data"):
        evaluate(finetuned, "score", fewer, tiny.config(), 0)


# --- the command line ---


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


def test_the_command_says_which_joints_go_together(
    place: Path, pretrained: Path, ntu: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jointwise.data.dataset.load_dataset", lambda *_: ntu)
    monkeypatch.setitem(DATASETS, "other", replace(tiny.SOURCE, description=ntu.store.description))
    run("finetune", pretrained, "--data", "other", "--quick", *tiny.SMALL)
    (folder,) = (Path("runs/quick/other") / tiny.SYSTEM).iterdir()
    assert folder.name == "finetune-from-tiny-1.0-seed0"
    out = capsys.readouterr().out
    assert (
        "other (ntu25) on the model's layout kinect20: 20 of 20 joints: 20 matched; left out, as the model does not "
        in out
    )
    assert "them: neck, left_hand_tip, left_thumb, right_hand_tip, right_thumb" in out
    run("evaluate", pretrained, "--protocol", "knn", "--data", "other", "--joints", "sbu15", "--results", "results")
    out = capsys.readouterr().out
    assert "layout kinect20: 16 of 20 joints: 15 matched, 1 from others, missing: left_wrist, right_wrist, " in out


def test_the_same_joints_around_another_origin_are_told_apart(pretrained: Path, dataset: Dataset) -> None:
    card = load_card(pretrained)
    assert card.compatibility_notes(dataset) is None
    elsewhere = replace(card, skeleton=replace(card.skeleton, root="spine_base"))
    assert "origins differ: spine_mid in the data, spine_base before" in str(elsewhere.compatibility_notes(dataset))


def test_training_from_scratch_on_some_joints_is_a_run_of_its_own_and_resumes(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("finetune", tiny.BASELINE, "--data", "tiny", "--quick", *tiny.SMALL, "--scratch.steps", "2")
    run(*words, "--joints", "sbu15")
    assert "15 joints of tiny: head, spine_shoulder" in capsys.readouterr().out
    (folder,) = (Path("runs/quick/tiny") / tiny.BASELINE).iterdir()
    assert folder.name.startswith("scratch-kinect20-15joints-")
    assert load_card(folder).skeleton.joints == shared_joints(SBU15, KINECT20)
    with pytest.raises(ConfigError, match="was started with joints 'kinect20-15joints-"):
        run(*words, "--run", folder, "--resume")
    with pytest.raises(
        ConfigError, match=r"unknown joint of 'kinect20' 'heed': did you mean 'head'.* name a layout: body25, "
    ):
        run(*words, "--joints", "heed,left_hand")
    assert load_dataset("tiny").on_joints(["head"]).arguments == ["--data", "tiny", "--joints", "head"]


def test_places_stay_relative_to_the_joint_of_the_pre_training(dataset: Dataset, tmp_path: Path) -> None:
    """Data with another root, or without that joint, are taken relative to the same place of the body."""
    config = tiny.config("--clip.input", "relative+motion", "--pretrain.steps", "2")
    pretrain(config, dataset, 0, tmp_path / "run")
    card = load_card(tmp_path / "run")
    assert card.config.clip.centre == dataset.skeleton.root == "spine_mid"
    for layout, names in (
        (NTU25, ["spine_mid"]),
        (BODY25, ["spine_mid"]),  # computed
    ):
        data = random_data(tmp_path / layout.name, layout)
        _, _, shared = encoder_weights(tmp_path / "run", data, "student")
        units = with_coordinate_scale(config, shared, card.config)
        encoder = build_encoder(units, shared.skeleton, 3)
        found = {shared.skeleton.joints[place] for place in encoder.centre}
        assert found == set(names)
