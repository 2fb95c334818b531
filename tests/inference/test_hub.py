"""A model for the hub: a model folder whose card the hub's own library reads, and whose licence follows the data."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from helpers import tiny
from helpers.hub_server import Hub, local_hub
from jointwise.cli import run as jointwise
from jointwise.errors import CheckpointError, ConfigError
from jointwise.inference.hub import repository_of, write_hub_folder
from jointwise.inference.hub_card import licence_of, write_card
from jointwise.inference.recognizer import Recognizer
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_card


@pytest.fixture
def exported(finetuned: Path, tmp_path: Path) -> Path:
    return write_hub_folder(finetuned, tmp_path / "gestures", "me/gestures")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with local_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


def front_of(card: str) -> dict[str, Any]:
    """The front matter of a card."""
    return yaml.safe_load(card.split("---\n")[1])


def result_of(run: Path) -> dict[str, Any]:
    (path,) = (run / "results").glob("*-finetune-*.json")  # other tests judge the run by other protocols too
    return json.loads(path.read_text())


def with_sources(card: ModelCard, *sources: tuple[str, str]) -> ModelCard:
    return replace(card, sources=[{"data": data, "terms": terms} for data, terms in sources])


def test_an_exported_folder_is_the_model_folder_and_a_card(exported: Path, finetuned: Path) -> None:
    files = {file.name for file in exported.iterdir()}
    assert files == {"README.md", "config.json", "model.safetensors", "trained_on.npy"}
    for name in files - {"README.md"}:
        assert (exported / name).read_bytes() == (finetuned / "model" / name).read_bytes()
    one, other = (Recognizer.from_pretrained(folder).predict(tiny.walk(0, 2, 1)) for folder in (exported, finetuned))
    assert one.probabilities == other.probabilities


def test_the_hub_s_own_library_reads_the_scores_of_the_result(exported: Path, finetuned: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard.load(exported / "README.md").data
    scores = result_of(finetuned)["scores"]
    assert data.library_name == "jointwise"
    assert {"jointwise", "skeleton", "action-recognition"} <= set(data.tags)
    found = {(entry.metric_type, entry.dataset_name): entry.metric_value for entry in data.eval_results}
    assert found == {
        ("accuracy", "tiny"): pytest.approx(scores["top1"], abs=1e-4),
        ("f1", "tiny"): pytest.approx(scores["macro_f1"], abs=1e-4),
    }


def test_scores_stand_beside_what_needs_no_training_and_have_an_interval(exported: Path, finetuned: Path) -> None:
    result = result_of(finetuned)
    text = (exported / "README.md").read_text()
    (row,) = re.findall(r"^\| finetune \| tiny.*$", text, re.MULTILINE)
    low, high = result["interval"]["top1"]
    assert f"{100 * result['scores']['top1']:.1f} ({100 * low:.1f}–{100 * high:.1f})" in row
    beside = [f"{100 * result['references'][key]:.1f}" for key in ("chance", "majority", "raw_knn")]
    assert [cell.strip() for cell in row.split("|")][-4:-1] == beside
    assert "One training with seed 0: another seed gives other numbers." in text
    assert "95 % intervals, percentile bootstrap over test subjects" in text


def test_a_score_below_a_nearest_neighbour_says_so(finetuned: Path) -> None:
    result = result_of(finetuned)
    result["references"]["raw_knn"] = result["scores"]["top1"] + 0.01
    text = write_card(load_card(finetuned), "me/gestures", {}, [result])
    assert re.search(r"^- finetune on tiny: Below .*raw nearest neighbour: what was learned", text, re.MULTILINE)


def test_a_card_says_what_the_model_is_and_how_it_was_made(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    card = load_card(exported)
    for named in (*card.classes, *card.skeleton.joints):
        assert named in text
    assert "| tiny | own data, terms unknown to jointwise: **fill in** | 30 | 2 |" in text
    assert "It was trained from an encoder pre-trained on tiny with all labels." in text
    assert "Subjects it learned from: 2 (tiny)" in text
    assert re.search(r"^\| finetune \| 12 steps, 8 clips each, \d+ s, \d+ MB \|$", text, re.MULTILINE)
    assert front_of(text)["license_name"] == "terms-to-be-filled-in"
    assert "**Fill in** the terms of tiny" in text


def test_a_command_is_told_without_the_folders_of_the_machine(finetuned: Path) -> None:
    made = {"command": "jointwise finetune /home/me/runs/a --data '/home/me/my data/' --labels 0.1"}
    text = write_card(load_card(finetuned), "me/gestures", made, [])
    assert "`jointwise finetune .../a --data '.../my data' --labels 0.1`" in text
    assert "/home" not in text


def test_without_its_run_a_model_has_only_the_scores_that_its_card_kept(exported: Path, tmp_path: Path) -> None:
    again = write_hub_folder(exported, tmp_path / "again")
    text = (again / "README.md").read_text()
    assert re.search(r"top1 \d+\.\d %.*, without an interval and what it stands beside\.", text)
    assert "model-index" not in front_of(text)
    assert "hf://OWNER/again" in text


@pytest.mark.parametrize(
    ("terms", "licence"),
    [
        (["free"], "apache-2.0"),
        (["BSD-3-Clause; cite: the authors", "MIT", "CC BY 4.0", "PDDL 1.0", "public domain"], "apache-2.0"),
        (["MIT", "research use only"], "research-use-only"),
        (["research use only, do not redistribute", ""], "research-use-only"),
        (["CC BY-NC 4.0"], "research-use-only"),
        (["MIT", ""], "terms-to-be-filled-in"),
        (["CC BY-SA 3.0"], "terms-of-the-data"),
        (["CC BY-ND 4.0"], "terms-of-the-data"),
        (["GPL-3.0"], "terms-of-the-data"),
        (["ask my boss"], "terms-of-the-data"),
        (["those of mamp and of the data it was trained on, which it does not name"], "terms-of-the-data"),
    ],
)
def test_a_licence_is_free_only_where_all_terms_are_known_and_allow_it(terms: list[str], licence: str) -> None:
    found = licence_of([{"data": str(place), "terms": text} for place, text in enumerate(terms)])
    assert licence in found.values()
    assert (found["license"] == "apache-2.0") == ("license_name" not in found)


def test_the_terms_of_every_training_on_the_way_are_kept(finetuned: Path) -> None:
    card = load_card(finetuned)
    own = with_sources(replace(card, data="mine", pretrained_on=None), ("mine", ""))
    further = with_sources(replace(card, data="wmft"), ("wmft", "BSD-3-Clause")).after(own)
    last = with_sources(replace(card, data="synthetic"), ("synthetic", "free")).after(further)
    assert [source["data"] for source in last.sources] == ["mine", "wmft", "synthetic"]
    assert licence_of(last.all_sources())["license_name"] == "terms-to-be-filled-in"


def test_a_card_of_before_tells_what_it_can_and_no_more(finetuned: Path) -> None:
    card = replace(load_card(finetuned), sources=[], terms="", pretrained_on=None)
    assert licence_of(replace(card, data="synthetic").all_sources()) == {"license": "apache-2.0"}
    assert "terms-to-be-filled-in" in licence_of(replace(card, data="mine").all_sources()).values()
    after_base = replace(card, data="mine", pretrained_on="base", terms="weights: Apache-2.0")
    assert "terms-to-be-filled-in" in licence_of(after_base.all_sources()).values()
    known = replace(after_base, data="utd-mhad", terms="weights: Apache-2.0; utd-mhad: research use only")
    assert "research-use-only" in licence_of(known.all_sources()).values()


def test_the_card_of_base_names_its_sets_and_is_no_diagnosis(tmp_path: Path) -> None:
    text = (write_hub_folder(Path("base"), tmp_path / "base") / "README.md").read_text()
    assert front_of(text)["license"] == "apache-2.0"
    for member in load_card(Path("base")).mixture:
        assert f"| {member['data']} | {member['sequences']} |" in text
    assert "no diagnosis" in text
    assert ".predict(" not in text.split("```python")[1].split("```")[0]


def test_quick_and_research_models_are_marked(finetuned: Path) -> None:
    card = with_sources(load_card(finetuned), ("utd-mhad", "research use only"))
    settings = {**card.settings, "quick": True}
    limits = write_card(replace(card, settings=settings), "me/x", {}, []).split("## Limits")[1]
    assert "--quick" in limits
    assert "Research use only." in limits


def test_a_cell_of_a_table_cannot_break_it(finetuned: Path) -> None:
    card = with_sources(load_card(finetuned), ("a|b", "first line\nsecond | line"))
    assert r"| a\|b | first line second \| line | – | – |" in write_card(card, "me/x", {}, [])


@pytest.mark.parametrize(
    ("folder", "repository"),
    [("out/gestures", "OWNER/gestures"), ("my model!", "OWNER/my-model"), ("/", "OWNER/model")],
)
def test_a_repository_is_called_as_its_folder(folder: str, repository: str) -> None:
    assert repository_of(Path(folder)) == repository


def test_a_folder_with_something_in_it_is_left_alone(exported: Path, finetuned: Path) -> None:
    (exported / "README.md").write_text("edited")
    with pytest.raises(ConfigError, match=r"exists already\. Name another folder, or delete it\."):
        write_hub_folder(finetuned, exported)
    with pytest.raises(ConfigError, match="exists already"):
        write_hub_folder(finetuned, exported / "README.md")
    assert (exported / "README.md").read_text() == "edited"
    with pytest.raises(CheckpointError, match="no finished model here"):
        write_hub_folder(exported / "nothing", exported.parent / "other")
    assert not (exported.parent / "other").exists()


def test_the_example_of_a_card_runs_as_written(
    exported: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("me/gestures", exported)
    recording = tiny.walk(0, 2, 1)
    np.savez(tmp_path / "wave.npz", positions=recording.positions, joints=recording.skeleton.joints, fps=30)
    monkeypatch.chdir(tmp_path)
    code = (exported / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), {})
    label, probability = capsys.readouterr().out.rsplit(maxsplit=1)
    assert label in tiny.CLASSES
    assert 0 < float(probability) <= 1


def test_a_model_is_uploaded_with_the_card_of_its_repository(
    finetuned: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    calls: list[tuple[str, Any]] = []

    def create(repository: str, **options: Any) -> str:
        calls.append((repository, options))
        return f"https://hub/{repository}"

    def upload(repo_id: str, folder_path: Path, **_: Any) -> None:
        shutil.copytree(folder_path, tmp_path / repo_id)

    monkeypatch.setattr(hub, "create_repo", create)
    monkeypatch.setattr(hub, "upload_folder", upload)
    assert Recognizer.from_pretrained(finetuned).push_to_hub("me/gestures") == "https://hub/me/gestures"
    assert calls == [("me/gestures", {"private": True, "exist_ok": True})]
    assert 'from_pretrained("hf://me/gestures")' in (tmp_path / "me" / "gestures" / "README.md").read_text()
    assert load_card(tmp_path / "me" / "gestures") == load_card(finetuned / "model")

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("401 Unauthorized\nmany more lines")

    monkeypatch.setattr(hub, "create_repo", refuse)
    with pytest.raises(CheckpointError, match=r"RuntimeError: 401 Unauthorized\)\. Log in with hf auth login"):
        Recognizer.from_pretrained(finetuned).push_to_hub("me/gestures")


def test_a_recogniser_that_lies_nowhere_cannot_be_uploaded(finetuned: Path) -> None:
    opened = Recognizer.from_pretrained(finetuned)
    built = Recognizer(opened.card, opened._encoder, opened._classifier, opened.device)
    with pytest.raises(CheckpointError, match="built in Python"):
        built.push_to_hub("me/gestures")
    with pytest.raises(CheckpointError, match="built in Python"):
        built.save("copy")


def test_a_saved_recogniser_answers_as_before(finetuned: Path, tmp_path: Path) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    recognizer.save(tmp_path / "copy")
    assert {file.name for file in (tmp_path / "copy").iterdir()} == {
        "config.json",
        "model.safetensors",
        "trained_on.npy",
    }
    again = Recognizer.from_pretrained(tmp_path / "copy").predict(tiny.walk(0, 2, 1))
    assert again.probabilities == recognizer.predict(tiny.walk(0, 2, 1)).probabilities
    with pytest.raises(ConfigError, match="exists already"):
        recognizer.save(tmp_path / "copy")


def test_commands_take_a_model_of_the_hub_in_place_of_a_run(
    hub: Hub, pretrained: Path, exported: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("me/encoder", write_hub_folder(pretrained, place / "encoder"))
    hub.add("me/gestures", exported)
    jointwise(["evaluate", "hf://me/encoder", "--protocol", "knn", "--data", "tiny"])
    jointwise(["finetune", "hf://me/encoder", "--data", "tiny", "--run", "mine", "--finetune.steps", "2"])
    assert list(Path("runs/tiny/encoder/results").glob("*-knn-*.json"))
    assert not Path("hf:").exists()
    assert load_card(Path("mine")).pretrained_on == "tiny"
    capsys.readouterr()
    jointwise(["export", "hf://me/gestures", "--to", "hub", "--out", "copy"])
    assert "hf upload OWNER/copy copy" in capsys.readouterr().out
    assert (place / "copy" / "model.safetensors").read_bytes() == (exported / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="did you mean 'hub'"):
        jointwise(["export", "mine", "--to", "hubs", "--out", "copy"])
