"""Protocol `complete`: baselines and errors known by hand, and predictions that know nothing of what is hidden."""

import copy
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from jointwise.config.schema import CompleteConfig
from jointwise.data.clips import ClipCutter, Persons
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import KINECT20
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation.completion import (
    TASKS,
    Completer,
    clip_errors,
    completion_errors,
    judged_places,
    predict_future,
    train_head,
)
from jointwise.evaluation.interpolation import BASELINES, hold, neighbours, straight_lines
from jointwise.evaluation.results import read_results
from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.model.build import build_completion_head
from jointwise.model.encoders import AXES
from jointwise.model.parts import build_encoder
from jointwise.report.export import figures_of
from jointwise.report.page import write_report
from jointwise.report.tables.completions import lines_of
from jointwise.report.tables.grouping import group_results
from jointwise.report.tables.tables import KINDS, render_into
from jointwise.report.tables.text_table import Grid
from jointwise.report.viewer import find_clips
from jointwise.stages.evaluate import evaluate
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json
from jointwise.training.example_clips import make_examples

SEGMENT = 2
SEGMENTS = 8
JOINTS = 20
SHORT = ("--probe.complete.steps", "2", "--probe.complete.batch", "8")


def clip_of(positions: Tensor, valid: Tensor | None = None) -> Persons:
    """(P, T, V, C) as persons, each of a clip of its own."""
    persons = len(positions)
    valid = torch.ones(positions.shape[:3], dtype=torch.bool) if valid is None else valid
    return Persons(positions, valid, torch.arange(persons), torch.zeros(persons, dtype=torch.long), persons)


def line(frames: int = 16, joints: int = JOINTS, speed: float = 0.3) -> Tensor:
    """One person whose joints all move along x by `speed` a frame, each from its own place."""
    start = torch.randn(1, 1, joints, 3, generator=torch.Generator().manual_seed(0))
    step = torch.tensor([speed, 0.0, 0.0])
    return start + step * torch.arange(frames)[None, :, None, None]


def order(persons: int, seed: int = 0, joints: int = JOINTS) -> Tensor:
    return torch.rand((persons, joints), generator=torch.Generator().manual_seed(seed))


def completer(axis: str = "spacetime") -> Completer:
    """With random weights, at the size of the tiny settings."""
    config = tiny.config("--encoder.axis", axis)
    head = build_completion_head(config, KINECT20, 3, 1, 0)
    torch.manual_seed(0)
    return Completer(build_encoder(config, KINECT20, 3), head, config.clip.segment, 0.5).eval()


# --- what is hidden ---


def test_the_future_is_the_last_quarter_of_all_joints() -> None:
    hidden = TASKS["future"](order(3), SEGMENTS).hidden
    assert hidden[:, -2:].all()
    assert not hidden[:, :-2].any()


def test_missing_joints_are_a_quarter_of_them_in_the_middle_half() -> None:
    hidden = TASKS["joints"](order(3), SEGMENTS).hidden
    assert not hidden[:, :2].any()
    assert not hidden[:, 6:].any()
    assert (hidden[:, 2:6].sum(2) == 5).all()
    assert (hidden[:, 2:6] == hidden[:, 2:3]).all()  # the same ones all along
    assert not torch.equal(hidden[0], hidden[1])  # drawn for each clip


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("segments", "joints"), [(4, 5), (7, 15), (8, 20), (30, 25)])
def test_as_many_tokens_stay_visible_of_every_person(task: str, segments: int, joints: int) -> None:
    hiding = TASKS[task](order(4, joints=joints), segments)
    counts = (~hiding.hidden).flatten(1).sum(1)
    assert len(set(counts.tolist())) == 1
    assert 0 < counts[0] < segments * joints
    assert hiding.grid is None or hiding.grid[0] * hiding.grid[1] == counts[0]


# --- baselines, by hand ---


def test_the_nearest_known_frames_are_found() -> None:
    known = torch.tensor([0, 1, 0, 0, 1, 0]).bool()[None, :, None]
    before, after = (frames[0, :, 0].tolist() for frames in neighbours(known))
    assert before == [-1, 1, 1, 1, 4, 4]
    assert after == [1, 1, 4, 4, 4, 6]


