"""The report: what must be on the page, what may never be, and what damaged files say."""

import re
from html import unescape
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from helpers.made_pages import CLASSES, NASTY, Balance, make_result, make_run, text_of
from jointwise.data.skeletons import NTU25
from jointwise.errors import DataError, StorageError
from jointwise.report.page import charts, write_report
from jointwise.report.page.confusion import Confusion, count_confusions
from jointwise.report.page.heat_map import has_hover_counts, heat_map
from jointwise.report.page.reading import read_run
from jointwise.report.page.scales import linear_ticks, log_ticks, short, tick_labels
from jointwise.report.viewer import MOST_BYTES
from jointwise.training.example_clips import Examples, write_examples


@pytest.fixture
def page(tmp_path: Path) -> str:
    runs = [make_run(tmp_path / "pretrain-seed0")]
    results = [make_result(tmp_path / "linear-0.1-seed7.json"), make_result(tmp_path / "knn.json", protocol="knn")]
    out = write_report(tmp_path / "new" / "report.html", "My & report", runs, results)
    return out.read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_from_outside(page: str):
    assert not re.search(r"(src|href|action|xlink:href)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert not re.search(r"url\(|@import|<script|https?:", page)
    assert "default-src 'none'" in page


def test_every_tag_is_closed_in_order_and_every_section_is_there(page: str):
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert balance.ids == ["scores", "training", "classes", "skeletons", "provenance"]


def test_the_page_shows_scores_intervals_names_and_origin(page: str):
    words = text_of(page)
    for shown in ("My & report", "72.7", "61.4 – 85.3", "100.0", "14.2", "1.23 M", "linear probe", "drink", "10 %",
                  "95 % intervals (bootstrap over subjects)", "ab12cd", "4fd1c3e", "torch 2.13.0", "width: 64",
                  "jointwise pretrain mamp", "No clips to play"):  # fmt: skip
        assert shown in words
    assert "on 11 test clips of 3 classes, split: cross-subject." in words


def test_confusions_known_by_hand_appear_as_counts_shares_and_words(page: str):
    words = text_of(page)
    assert "drink → wave: 1 of 4 (25.0 %)" in words
    assert f"wave → {NASTY}: 2 of 2 (100.0 %)" in words
    assert f"wave taken for {NASTY} 2 of 2 clips (100.0 %)" in words
    assert "75.0 3 / 4" in words
    rows = re.findall(r'<th scope="row">(.*?)</th>\s*<td class="drawing">', page)
    assert [unescape(row) for row in rows[:3]] == [NASTY, "drink", "wave"]  # best first


def test_markup_in_names_is_shown_not_obeyed(page: str):
    assert NASTY not in page
    assert '<b>"' not in page
    assert NASTY in text_of(page)
    assert "My &amp; report" in page


def test_only_the_first_result_is_unfolded(page: str):
    assert re.findall(r'<details class="result"( open)?>', page) == [" open", ""]


def test_empty_lists_make_a_page(tmp_path: Path):
    words = text_of(write_report(tmp_path / "r.html", "Nothing", [], []).read_text(encoding="utf-8"))
    assert "No runs and no results yet." in words
    only_run = write_report(tmp_path / "r.html", "Run", [make_run(tmp_path / "run")], []).read_text(encoding="utf-8")
    assert "No results yet" in text_of(only_run)
    only_result = write_report(tmp_path / "r.html", "Result", [], [make_result(tmp_path / "a.json")])
    assert "No runs in this report" in text_of(only_result.read_text(encoding="utf-8"))


def test_what_old_files_do_not_say_is_a_dash(tmp_path: Path):
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "begun").mkdir()
    words = text_of(
        write_report(tmp_path / "r.html", "Old", [tmp_path / "begun"], [tmp_path / "old.json"]).read_text("utf-8")
    )
    assert "– – – – –" in words
    assert "No metrics were logged yet" in words
    assert "per-clip scores (.npz) do not lie beside this result" in words


def test_terms_of_use_stand_in_the_header(tmp_path: Path):
    path = make_result(tmp_path / "a.json", data="ntu60", terms="research use only")
    page = write_report(tmp_path / "r.html", "T", [], [path]).read_text(encoding="utf-8")
    assert "Terms of use of ntu60: research use only." in text_of(page.split("</header>")[0])


def test_scores_that_do_not_match_their_clips_are_pointed_out(tmp_path: Path):
    path = make_result(tmp_path / "a.json", scores={"top1": 0.99})
    assert "may not belong together" in write_report(tmp_path / "r.html", "T", [], [path]).read_text(encoding="utf-8")


def test_collapse_is_watched(tmp_path: Path):
    def words(name: str, last: float) -> str:
        records = [{"step": step, "effective_rank": rank} for step, rank in enumerate((10.0, 40.0, last))]
        return write_report(tmp_path / "r.html", "T", [make_run(tmp_path / name, records)], []).read_text("utf-8")

    assert "Collapse watch." in words("collapsed", 1.9)
    assert "Collapse watch." not in words("sound", 2.1)


def test_a_truncated_last_line_of_metrics_is_forgiven_but_not_one_before(tmp_path: Path):
    run = make_run(tmp_path / "run", [{"step": 1, "loss": 1.0}])
    metrics = run / "metrics.jsonl"
    metrics.write_text(metrics.read_text() + '{"step": 2, "lo')
    assert [record["step"] for record in read_run(run).records] == [1]
    metrics.write_text(metrics.read_text() + '\n{"step": 3, "loss": 1.0}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 2: .*Delete that line"):
        read_run(run)


def test_a_resumed_run_replaces_the_steps_it_repeats_and_lines_of_one_step_are_one(tmp_path: Path):
    steps = [(1, 5.0), (2, 4.0), (3, 3.0), (2, 4.5), (3, 3.5)]
    records: list[dict[str, object]] = [{"step": step, "loss": loss} for step, loss in steps]
    run = read_run(make_run(tmp_path / "run", [*records, {"step": 3, "validation_top1": 0.5, "loss": None}]))
    assert run.records == (
        {"step": 1, "loss": 5.0},
        {"step": 2, "loss": 4.5},
        {"step": 3, "loss": 3.5, "validation_top1": 0.5},
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{broken", "not readable as JSON"),
        ("[1, 2]", "expected a group of settings"),
        ('{"scores": {"top1": "high"}}', "'top1' should be a number"),
        ('{"interval": {"top1": [1]}}', "'top1' should be a pair"),
        ('{"scores": 3}', "'scores' should be an object"),
        ('{"schema": 2}', "Update jointwise"),
    ],
)
def test_a_damaged_result_is_named(tmp_path: Path, text: str, says: str):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        write_report(tmp_path / "r.html", "T", [], [tmp_path / "bad.json"])
    assert str(tmp_path / "bad.json") in str(caught.value)


@pytest.mark.parametrize("damage", ["text", "array", "truncated", "lengths", "classes", "labels", "nan", "pickle"])
def test_damaged_clip_scores_are_named(tmp_path: Path, damage: str):
    path = make_result(tmp_path / "a.json")
    clips = path.with_suffix(".npz")
    labels, scores = np.zeros(4, dtype=int), np.zeros((4, 3))
    if damage == "text":
        clips.write_text("no")
    elif damage == "array":
        with clips.open("wb") as file:
            np.save(file, labels)
    elif damage == "truncated":
        clips.write_bytes(clips.read_bytes()[:-40])
    else:
        arrays = {
            "lengths": {"labels": labels[1:], "scores": scores},
            "classes": {"labels": labels, "scores": scores[:, :2]},
            "labels": {"labels": labels + 3, "scores": scores},
            "nan": {"labels": labels, "scores": scores * np.nan},
            "pickle": {"labels": labels.astype(object), "scores": scores},
        }[damage]
        np.savez(clips, **arrays)
    with pytest.raises(DataError, match=r"a\.npz.*Repeat the evaluation"):
        write_report(tmp_path / "r.html", "T", [], [path])


def test_missing_inputs_and_unwritable_places_say_so(tmp_path: Path):
    with pytest.raises(DataError, match="no such run folder"):
        write_report(tmp_path / "r.html", "T", [tmp_path / "none"], [])
    with pytest.raises(DataError, match="no such result file"):
        write_report(tmp_path / "r.html", "T", [], [tmp_path / "none.json"])
    with pytest.raises(StorageError):
        write_report(tmp_path, "T", [], [])


def test_thirty_classes_stay_far_below_a_megabyte(tmp_path: Path):
    counts = np.full((30, 30), 1) + 20 * np.eye(30, dtype=int)  # not one empty cell
    names = [f"class number {index}" for index in range(30)]
    results = [make_result(tmp_path / f"{k}.json", counts, classes=names, scores={}) for k in range(3)]
    assert write_report(tmp_path / "r.html", "T", [], results).stat().st_size < 800_000


def make_examples(classes: list[str], clips: int = 8, frames: int = 2000) -> Examples:
    """Two persons who are long in front of the sensor, with what a student saw and a decoder rebuilt."""
    random = np.random.default_rng(0)
    shape = (clips, 2, frames, 25)
    positions = random.normal(size=(*shape, 3)).astype(np.float32)
    return Examples(
        "synthetic",
        "",
        "cross-subject",
        tuple(classes),
        NTU25,
        names=tuple(f"clip{index}" for index in range(clips)),
        labels=np.arange(clips) % len(classes),
        fps=np.full(clips, 30.0),
        recording=positions,
        valid=random.random(shape) < 0.9,
        clip=positions[:, :, : min(64, frames)],
        seen=random.random((clips, 2, min(64, frames), 25)) < 0.3,
        rebuilt=positions[:, :, : min(64, frames)] + np.float32(0.01),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("kinds", "number"), [(120, 3), (120, 20)])
def test_many_classes_results_and_long_clips_stay_below_three_megabytes(tmp_path: Path, kinds: int, number: int):
    random = np.random.default_rng(0)
    counts = (random.random((kinds, kinds)) < 0.4) + random.integers(5, 90, kinds) * np.eye(kinds, dtype=int)
    names = [f"{index}: a class of <rather> long name" for index in range(kinds)]
    first = make_result(tmp_path / "0.json", counts, classes=names, scores={}, protocol="finetune")
    results = [first]
    for index in range(1, number):
        results.append(tmp_path / f"{index}.json")
        results[-1].write_bytes(first.read_bytes())
        results[-1].with_suffix(".npz").symlink_to(first.with_suffix(".npz"))
    run = make_run(tmp_path / "run")
    write_examples(run, make_examples(names))
    out = write_report(tmp_path / "r.html", "T", [run], results)
    assert out.stat().st_size < MOST_BYTES
    page = out.read_text(encoding="utf-8")
    words = text_of(page)
    assert "of 2000 frames" in words
    drawn = page.count('<svg class="heat"')
    assert page.count('<g class="cells"') == drawn
    if number == 3:
        assert drawn == 3
        assert "Left out" not in words
        assert "hover" not in words
    else:
        assert f"Left out to keep this page small: {number - drawn} confusion matrices" in words


@pytest.mark.slow
def test_clips_that_would_hardly_move_are_left_out(tmp_path: Path):
    run = make_run(tmp_path / "run")
    examples = make_examples(CLASSES, clips=170, frames=40)
    write_examples(run, examples)
    out = write_report(tmp_path / "r.html", "T", [run], [])
    words = text_of(out.read_text(encoding="utf-8"))
    assert out.stat().st_size < MOST_BYTES
    left_out = re.search(r"To keep this page small, (\d+) of them were left out", words)
    assert left_out is not None
    assert 0 < int(left_out[1]) < 170


def test_a_matrix_of_many_cells_is_drawn_in_runs_of_one_shade():
    counts = np.zeros((40, 40), int)
    counts[:, 1:31] = 1  # 30 clips of each class, spread over 30 answers
    confusion = Confusion(tuple(f"class {index}" for index in range(40)), counts)
    drawing = str(heat_map(confusion))
    assert not has_hover_counts(confusion)
    assert drawing.count("<path") == 2  # right and wrong, each of one shade
    assert "M1 0h30M2 1h29" in drawing  # row 0 has nothing on the diagonal, row 1 has
    assert 'class="right" stroke-opacity="0.19" d="M1 1h1M2 2h1' in drawing


def test_a_name_that_is_not_utf8_is_replaced(tmp_path: Path):
    page = write_report(tmp_path / "r.html", "caf\udce9", [make_run(tmp_path / "run")], []).read_text(encoding="utf-8")
    assert "<h1>caf\ufffd</h1>" in page


def test_counting_confusions_and_a_class_without_clips():
    confusion = count_confusions(
        np.array([0, 0, 1]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 1, 0]]), ("a", "b", "c")
    )
    assert confusion.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [(score.name, score.accuracy) for score in confusion.classes()] == [("b", 1.0), ("a", 0.5), ("c", None)]
    assert heat_map(confusion).count("<rect") == 3 + 1  # cells that are not empty, and the frame


