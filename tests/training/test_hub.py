"""Models on the Hugging Face hub, here a server on this machine that the real library talks to."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.hub_server import Hub, cut_off, local_hub
from jointwise.errors import CheckpointError, ConfigError
from jointwise.training.hub import hub_address, open_hub
from jointwise.training.model_folder import load_card, load_trained_on, model_folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with local_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


@pytest.fixture
def model(finetuned: Path, hub: Hub, tmp_path: Path) -> str:
    """The address of a model on the hub, in whose repository other files lie too."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for file in (finetuned / "model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "optimizer.pt").write_bytes(b"a pickle")
    (folder / "README.md").write_text("# a model")
    hub.add("me/gestures", folder)
    return "hf://me/gestures"


def test_an_address_survives_being_a_path() -> None:
    assert hub_address(Path("hf://me/gestures")) == "me/gestures"
    assert hub_address(Path("hf://me/gestures@refs/pr/1")) == "me/gestures@refs/pr/1"
    assert hub_address(Path("runs/hf/me")) is None
    assert hub_address(Path("hf")) is None


def test_a_model_is_downloaded_without_files_that_do_not_belong_to_it(model: str, hub: Hub, finetuned: Path) -> None:
    folder = model_folder(Path(model))
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors", "trained_on.npy"}
    for file in folder.iterdir():
        assert file.read_bytes() == (finetuned / "model" / file.name).read_bytes()
    assert load_card(Path(model)) == load_card(finetuned / "model")
    assert load_trained_on(Path(model)) == load_trained_on(finetuned)
    assert not any("optimizer.pt" in path for path in hub.asked)


def test_one_process_asks_once_and_what_was_downloaded_is_found_without_a_network(
    model: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(Path(model))
    asked = len(hub.asked)
    assert model_folder(Path(model)) == folder
    assert len(hub.asked) == asked
    open_hub.cache_clear()
    cut_off(monkeypatch)
    assert model_folder(Path(model)) == folder


def test_a_revision_is_that_of_the_address(model: str, hub: Hub, tmp_path: Path) -> None:
    card = tmp_path / "repository" / "config.json"
    card.write_text(card.read_text().replace('"seed": 0', '"seed": 7'))
    hub.add("me/gestures", tmp_path / "repository", "v2")
    assert (load_card(Path(model)).seed, load_card(Path(f"{model}@v2")).seed) == (0, 7)
    assert model_folder(Path(f"{model}@{hub.commit('me/gestures', 'v2')}")) == model_folder(Path(f"{model}@v2"))


def test_every_way_to_fail_is_told_in_a_sentence(model: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add("me/gated")
    with pytest.raises(CheckpointError, match=r"^hf://me/nothing: no such repository on the hub, or a private one"):
        model_folder(Path("hf://me/nothing"))
    with pytest.raises(CheckpointError, match=r"^hf://me/gated: its owner grants access one by one"):
        model_folder(Path("hf://me/gated"))
    with pytest.raises(CheckpointError, match=r"^hf://me/gestures@v9: the repository has no revision 'v9'"):
        model_folder(Path(f"{model}@v9"))
    with pytest.raises(ConfigError, match=r"^hf://gestures: not an address. Write hf://owner/name"):
        model_folder(Path("hf://gestures"))
    with pytest.raises(CheckpointError, match=r"^hf://me/--: not the name of a repository"):
        model_folder(Path("hf://me/--"))
    cut_off(monkeypatch)
    with pytest.raises(CheckpointError, match="not downloaded before, and the hub cannot be reached"):
        model_folder(Path("hf://me/other"))


@pytest.mark.parametrize("card", [None, '{"architectures": ["BertModel"]}', "[]"])
def test_another_program_s_model_is_refused_before_its_weights_are_downloaded(
    hub: Hub, tmp_path: Path, card: str | None
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"gigabytes")
    if card is not None:
        (tmp_path / "config.json").write_text(card)
    hub.add("they/bert", tmp_path)
    with pytest.raises(CheckpointError, match="hf://they/bert: not a jointwise model"):
        model_folder(Path("hf://they/bert"))
    assert not any("model.safetensors" in path for path in hub.asked)


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"hf://me/gestures: needs huggingface_hub: pip install 'jointwise\[hub\]'"):
        open_hub("me/gestures")