def test_on_a_straight_line_the_straight_line_is_right_and_zero_velocity_is_known() -> None:
    persons = clip_of(line(speed=0.3))
    future = TASKS["future"](order(1), SEGMENTS)  # frames 12 … 15: 1 to 4 frames behind frame 11
    seen = persons.valid & ~future.hidden.repeat_interleave(SEGMENT, 1)
    judged = judged_places(persons, future, SEGMENT)
    assert clip_errors(straight_lines(persons.positions, seen), persons, judged).item() == pytest.approx(0, abs=1e-5)
    assert clip_errors(hold(persons.positions, seen), persons, judged).item() == pytest.approx(0.3 * 2.5, rel=1e-5)
    joints = TASKS["joints"](order(1), SEGMENTS)  # frames 4 … 11: 1 to 8 frames behind frame 3
    seen = persons.valid & ~joints.hidden.repeat_interleave(SEGMENT, 1)
    judged = judged_places(persons, joints, SEGMENT)
    assert clip_errors(straight_lines(persons.positions, seen), persons, judged).item() == pytest.approx(0, abs=1e-5)
    assert clip_errors(hold(persons.positions, seen), persons, judged).item() == pytest.approx(0.3 * 4.5, rel=1e-5)


def test_baselines_where_little_is_known() -> None:
    track = torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0, 25.0])

    def says(baseline: str, *known: int) -> list[float]:
        mask = torch.zeros(1, 6, 1, dtype=torch.bool)
        mask[0, list(known)] = True
        return BASELINES[baseline](track.view(1, 6, 1, 1), mask).flatten().tolist()

    assert says("zero_velocity", 1, 3) == [1, 1, 1, 9, 9, 9]
    assert says("linear", 1, 3) == [1, 1, 5, 9, 13, 17]  # between: the middle; beyond: 4 a frame, as from 1 to 3
    assert says("linear", 0, 1, 2) == [0, 1, 4, 7, 10, 13]  # the last two known, not the first and last
    assert says("linear", 2) == says("zero_velocity", 2) == [4] * 6
    assert says("linear") == says("zero_velocity") == [0] * 6


@pytest.mark.parametrize("baseline", BASELINES)
def test_baselines_read_known_places_only_and_keep_them(baseline: str) -> None:
    random = torch.Generator().manual_seed(0)
    positions = torch.randn(3, 12, 4, 3, generator=random)
    known = torch.rand(3, 12, 4, generator=random) < 0.5
    predicted = BASELINES[baseline](positions, known)
    spoilt = torch.where(known[..., None], positions, torch.tensor(torch.nan))
    assert torch.equal(BASELINES[baseline](spoilt, known), predicted)
    assert torch.equal(predicted[known], positions[known])


# --- errors, by hand ---


def test_errors_are_means_over_judged_places_of_all_persons_of_a_clip() -> None:
    positions = torch.zeros(3, 4, 2, 3)
    persons = replace(clip_of(positions), clip=torch.tensor([0, 0, 2]), clips=3)
    prediction = torch.zeros(3, 4, 2, 3)
    prediction[0, 3, 0] = torch.tensor([3.0, 4.0, 0.0])  # 5 off
    prediction[1, 3, 1] = torch.tensor([0.0, 0.0, 1.0])  # 1 off
    prediction[1, 0, 0] = 99.0  # not judged
    judged = torch.zeros(3, 4, 2, dtype=torch.bool)
    judged[:2, 3] = True  # two joints of two persons
    errors = clip_errors(prediction, persons, judged)
    assert errors[0] == pytest.approx((5 + 0 + 0 + 1) / 4)
    assert errors[1:].isnan().all()  # nobody there; and one of whom nothing is judged


def test_invalid_frames_and_joints_that_are_never_seen_are_not_judged() -> None:
    valid = torch.ones(1, 16, JOINTS, dtype=torch.bool)
    valid[0, :12, 3] = False  # appears in the hidden frames only
    valid[0, 14, 5] = False
    judged = judged_places(clip_of(line(), valid), TASKS["future"](order(1), SEGMENTS), SEGMENT)
    assert not judged[0, :12].any()
    assert not judged[0, :, 3].any()
    assert judged[0, :, 5].nonzero().flatten().tolist() == [12, 13, 15]
    assert judged.sum() == 4 * JOINTS - 4 - 1


