"""Checkpoints of others: given the same weights, clip and mask, our networks say what their equations say."""

import argparse
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import mamp_reference as mamp
from helpers import tiny
from jointwise import cli
from jointwise.config.layers import make_config
from jointwise.config.systems import systems
from jointwise.data.centring import PREPARATION
from jointwise.data.clips import Persons
from jointwise.data.skeletons import KINECT20, NTU25, SBU15, unnamed_skeleton
from jointwise.errors import CheckpointError, ConfigError
from jointwise.inference.recognizer import Recognizer
from jointwise.model.build import build_objective
from jointwise.model.encoders import Completion
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.model.masks import MASKS
from jointwise.model.tokens import all_tokens, to_segments, token_validity, visible_tokens
from jointwise.stages.foreign_checkpoint import load_checkpoint
from jointwise.stages.import_checkpoint import IMPORTS, NOT_KNOWN, import_checkpoint
from jointwise.training.checkpoint import load_weights, read_json
from jointwise.training.model_folder import load_card, load_model, load_trained_on

KINECT = mamp.SIZES | {"joints": 20}
# how a checkpoint of each method may look: every importer is tested by what it makes of it
FAKES: dict[str, Callable[[Path], Path]] = {
    "mamp": lambda path: mamp.save_checkpoint(path, mamp.random_state(KINECT)),
}


@pytest.fixture(scope="module")
def state() -> mamp.State:
    return mamp.random_state()


def test_a_masked_autoencoder_of_the_same_repository_is_not_mamp(state: mamp.State, tmp_path: Path) -> None:
    """Its weights have the same names and shapes."""
    path = mamp.save_checkpoint(tmp_path / "mae.pth", state)
    content = torch.load(path, weights_only=False)
    content["args"] = argparse.Namespace(model="model_mae.transformer.Transformer")
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"mae\.pth: was trained as a masked autoencoder .*It is not MAMP"):
        import_checkpoint("mamp", path, tmp_path / "run")


