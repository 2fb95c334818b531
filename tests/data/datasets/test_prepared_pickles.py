"""Prepared data in the pickles of PYSKL: layouts, splits, padding, and that unpickling runs no code."""

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from helpers.recordings import read_all
from jointwise.data.datasets import source_of_file as source_of
from jointwise.data.datasets.ntu import ACTIONS
from jointwise.data.formats import restricted_pickle
from jointwise.data.skeletons import COCO17, NTU25, unnamed_skeleton
from jointwise.data.store.reader import INDEX, TEST, TRAIN, UNUSED
from jointwise.errors import DataError, EmptyRecording, ReadError


def annotation(name: str, label: int, joints: int = 17, coordinates: int = 2, scored: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(label)
    content = {
        "frame_dir": name,
        "label": label,
        "img_shape": (1080, 1920),
        "total_frames": 6,
        "keypoint": random.uniform(1, 900, (1, 6, joints, coordinates)).astype(np.float16),
    }
    return content | ({"keypoint_score": random.uniform(0.1, 1, (1, 6, joints)).astype(np.float16)} if scored else {})


NAMES = [
    f"S001C00{camera}P0{subject:02d}R001A00{action}" for action in (1, 2) for subject in (1, 3) for camera in (1, 2)
]


def pickled(**options: Any) -> dict[str, Any]:
    return {
        "split": {
            "xsub_train": [name for name in NAMES if "P001" in name],
            "xsub_val": [name for name in NAMES if "P003" in name],
            "xview_train": [name for name in NAMES if "C002" in name][:3],
            "xview_val": [name for name in NAMES if "C001" in name],
            "everything": NAMES,
        },
        "annotations": [annotation(name, int(name[-1]) - 1, **options) for name in NAMES],
    }


def dump(folder: Path, content: Any, name: str = "ntu60_hrnet.pkl", protocol: int = 4) -> Path:
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    return folder / name


def test_annotations_become_2d_sequences_with_scores_as_validity(tmp_path: Path) -> None:
    content = pickled()
    content["annotations"][1]["keypoint_score"][0, 2, 5] = 0
    source = source_of(dump(tmp_path, content))
    sequences = read_all(source)
    assert list(sequences) == NAMES
    first = sequences[NAMES[1]]
    assert first.positions.shape == (1, 6, 17, 2)
    np.testing.assert_array_equal(first.positions, content["annotations"][1]["keypoint"].astype(np.float32))
    assert np.argwhere(~first.validity).tolist() == [[0, 2, 5]]
    assert (first.label, first.subject, first.camera, first.skeleton) == (0, 1, 2, COCO17)
    assert source.description.coordinates == 2
    assert source.description.classes == ACTIONS[:60]
    assert "research" in source.description.terms


def test_each_pair_of_a_train_and_a_val_list_is_a_split(tmp_path: Path) -> None:
    source = source_of(dump(tmp_path, pickled()))
    index = np.zeros(len(NAMES), INDEX)
    assert list(source.splits) == ["xsub", "xview"]
    assert source.splits["xsub"].rule(index, NAMES).tolist() == [TRAIN, TRAIN, TEST, TEST] * 2
    assert source.splits["xview"].rule(index, NAMES).tolist() == [TEST, TRAIN, TEST, TRAIN, TEST, TRAIN, TEST, UNUSED]


@pytest.mark.parametrize(
    ("lists", "splits"),
    [
        (("train", "val"), ["file"]),
        (("train", "test"), ["file"]),
        (("train1", "test1", "train2", "test2", "train3"), ["split1", "split2"]),
        (("sub_train", "sub_test", "set_val"), ["sub"]),
    ],
)
def test_other_names_of_lists_are_understood(tmp_path: Path, lists: tuple[str, ...], splits: list[str]) -> None:
    content = pickled() | {"split": {name: NAMES[:3] if "train" in name else NAMES[3:] for name in lists}}
    assert list(source_of(dump(tmp_path, content)).splits) == splits


def test_3d_annotations_without_scores_drop_the_padding_person(tmp_path: Path) -> None:
    content = pickled(joints=25, coordinates=3, scored=False)
    for entry in content["annotations"]:
        entry["keypoint"] = np.concatenate([entry["keypoint"], np.zeros_like(entry["keypoint"])])
    content["annotations"][0]["keypoint"][0, :2] = 0
    content["annotations"][1]["keypoint"][:] = 0
    found = source_of(dump(tmp_path, content, "ntu120_3danno.pkl")).recordings(None)
    first = found.read(found.items[NAMES[0]])
    assert first.skeleton is NTU25
    assert first.validity[:, :, 0].tolist() == [[False, False, True, True, True, True]]
    with pytest.raises(EmptyRecording, match=rf"ntu120_3danno\.pkl: {NAMES[1]}: nobody in it"):
        found.read(found.items[NAMES[1]])


def test_another_layout_and_other_classes_have_no_names(tmp_path: Path) -> None:
    content = pickled(joints=18)
    content["annotations"][0]["label"] = 7
    content["annotations"][0]["frame_dir"] = "my video"
    content["split"] = {"train": ["my video"], "test": NAMES[1:]}
    source = source_of(dump(tmp_path, content, "gym.pkl"))
    assert source.description.skeleton == unnamed_skeleton(18)
    assert source.description.classes == tuple(f"class {number}" for number in range(1, 9))
    first = read_all(source)["my video"]
    assert (first.subject, first.camera, first.label) == (None, None, 7)


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = pickled()
    change(content)
    return content


BROKEN: dict[str, tuple[Any, str]] = {
    "labels of arrays": ((["a", "b"], [0, 1]), r"labels of arrays as of ST-GCN"),
    "labels of NW-UCLA": ([{"file_name": "a01_s01_e00_v01", "length": 9, "label": 1}], r"NW-UCLA.*all_sqe"),
    "list of Kinetics": (
        {"split": {"train": []}, "annotations": [{"frame_dir": "a", "label": 0, "frame_inds": 1, "box_score": 1}]},
        r"Kinetics-400 .*keypoints are in separate files",
    ),
    "list": ([1, 2], r"expected a mapping with 'split' and 'annotations'.*\(found: list\)"),
    "other keys": ({"data": 1}, r"expected a mapping .*\(found: data\)"),
    "nothing": (changed(lambda c: c.update(annotations=[])), r"'annotations' must be a list of mappings"),
    "a number": (changed(lambda c: c.update(annotations=3)), r"'annotations' must be a list"),
    "an array": (changed(lambda c: c.update(annotations=np.zeros(3))), r"'annotations' must be a list"),
    "split number": (
        changed(lambda c: c["split"].update(xsub_val=3)),
        r"'xsub_val' in 'split' is a int, expected a list",
    ),
    "split text": (changed(lambda c: c["split"].update(xsub_val="S001")), r"'xsub_val' in 'split' is a str"),
    "split of lists": (changed(lambda c: c["split"].update(xsub_val=[["a"]])), r"'xsub_val' in 'split' names \['a'\]"),
    "split of numbers": (changed(lambda c: c["split"].update(xsub_val=np.arange(3))), r"'xsub_val' in 'split' names 0"),
    "stranger": (changed(lambda c: c["split"]["xsub_val"].append("S9")), r"'xsub_val' in 'split' names 'S9', but no"),
    "in both": (
        changed(lambda c: c["split"]["xsub_val"].append(NAMES[0])),
        rf"split 'xsub' trains on '{NAMES[0]}' and scores it as well \(1 such",
    ),
    "two of a kind": (changed(lambda c: c["split"].update(train_xsub=NAMES)), r"two lists .*train part .*'train_xsub'"),
    "text keypoint": (
        changed(lambda c: c["annotations"][1].update(keypoint=np.full((1, 6, 17, 2), "1"))),
        r"annotations\[1\] .* has keypoint of type <U1, expected real numbers",
    ),
    "few joints": (pickled(joints=4), r"4 joints. jointwise works with 5 to 133"),
    "many joints": (pickled(joints=134), r"134 joints. jointwise works with 5 to 133"),
    "class": (
        changed(lambda c: c["annotations"][1].update(label=10**9)),
        r"annotations\[1\] .*class 1000000000, .*100,000",
    ),
    "no pairs": (changed(lambda c: c.update(split={"train": []})), r"no two splits such as .*\(found: train\)"),
    "twice": (changed(lambda c: c["annotations"].append(c["annotations"][0])), r"two annotations are called 'S001C001"),
    "not a mapping": (changed(lambda c: c["annotations"].insert(2, 5)), r"annotations\[2\] is a int"),
    "no keypoint": (changed(lambda c: c["annotations"][3].pop("keypoint")), r"annotations\[3\] has no 'keypoint'"),
    "label": (
        changed(lambda c: c["annotations"][3].update(label="a")),
        r"annotations\[3\] has no 'label' of the right",
    ),
    "negative": (changed(lambda c: c["annotations"][3].update(label=-1)), r"annotations\[3\] .* label -1"),
    "axes": (changed(lambda c: c["annotations"][0].update(keypoint=np.zeros((6, 17, 2)))), r"shape \(6, 17, 2\)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_pickle_of_other_content_is_refused(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    with pytest.raises(DataError, match=message):
        source_of(dump(tmp_path, content))


@pytest.mark.parametrize("scored", [True, False])
def test_a_keypoint_that_is_no_number_is_a_missing_joint(tmp_path: Path, scored: bool) -> None:
    content = pickled(scored=scored)
    content["annotations"][1]["keypoint"][0, 2, 5, 1] = np.nan
    found = source_of(dump(tmp_path, content)).recordings(None)
    assert np.argwhere(~found.read(found.items[NAMES[1]]).validity).tolist() == [[0, 2, 5]]


def test_annotations_that_do_not_fit_together_are_named_when_read(tmp_path: Path) -> None:
    content = pickled()
    content["annotations"][1]["keypoint_score"] = np.ones((1, 5, 17))
    content["annotations"][2]["keypoint"] = np.ones((1, 6, 18, 2))
    found = source_of(dump(tmp_path, content)).recordings(None)
    with pytest.raises(
        ReadError, match=rf"{NAMES[1]}: keypoint_score has shape \(1, 5, 17\) .* keypoint \(1, 6, 17, 2\)"
    ):
        found.read(found.items[NAMES[1]])
    with pytest.raises(ReadError, match=rf"{NAMES[2]}: keypoint has shape \(1, 6, 18, 2\)"):
        found.read(found.items[NAMES[2]])


def test_scores_that_are_text_and_numbers_beyond_float32_are_named_when_read(tmp_path: Path) -> None:
    content = pickled()
    content["annotations"][1]["keypoint_score"] = np.full((1, 6, 17), "1")
    content["annotations"][2]["keypoint"] = np.full((1, 6, 17, 2), 1e39)
    found = source_of(dump(tmp_path, content)).recordings(None)
    with pytest.raises(ReadError, match=rf"{NAMES[1]}: keypoint_score has .* type <U1"):
        found.read(found.items[NAMES[1]])
    with pytest.raises(ReadError, match=rf"{NAMES[2]}: .*not finite"):
        found.read(found.items[NAMES[2]])


@pytest.mark.parametrize("order", [("train", "test", "val"), ("val", "train", "test")])
def test_test_is_scored_and_val_unused_where_a_split_has_both(tmp_path: Path, order: tuple[str, ...]) -> None:
    lists = {"train": NAMES[:2], "test": np.array(NAMES[2:5]), "val": NAMES[5:]}
    source = source_of(dump(tmp_path, pickled() | {"split": {f"X_{name}": lists[name] for name in order}}))
    index = np.zeros(len(NAMES), INDEX)
    assert list(source.splits) == ["X"]
    assert source.splits["X"].rule(index, NAMES).tolist() == [TRAIN] * 2 + [TEST] * 3 + [UNUSED] * 3
    assert "val part is not used" in source.splits["X"].about


# --- the restricted unpickler ---


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_and_arrays_come_back_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    arrays = [
        np.arange(12, dtype="f4").reshape(3, 4),
        np.asfortranarray(np.arange(6, dtype="f2").reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array(["ab", "c"]),
        np.zeros((0, 3)),
        np.array([True, False]),
    ]
    plain = {"a": [1, 2.5, "text", None, True, (1, 2), {3, 4}, b"bytes", b""], 7: np.int64(4), "f": np.float32(2.5)}
    loaded_arrays, loaded = restricted_pickle.load(dump(tmp_path, (arrays, plain), protocol=protocol))
    assert loaded == plain
    for before, after in zip(arrays, loaded_arrays, strict=True):
        np.testing.assert_array_equal(after, before)
        assert after.dtype.newbyteorder("=") == before.dtype.newbyteorder("=")


class Attack:
    """Calls something when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_a_command_runs_nothing(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    content = pickled()
    content["annotations"][0]["note"] = Attack(os.system, f"touch {witness}")
    path = dump(tmp_path, content, protocol=protocol)
    with pytest.raises(ReadError, match=r"ntu60_hrnet\.pkl: the pickle asks for 'posix\.system', which may run code"):
        source_of(path)
    assert not witness.exists()
    pickle.loads(path.read_bytes())  # it is a working attack on whoever trusts it
    assert witness.exists()


@pytest.mark.parametrize(
    ("attack", "refused"),
    [
        (Attack(eval, "1 + 1"), r"builtins?(__)?\.eval"),
        (Attack(getattr, "text", "upper"), r"getattr"),
        (Attack(np.load, "x.npy"), r"'numpy\.load'"),
        (np.array([{"an": "object"}], dtype=object), r"type 'O8'"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]), r"type 'V8'"),
        (Path("x"), r"'pathlib\.(_local\.)?PosixPath'"),
        (np.random.default_rng(0), r"numpy\.random"),
    ],
)
def test_a_pickle_that_asks_for_anything_not_allowed_is_refused(tmp_path: Path, attack: Any, refused: str) -> None:
    with pytest.raises(ReadError, match=refused):
        restricted_pickle.load(dump(tmp_path, [attack]))


CHANGES = {  # what BUILD may be given: attributes, and attributes beside a dict
    "dict": b"}X\x04\x00\x00\x00noteK\x01s",
    "attributes": b"N}X\x0c\x00\x00\x00__defaults__X\x06\x00\x00\x00latin1\x85s\x86",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", restricted_pickle._ALLOWED)
def test_a_pickle_cannot_change_what_it_may_name(tmp_path: Path, name: tuple[str, str], change: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02c" + "\n".join(name).encode() + b"\n" + CHANGES[change] + b"b.")
    allowed = restricted_pickle._ALLOWED[name]
    with pytest.raises(ReadError, match=r"x\.pkl: damaged, or not a pickle of containers"):
        restricted_pickle.load(path)
    assert restricted_pickle._ALLOWED[name] is allowed
    functions = [value for value in vars(restricted_pickle).values() if isinstance(value, FunctionType)]
    assert functions
    assert not any(function.__defaults__ or vars(function) for function in functions)


def test_an_ordered_mapping_comes_back_as_a_plain_one(tmp_path: Path) -> None:
    loaded = restricted_pickle.load(dump(tmp_path, OrderedDict(b=1, a=2)))
    assert type(loaded) is dict
    assert list(loaded.items()) == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_cut_pickle_is_named(tmp_path: Path, kept: int) -> None:
    path = dump(tmp_path, pickled())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ReadError, match=r"ntu60_hrnet\.pkl: (damaged|the file is empty)"):
        source_of(path)


@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_named(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(np.random.default_rng(seed).bytes(500))
    with pytest.raises(ReadError, match=r"x\.pkl"):
        source_of(path)


@pytest.mark.parametrize("name", ["a/../../x", "../x", "a\\b", "x" * 300])
def test_a_split_whose_name_would_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    content = pickled()
    content["split"] = {f"{name}_train": NAMES[:2], f"{name}_val": NAMES[2:]}
    with pytest.raises(DataError, match=r"'split': .* is no name"):
        source_of(dump(tmp_path, content))