# --- nothing of the hidden frames is seen ---


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("task", TASKS)
def test_whatever_lies_in_the_hidden_frames_changes_no_prediction(task: str, axis: str) -> None:
    random, model = torch.Generator().manual_seed(0), completer(axis)
    positions = torch.randn(3, 16, JOINTS, 3, generator=random)
    valid = torch.rand(3, 16, JOINTS, generator=random) < 0.8
    hiding = TASKS[task](order(3), 16 // model.segment)
    hidden = hiding.hidden.repeat_interleave(model.segment, 1)
    predicted = model(clip_of(positions, valid), hiding)
    others = torch.where((hidden | ~valid)[..., None], torch.randn(positions.shape, generator=random), positions)
    flipped = torch.where(hidden, torch.rand(valid.shape, generator=random) < 0.5, valid)
    torch.testing.assert_close(model(clip_of(others, flipped), hiding), predicted, atol=0, rtol=0)
    visible = torch.where((~hidden & valid)[..., None], positions + 1, positions)
    assert not torch.allclose(model(clip_of(visible, valid), hiding), predicted)


def test_the_errors_of_a_clip_do_not_depend_on_its_batch(dataset: Dataset) -> None:
    cutter, ids = ClipCutter.from_store(dataset.store, 16), torch.from_numpy(dataset.test.ids[:7])
    whole = completion_errors({"": completer()}, cutter, ids, "fp32", 0)
    by_two = completion_errors({"": completer()}, cutter, ids, "fp32", 0, batch=2)
    assert list(whole) == [f"{task}{way}" for task in TASKS for way in ("", "_zero_velocity", "_linear")]
    for name, errors in whole.items():
        np.testing.assert_allclose(by_two[name], errors, rtol=1e-5)
    other = completion_errors({"": completer()}, cutter, ids, "fp32", 1)
    assert np.array_equal(other["future_linear"], whole["future_linear"])
    assert not np.array_equal(other["joints_linear"], whole["joints_linear"])  # other joints are hidden


def test_predictions_that_are_not_finite_are_no_clips_to_leave_out(dataset: Dataset) -> None:
    model = completer()
    model.head.head.bias.data[0] = torch.nan
    cutter, ids = ClipCutter.from_store(dataset.store, 16), torch.from_numpy(dataset.test.ids[:3])
    with pytest.raises(DataError, match="completions of task 'future' are not finite"):
        completion_errors({"": model}, cutter, ids, "fp32", 0)


# --- the head ---


def test_training_the_head_lowers_its_error_and_leaves_the_encoder(dataset: Dataset) -> None:
    cutter, model = ClipCutter.from_store(dataset.store, 16), completer()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    ids = torch.from_numpy(dataset.train.ids)
    untrained = completion_errors({"": model}, cutter, ids, "fp32", 0)
    state = torch.get_rng_state()
    train_head(model, cutter, ids, CompleteConfig(steps=30, batch=16), "fp32", 0)
    assert torch.equal(torch.get_rng_state(), state)
    trained = completion_errors({"": model}, cutter, ids, "fp32", 0)
    for task in TASKS:
        assert trained[task].mean() < 0.8 * untrained[task].mean()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.encoder.state_dict().items())


# --- evaluate ---