@pytest.fixture(scope="module")
def imported(state: mamp.State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made of a checkpoint of the size `mamp_reference.SIZES`. Read only."""
    folder = tmp_path_factory.mktemp("imported")
    import_checkpoint("mamp", mamp.save_checkpoint(folder / "official.pth", state), folder / "run")
    return folder / "run"


def walks(count: int, frames: int, joints: int = 25, coordinates: int = 3) -> Tensor:
    """(count, T, V, C): people who walk about at random."""
    steps = torch.randn(count, frames, joints, coordinates, generator=torch.Generator().manual_seed(1))
    speed = torch.rand(count, 1, joints, 1, generator=torch.Generator().manual_seed(2))
    return (0.1 * speed * steps).cumsum(1)


def objective_of(run: Path) -> MaskedPrediction:
    """The pre-training model in a run, built from its card."""
    card, weights = load_model(run)
    module = build_objective(card.config, card.skeleton, card.coordinates, 1.0, 1)
    load_weights(module, weights, run)
    return module.eval()


# --- MAMP's equations ---


@torch.no_grad()
def test_features_prediction_and_loss_of_mamp_are_those_of_its_equations(imported: Path, state: mamp.State) -> None:
    module = objective_of(imported)
    clips = walks(3, 16)
    valid = torch.ones(clips.shape[:3], dtype=torch.bool)
    noise = torch.rand(3, 5, 26, generator=torch.Generator().manual_seed(3))
    segments, tokens = to_segments(clips, 4), token_validity(valid, 4)
    hidden = MASKS[module.mask_strategy].draw(segments, tokens, noise, module.visible(4, 25), module.body_parts)
    visible = visible_tokens(hidden, tokens, None)
    features = module.student(segments, visible)
    assert module.decoder is not None
    predictions = module.decoder(features, visible, all_tokens(tokens))
    assert features.shape == (3, 10, 16)
    losses = []
    for i, clip in enumerate(clips):
        places = (~hidden[i]).flatten().nonzero()[:, 0]
        wanted = mamp.encode(clip, state, mamp.HEADS, places)
        torch.testing.assert_close(features[i].double(), wanted, atol=1e-5, rtol=0)
        prediction = mamp.predict(wanted, places, state, mamp.HEADS)
        torch.testing.assert_close(predictions[i].double(), prediction, atol=1e-5, rtol=0)
        losses.append(mamp.loss(prediction, mamp.motion_targets(clip, 4), hidden[i].flatten()))
    ours = module(Persons(clips, valid, torch.arange(3), torch.zeros(3, dtype=torch.long), 3), noise)
    assert float(ours.total) == float(ours.parts["reconstruction"]) == pytest.approx(np.mean(losses), abs=1e-5)


def test_the_mask_of_mamp_is_that_of_its_equations() -> None:
    clips = walks(4, 120)
    noise = torch.rand(4, 31, 26, generator=torch.Generator().manual_seed(3))
    for ratio, keep in ((0.9, 75), (0.5, 375)):
        count = MASKS["motion"].visible(30, 25, ratio)
        everywhere, parts = torch.ones(4, 30, 25, dtype=torch.bool), torch.zeros(25, dtype=torch.long)
        hidden = MASKS["motion"].draw(to_segments(clips, 4), everywhere, noise, count, parts)
        for i, clip in enumerate(clips):
            wanted = mamp.hidden_tokens(clip, 4, noise[i, 1:, 1:].flatten(), keep)
            assert torch.equal(hidden[i].flatten(), wanted)


# --- features ---


def recording(first: int, frames: int, last: int) -> np.ndarray:
    """A walk whose test clip is frames `first` to `first` + `frames` as they are: 95 % of it, in the middle."""
    return walks(1, first + frames + last)[0].numpy() + np.float32([0.3, -0.2, 3])


@pytest.mark.filterwarnings("ignore:array. The bones of ntu25 do not fit")  # the made-up joints are no body
def test_features_are_those_of_the_original_encoder(imported: Path, state: mamp.State) -> None:
    array = recording(0, 16, 1)
    clip = torch.from_numpy(array[:16] - array[0, 1])  # the origin: NTU's second joint in the first frame
    wanted = mamp.encode(clip, state, mamp.HEADS).mean(0).numpy()
    np.testing.assert_allclose(Recognizer.from_pretrained(imported).features(array), wanted, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:array. The bones of ntu25 do not fit")
def test_features_of_the_published_size_are_those_of_the_original_encoder(tmp_path: Path) -> None:
    state = mamp.random_state(mamp.PUBLISHED)
    card = import_checkpoint("mamp", mamp.save_checkpoint(tmp_path / "x.pth", state, heads=8), tmp_path / "run").card
    published = make_config("mamp_published", "ntu60", options={"decoder.width": 256})
    assert card.config == published
    array = recording(3, 120, 3)
    wanted = mamp.encode(torch.from_numpy(array[3:123] - array[0, 1]), state, 8).mean(0).numpy()
    np.testing.assert_allclose(Recognizer.from_pretrained(tmp_path / "run").features(array), wanted, atol=1e-4)


# --- sizes and settings ---


def test_sizes_are_read_off_the_shapes_and_the_settings_are_those_of_mamp(imported: Path) -> None:
    config = load_card(imported).config
    assert (config.clip.frames, config.clip.segment) == (16, 4)
    assert (config.encoder.axis, config.encoder.depth, config.encoder.width, config.encoder.heads) == (
        *("spacetime", 3, 16, 2),
    )
    assert (config.decoder.depth, config.decoder.width, config.predictor.use) == (2, 12, False)
    assert (config.decoder.target, config.decoder.region, config.decoder.normalisation) == ("motion", "hidden", "token")
    assert (config.mask.strategy, config.mask.ratio) == ("motion", 0.9)


def test_two_coordinates_and_another_number_of_joints_are_taken(tmp_path: Path) -> None:
    state = mamp.random_state(mamp.SIZES | {"joints": 7, "coordinates": 2, "segment": 3})
    done = import_checkpoint("mamp", mamp.save_checkpoint(tmp_path / "x.pth", state), tmp_path / "run")
    assert (done.card.skeleton, done.card.coordinates) == (unnamed_skeleton(7), 2)
    array = walks(1, 13, joints=7, coordinates=2)[0].numpy()  # its test clip: the first 12
    clip = torch.from_numpy(array[:12] - array[0].mean(0))  # no root: the mean joint is the origin
    wanted = mamp.encode(clip, state, mamp.HEADS).mean(0).numpy()
    np.testing.assert_allclose(Recognizer.from_pretrained(tmp_path / "run").features(array), wanted, atol=1e-4)


def test_heads_are_those_of_the_file_then_those_given_then_the_published_ones(tmp_path: Path) -> None:
    state = mamp.random_state(mamp.SIZES | {"decoder_width": 24})
    stated = mamp.save_checkpoint(tmp_path / "stated.pth", state, heads=4)
    silent = mamp.save_checkpoint(tmp_path / "silent.pth", state, heads=None)
    bare = tmp_path / "bare.pth"
    torch.save({"model": state}, bare)

    def heads(path: Path, given: int | None) -> tuple[int, bool]:
        done = IMPORTS["mamp"](path, given, NTU25)
        return done.config.encoder.heads, any(what.startswith("heads: 8") for what in done.assumed)

    assert [heads(stated, given) for given in (None, 4)] == [(4, False), (4, False)]
    assert [heads(path, 2) for path in (silent, bare)] == [(2, False), (2, False)]
    assert [heads(path, None) for path in (silent, bare)] == [(8, True), (8, True)]
    with pytest.raises(
        ConfigError, match=r"stated\.pth: was trained with 4 heads .*--heads says 2\. Leave --heads out"
    ):
        IMPORTS["mamp"](stated, 2, None)
    for wrong in (0, 3, 16):  # 16 fits the encoder, but not the decoder
        with pytest.raises(ConfigError, match=rf"width 16 and decoder width 24 cannot be split into {wrong} heads"):
            IMPORTS["mamp"](silent, wrong, None)


def test_a_decoder_may_have_a_width_of_its_own() -> None:
    def decoder(**options: int) -> Completion:
        config = make_config("mamp_published", quick=True, options={"decoder": options})
        module = build_objective(config, KINECT20, 3, 1.0, 0)
        assert module.decoder is not None
        return module.decoder

    assert decoder(width=24).embed.weight.shape == (24, 32)
    assert decoder().embed.weight.shape == (32, 32)
    with pytest.raises(ConfigError, match=r"decoder\.width 25 is not a multiple of encoder\.heads 2"):
        decoder(width=25)
    with pytest.raises(ConfigError, match=r"decoder: width 0 must be at least 1"):
        decoder(width=0)


# --- what is refused ---

Damage = Callable[[dict[str, Any]], Any]


def without(name: str) -> Damage:
    return lambda content: content | {"model": {k: v for k, v in content["model"].items() if k != name}}


def given(name: str, shape: tuple[int, ...]) -> Damage:
    return lambda content: content | {"model": content["model"] | {name: torch.zeros(shape)}}


def renamed(rename: Callable[[str], str | None]) -> Damage:
    def change(content: dict[str, Any]) -> Any:
        names = {name: rename(name) for name in content["model"]}
        return content | {"model": {new: content["model"][old] for old, new in names.items() if new is not None}}

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("norm.bias"), "missing norm.bias. Is it"),
        (without("pos_embed"), "missing pos_embed. Is it"),
        (without("blocks.1.attn.qkv.bias"), "missing blocks.1.attn.qkv.bias"),
        (renamed(lambda name: name.replace("blocks.2", "blocks.3")), "unexpected blocks.3.norm1.weight"),
        (renamed(lambda name: name.replace("blocks.2", "blocks.3")), "missing blocks.2.norm1.weight"),
        (renamed(lambda name: None if name.startswith("blocks") else name), "missing blocks.0.norm1.weight"),
        (given("cls_token", (1, 1, 16)), "unexpected cls_token"),
        (given("blocks.0.mlp.fc3.weight", (16, 16)), "unexpected blocks.0.mlp.fc3.weight"),
        (given("norm.weight", (17,)), "norm.weight has shape (17,), the model needs (16,)"),
        (given("temp_embed", (1, 4, 16)), "temp_embed has shape (1, 4, 16), not one of 4 axes"),
        (given("pos_embed", (2, 1, 25, 16)), "pos_embed has shape (2, 1, 25, 16), the model needs (1, 1, 25, 16)"),
        (given("decoder_pred.weight", (24, 12)), "decoder_pred.weight has shape (24, 12), the model needs (12, 12)"),
        (given("joints_embed.proj.weight", (16, 5, 4, 1)), "takes 5 coordinates, not 2 or 3"),
        (given("joints_embed.proj.weight", (16, 3, 4, 2)), "(16, 3, 4, 2), the model needs (16, 3, 4, 1)"),
        (given("norm.weight", (0,)), "norm.weight has shape (0,)"),
        (renamed(lambda name: f"module.{name}"), "save model.module.state_dict() under 'model' instead"),
        (renamed(lambda name: None if name.startswith(("decoder", "mask")) else name), "was it fine-tuned?"),
        (lambda content: content["model"], "no weights under 'model' (found: joints_embed.proj.weight, "),
        (lambda content: content | {"model": {}}, "no weights under 'model'"),
        (lambda content: content | {"model": {"norm.weight": [1.0]}}, "'norm.weight' under 'model' is a list"),
        (lambda content: content | {"model": {0: torch.ones(1)}}, "0 under 'model' is a Tensor"),
        (lambda content: list(content.values()), "holds a list, not the dict of a checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_names_what_is_wrong_and_makes_no_run(
    damage: Damage, message: str, state: mamp.State, tmp_path: Path
) -> None:
    path = mamp.save_checkpoint(tmp_path / "x.pth", state)
    torch.save(damage(torch.load(path, weights_only=False)), path)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint("mamp", path, tmp_path / "run")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_weight_that_is_not_finite_is_named(state: mamp.State, tmp_path: Path) -> None:
    broken = state | {"norm.bias": torch.full((16,), torch.nan)}
    with pytest.raises(CheckpointError, match=r"norm\.bias holds numbers that are not finite"):
        import_checkpoint("mamp", mamp.save_checkpoint(tmp_path / "x.pth", broken), tmp_path / "run")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to(torch.float8_e4m3fn),
        lambda tensor: tensor.to("meta"),
        lambda tensor: tensor.to(torch.int32),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    ],
    ids=["sparse", "fp8", "meta", "int", "complex", "nested"],
)
def test_weights_of_another_kind_are_named(
    change: Callable[[Tensor], Tensor], state: mamp.State, tmp_path: Path
) -> None:
    path = mamp.save_checkpoint(tmp_path / "x.pth", state)
    content = torch.load(path, weights_only=False)
    name = next(iter(content["model"]))
    content["model"][name] = change(content["model"][name].detach())
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf"x\.pth: {name} is a .* expected ordinary weights"):
        import_checkpoint("mamp", path, tmp_path / "run")


def test_weights_that_stand_for_more_numbers_than_the_file_holds_are_refused(state: mamp.State, tmp_path: Path) -> None:
    name = next(iter(state))
    path = mamp.save_checkpoint(tmp_path / "x.pth", state)
    content = torch.load(path, weights_only=False)
    content["model"][name] = torch.zeros(1).expand(1_000_000, 1_000_000)  # 4 TB
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf"x\.pth: {name} of shape .* more numbers than the file holds"):
        import_checkpoint("mamp", path, tmp_path / "run")


def test_no_object_but_a_namespace_is_loaded_and_no_code_is_run(state: mamp.State, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for foreign in (Trap(tmp_path / "trapped"), Path("somewhere"), NTU25):
        mamp.save_checkpoint(path, state, args=foreign)
        with pytest.raises(CheckpointError, match=r"x\.pth: wants to load the Python object \w+\.\S+ .*can run code"):
            import_checkpoint("mamp", path, tmp_path / "run")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut", [0, 10, 1000, -100])
def test_a_damaged_file_is_named(cut: int, state: mamp.State, tmp_path: Path) -> None:
    path = mamp.save_checkpoint(tmp_path / "x.pth", state)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"x\.pth: damaged, or not written by torch\.save"):
        import_checkpoint("mamp", path, tmp_path / "run")


def test_a_missing_file_a_folder_and_a_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not found\n")
    for name, message in (("gone.pth", "cannot be read"), ("", "cannot be read"), ("text.pth", "damaged, or not")):
        with pytest.raises(CheckpointError, match=message):
            import_checkpoint("mamp", tmp_path / name, tmp_path / "run")


def test_another_method_skeleton_or_a_used_folder_is_refused(imported: Path) -> None:
    path = imported.parent / "official.pth"
    with pytest.raises(ConfigError, match="unknown method 'mam': did you mean 'mamp'"):
        import_checkpoint("mam", path, imported.parent / "other")
    with pytest.raises(ConfigError, match="has 25 joints, but skeleton 'sbu15' has 15"):
        import_checkpoint("mamp", path, imported.parent / "other", skeleton=SBU15)
    with pytest.raises(ConfigError, match=r"run exists already\."):
        import_checkpoint("mamp", path, imported)


# --- the run ---


def test_a_method_that_is_imported_is_tested() -> None:
    assert FAKES.keys() == IMPORTS.keys()


@pytest.mark.parametrize("method", IMPORTS)
def test_an_imported_run_says_that_nobody_knows_what_it_was_trained_on(method: str, tmp_path: Path) -> None:
    path = FAKES[method](tmp_path / "theirs.pth")
    done = import_checkpoint(method, path, tmp_path / "run", skeleton=KINECT20)
    card = load_card(tmp_path / "run")
    assert card == done.card
    assert (card.kind, card.preparation, card.skeleton) == ("pretrained", PREPARATION, KINECT20)
    assert card.system in systems()
    assert card.data == "unknown-imported-theirs"
    assert card.split == card.data_fingerprint == NOT_KNOWN
    assert card.costs.steps == {}
    encoder = objective_of(tmp_path / "run").student
    assert card.costs.parameters["encoder"] == sum(p.numel() for p in encoder.parameters())
    assert load_trained_on(tmp_path / "run") == set()
    about = read_json(tmp_path / "run" / "run.json")
    assert (about["stage"], about["checkpoint"], len(about["checkpoint_sha256"])) == ("import", "theirs.pth", 64)


@pytest.mark.parametrize("method", IMPORTS)
def test_an_imported_run_is_judged_fine_tuned_and_reported_like_any_other(
    method: str,
    registered: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    FAKES[method](tmp_path / "theirs.pth")
    cli.run(["import", method, "theirs.pth", "--run", "run", "--skeleton", "kinect20"])
    printed = capsys.readouterr().out
    assert "nobody can check whether a clip that you score was in it" in printed
    assert "20 (kinect20), 3 coordinates each" in printed
    data = ("--data", "tiny", "--results", "results")
    for protocol in ("knn", "linear"):
        cli.run(["evaluate", "run", "--protocol", protocol, *data, "--probe.linear.steps", "5"])
    sizes = ("--finetune.steps", "2", "--finetune.batch", "8", "--finetune.hidden", "16")
    cli.run(["finetune", "run", *data, *sizes, "--run", "finetuned", "--labels", "0.5"])
    cli.run(["report", "run"])
    results = {path.stem: read_json(path) for path in Path("results").glob("*.json")}
    system = load_card(Path("run")).system
    assert sorted(results) == sorted(
        f"{system}-from-unknown-imported-theirs-{rest}"
        for rest in ("finetune-0.5-seed0", "knn-1.0-seed0", "linear-1.0-seed0")
    )
    assert {result["initialisation"] for result in results.values()} == {"pretrained"}
    assert load_card(Path("finetuned")).pretrained_on == "unknown-imported-theirs"
    answer = Recognizer.from_pretrained("finetuned").predict(replace(tiny.walk(0, 2, 1), label=None))
    assert set(answer.probabilities) == set(tiny.CLASSES)


# --- files made to do harm ---


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_ends_the_process_is_refused_before_it_is_built(tmp_path: Path, zipped: bool) -> None:
    """Python's hash of a key of two million nested tuples overflows the stack of the process."""
    path = tmp_path / "x.pth"
    nested = b"\x80\x02}" + b")" + b"\x85" * 2_000_000 + b"K\x01s."
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", nested)
            archive.writestr("x/version", "3\n")
    else:
        path.write_bytes(nested)
    with pytest.raises(CheckpointError, match=r"x\.pth: damaged"):
        load_checkpoint(path)


def test_a_file_of_old_pytorch_is_still_read(state: mamp.State, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"model": state}, path, _use_new_zipfile_serialization=False)
    loaded = load_checkpoint(path)["model"]
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