def test_long_curves_are_thinned_but_keep_their_extremes():
    x, y = np.arange(10_000.0), np.ones(10_000)
    y[1234], y[5678], y[17] = 9.0, -9.0, np.nan
    thin_x, thin_y = charts.thin(x, y)
    assert len(thin_x) <= charts.MOST_POINTS + 2
    assert np.nanmax(thin_y) == 9.0
    assert np.nanmin(thin_y) == -9.0
    assert (thin_x[0], thin_x[-1]) == (0, 9999)
    assert all(before < after for before, after in pairwise(thin_x))


def test_a_value_that_is_not_finite_breaks_the_line():
    line = charts.Line("loss", np.arange(5.0), np.array([1.0, 2.0, np.nan, 2.0, np.inf]))
    drawing = str(charts.line_chart([line], "Loss", "step", charts.value_axis([1.0, 2.0])))
    assert "nan" not in drawing
    assert re.search(r'd="M[^"]*L[^"]*M[^L"]*"', drawing)


def test_axes_cover_their_values_with_round_ticks():
    assert tick_labels(linear_ticks(0, 1), as_percent=True) == ["0", "20", "40", "60", "80", "100"]
    assert tick_labels(log_ticks(0.03, 4.0)) == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5"]
    assert tick_labels(log_ticks(1e-6, 1.0))[0] == "1e-6"
    for low, high in ((0.0, 1e-5), (0.99, 1.0), (-3.0, 17.0), (5.0, 5.0), (0.0, 0.0), (1e6, 3e6)):
        ticks = linear_ticks(low, high)
        assert ticks[0] <= low + 1e-12
        assert ticks[-1] >= high - 1e-12
        assert len(set(tick_labels(ticks))) == len(ticks)
    assert [short(value) for value in (0.0, 4.567, 1152.0, 123_456.0, 5.6e6)] == [
        "0",
        "4.57",
        "1,152",
        "123 k",
        "5.60 M",
    ]


def test_a_run_on_a_pool_states_its_sets_with_their_shares_and_terms(tmp_path: Path) -> None:
    rows = [
        {
            "data": name,
            "split": split,
            "sequences": 431,
            "hours": 0.2704,
            "weight": 0.52,
            "share": share,
            "terms": terms,
        }
        for name, split, share, terms in (("utd", "odd train", 0.071, "research only"), ("mine", "drawn", 0.929, ""))
    ]
    run = make_run(tmp_path / "run", data="pool", mixture=rows)
    words = text_of(write_report(tmp_path / "r.html", "Pool", [run], []).read_text(encoding="utf-8"))
    assert "utd 7.1 0.52 431 0.27 odd train mine 92.9 0.52 431 0.27 drawn" in words
    assert words.count("Terms of use of utd: research only.") == 2  # at the top and at the end
    assert "Terms of use of mine" not in words
    none = text_of(write_report(tmp_path / "r.html", "T", [make_run(tmp_path / "b")], []).read_text(encoding="utf-8"))
    assert "of an epoch" not in none
    broken = make_run(tmp_path / "c", mixture=["utd"])
    with pytest.raises(DataError, match="'mixture' should be a list of objects"):
        write_report(tmp_path / "r.html", "T", [broken], [])