@pytest.fixture(scope="module")
def completed(pretrained: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the tiny pre-training, seeds 0 and 1, with an accuracy beside them. Read only."""
    folder = tmp_path_factory.mktemp("results")
    for seed in (0, 1):
        evaluate(pretrained, "complete", dataset, tiny.config(*SHORT), seed, results=folder)
    evaluate(pretrained, "knn", dataset, tiny.config(), 0, results=folder)
    return folder


def table_of(results: Iterable[dict[str, Any]]) -> Grid:
    return KINDS["completions"].of(results)


def test_a_result_tells_errors_with_intervals_of_head_decoder_and_baselines(completed: Path, dataset: Dataset) -> None:
    content = read_json(completed / f"{tiny.SYSTEM}-complete-none-seed0.json")
    ways = ("", "_decoder", "_zero_velocity", "_linear")
    assert list(content["scores"]) == [f"{task}{way}" for task in TASKS for way in ways]
    assert (content["labels"], content["split"]["labelled"], content["n"]) == ("none", 0, 30)
    assert content["unit"] == "units of the data"  # nobody says that the tiny data are in metres
    with np.load(completed / f"{tiny.SYSTEM}-complete-none-seed0.npz") as clips:
        errors = clips["joints_linear"]
        assert content["scores"]["joints_linear"] == pytest.approx(errors.mean())
        assert tuple(content["interval"]["joints_linear"]) == bootstrap_interval(
            [Measurement(errors, dataset.test.subjects)]
        )
    log = [json.loads(text) for text in (completed / "test_scorings.jsonl").read_text().splitlines()]
    assert log[0]["future"] == content["scores"]["future"]


def test_data_in_metres_are_judged_in_millimetres(
    completed: Path, pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    store = copy.copy(dataset.store)
    store.description = replace(store.description, metres=True)
    in_metres = replace(dataset, store=store)
    path = evaluate(pretrained, "complete", in_metres, tiny.config(*SHORT), 0, results=tmp_path)[1]
    plain = read_json(completed / path.name)["scores"]
    content = read_json(path)
    assert content["unit"] == "mm"
    assert content["scores"] == {name: pytest.approx(1000 * value) for name, value in plain.items()}


def test_completions_have_a_table_of_their_own(completed: Path, tmp_path: Path) -> None:
    results = read_results(completed)
    assert [group.condition.protocol for group in group_results(results)] == ["knn"]
    grid = table_of(results)
    header, (row,) = grid.header, grid.rows
    assert row[:4] == (tiny.SYSTEM, "pretrained", "2", "units of the data")
    scores = [result["scores"]["future"] for result in results if result["protocol"] == "complete"]
    assert row[header.index("future frames")].startswith(f"{np.mean(scores):.3g} (")
    document = tmp_path / "page.md"
    document.write_text(f"<!-- completions {completed} -->\n<!-- end of completions -->\n")
    assert render_into(document) == 1
    assert grid.to_markdown() in document.read_text()
    assert table_of(result for result in results if result["protocol"] == "knn").rows == []
    completion = next(result for result in results if result["protocol"] == "complete")
    shown = dict(lines_of(completion))
    assert list(shown) == list(header[4:])
    assert shown["missing joints"].startswith(f"{completion['scores']['joints']:.3g} units of the data (95 %: ")


def test_a_report_shows_completions_apart_from_accuracies(completed: Path, pretrained: Path, tmp_path: Path) -> None:
    paths = sorted(completed.glob("*.json"))
    page = write_report(tmp_path / "report.html", "tiny", [pretrained], paths).read_text()
    score = read_json(completed / f"{tiny.SYSTEM}-complete-none-seed1.json")["scores"]["joints_linear"]
    table = page.partition("Completion of clips")[2].partition("</table>")[0]
    assert f'<span class="score">{score:.3g}</span>' in table
    assert "nearest neighbours" in page
    plain = write_report(tmp_path / "plain.html", "tiny", [pretrained], [path for path in paths if "knn" in path.name])
    assert "Completion of clips" not in plain.read_text()


def test_a_completion_measured_twice_or_without_a_fold_is_no_row(completed: Path) -> None:
    results = [result for result in read_results(completed) if result["protocol"] == "complete"]
    with pytest.raises(DataError, match="measure the same with the same seed"):
        table_of([*results, results[0]])
    with pytest.raises(DataError, match=r"is fold 2 of 3, but beside it fold 1, 3 is missing"):
        table_of([results[0] | {"fold": 2, "folds": 3}])


def test_a_system_without_decoder_or_with_the_teachers_encoder_has_the_head_only(
    pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    _, path = evaluate(pretrained, "complete", dataset, tiny.config(*SHORT), 0, which="teacher", results=tmp_path)
    assert not [name for name in read_json(path)["scores"] if "decoder" in name]
    (row,) = table_of(read_results(tmp_path)).rows
    assert row[1] == "pretrained (teacher)"
    assert row.count("–") == 2


def test_a_decoder_of_relative_places_is_judged_where_the_body_is() -> None:
    """A decoder that says "at the root" of each joint is right about a body that is one point, wherever it went."""
    torch.manual_seed(0)
    model = completer()
    persons = clip_of(torch.randn(3, 4 * model.segment, 1, 3).expand(-1, -1, JOINTS, -1).clone())
    model.centre = (KINECT20.joints.index("spine_mid"),)
    torch.nn.init.zeros_(model.head.head.weight)
    torch.nn.init.zeros_(model.head.head.bias)
    hiding = TASKS["joints"](torch.arange(JOINTS, 0, -1.0).expand(3, -1), 4)  # of the last five joints
    judged = judged_places(persons, hiding, model.segment)
    assert not judged[:, :, model.centre[0]].any()
    assert clip_errors(model(persons, hiding), persons, judged).max() < 1e-5


@pytest.mark.parametrize(("option", "judged"), [("decoder.width 8", True), ("mask.hidden zeroed", False)])
def test_a_decoder_is_built_as_it_was_trained_and_one_that_needs_every_token_is_not_judged(
    dataset: Dataset, tmp_path: Path, option: str, judged: bool
) -> None:
    name, value = option.split()
    pretrain(tiny.config(f"--{name}", value, "--pretrain.steps", "1"), dataset, 0, tmp_path / "run")
    (path,) = evaluate(tmp_path / "run", "complete", dataset, tiny.config(*SHORT), 0)
    assert ("future_decoder" in read_json(path)["scores"]) == judged


def test_completing_on_shared_joints_takes_the_rows_of_decoder_and_encoder(
    pretrained: Path, dataset: Dataset, completed: Path, tmp_path: Path
) -> None:
    backwards = dataset.on_joints(KINECT20.joints[::-1])
    _, path = evaluate(pretrained, "complete", backwards, tiny.config(*SHORT), 0, results=tmp_path)
    expected = read_json(completed / f"{tiny.SYSTEM}-complete-none-seed0.json")["scores"]["future_decoder"]
    assert read_json(path)["scores"]["future_decoder"] == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_completed_says_so(pretrained: Path, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="'complete' needs an encoder, not raw coordinates"):
        evaluate(None, "complete", dataset, tiny.config(), 0)
    with pytest.raises(ConfigError, match=r"--labels 0\.5: protocol 'complete' needs no labels"):
        evaluate(pretrained, "complete", dataset, tiny.config(), 0, labels="0.5")
    clips = ClipCutter.from_store(dataset.store, 12)
    with pytest.raises(ConfigError, match="this encoder's clips have 3 segments; it takes 4"):
        completion_errors({"": completer()}, clips, torch.arange(2), "fp32", 0)


def test_the_predicted_future_follows_on_the_clip_as_it_is(dataset: Dataset) -> None:
    cutter = ClipCutter.from_store(dataset.store, 16)
    examples = make_examples(dataset, cutter, 0, predict_future(completer(), "fp32"))
    assert examples.seen is not None
    assert examples.rebuilt is not None
    there = examples.valid.any((2, 3))
    assert (examples.rebuilt[there][:, :12] == examples.clip[there][:, :12]).all()
    assert (examples.rebuilt[there][:, 12:] != examples.clip[there][:, 12:]).any((1, 2, 3)).all()
    assert not examples.seen[:, :, 12:].any()
    assert examples.seen[there][:, :12].mean() > 0.9


def test_a_completion_leaves_clips_that_view_and_convert_open(completed: Path, pretrained: Path) -> None:
    clips = find_clips(str(pretrained)).clips
    future = [clip for clip in clips if clip.title.endswith(" · future")]
    assert (len(clips), len(future)) == (16, 8)
    assert [panel.title for panel in future[0].panels] == ["recording", "what the encoder saw", "the predicted future"]
    figures, _ = figures_of(future[0])
    assert [figure.name.rstrip(" 12") for figure in figures][-1] == "the predicted future"
