"""Exported files, read back by readers of the tests' own: the joints are where they were, the surface is whole."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers.viewed import HUG, WAVE, compared, synthetic_clip
from jointwise.data.kinematics import body_at_rest, fit_body
from jointwise.data.skeletons import COCO17, KINECT20, NTU25, SKELETONS, Skeleton, unnamed_skeleton
from jointwise.errors import DataError
from jointwise.report.export import WRITERS, figures_of
from jointwise.report.export.bvh import as_bvh
from jointwise.report.export.capsules import body_surface
from jointwise.report.export.figures import Figure, file_name
from jointwise.report.export.glb import as_glb
from jointwise.report.viewer import Clip, Panel, person_colours
from jointwise.report.viewer.screen import to_display

KINDS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
COMPONENTS = {5126: "<f4", 5123: "<u2", 5125: "<u4"}


def clip_of_positions(positions: np.ndarray, skeleton: Skeleton = NTU25, valid: np.ndarray | None = None) -> Clip:
    seen = np.ones(positions.shape[:3], bool) if valid is None else valid
    return Clip("clip", 30, (Panel("recording", skeleton, positions.astype(np.float32), seen),))


def figures(action: int = WAVE) -> tuple[Figure, ...]:
    return figures_of(synthetic_clip(action))[0]


# --- a reader of BVH ---


def read_bvh(text: str) -> tuple[dict[str, np.ndarray], float]:
    """Name of a joint -> (T, 3) where it is, by the rules of the format; seconds per frame."""
    words = text.split()
    at = words.index("MOTION")
    frames, seconds = int(words[at + 2]), float(words[at + 5])
    table = np.array(words[at + 6 :], float).reshape(frames, -1)
    places: dict[str, np.ndarray] = {}
    above: list[tuple[np.ndarray, np.ndarray]] = []  # place and rotation of the open joints
    column, place, name = 0, 1, ""
    while place < at:
        word = words[place]
        if word in ("ROOT", "JOINT", "End"):
            name, place = words[place + 1] if word != "End" else "", place + 2
        elif word == "OFFSET":
            offset, place = np.array(words[place + 1 : place + 4], float), place + 4
            if not name:  # an end has no channels
                above.append(above[-1])
        elif word == "CHANNELS":
            channels = words[place + 2 : place + 2 + int(words[place + 1])]
            values = dict(zip(channels, table[:, column : column + len(channels)].T, strict=True))
            column += len(channels)
            shift = np.tile(offset, (frames, 1))
            if "Xposition" in values:
                shift = shift + np.stack([values[f"{axis}position"] for axis in "XYZ"], axis=-1)
            turn = np.tile(np.eye(3), (frames, 1, 1))
            for channel in channels:
                if channel.endswith("rotation"):
                    axis = np.eye(3)["XYZ".index(channel[0])]
                    turn = turn @ Rotation.from_rotvec(np.deg2rad(values[channel])[:, None] * axis).as_matrix()
            origin, turned = above[-1] if above else (np.zeros((frames, 3)), np.tile(np.eye(3), (frames, 1, 1)))
            places[name] = origin + np.einsum("tij,tj->ti", turned, shift)
            above.append((places[name], turned @ turn))
            place += 2 + len(channels)
        else:
            if word == "}":
                above.pop()
            place += 1
    assert column == table.shape[1]
    assert not above
    return places, seconds


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_bvh_file_puts_every_joint_of_every_layout_where_the_body_has_it(skeleton: Skeleton) -> None:
    random = np.random.default_rng(0)
    positions = random.normal(0, 0.05, (8, len(skeleton.joints), 3)).cumsum(0) + random.normal(0, 0.3, (1, 1, 3))
    motion = fit_body(skeleton, positions, random.random((8, len(skeleton.joints))) < 0.8)
    places, seconds = read_bvh(as_bvh(Figure("one", 0, motion, 25, 0)))
    assert seconds == 0.04
    for joint, expected in zip(motion.body.skeleton.joints, np.moveaxis(motion.positions(), 1, 0), strict=True):
        assert np.abs(places[joint] - expected).max() < 1e-4, joint


def test_where_bones_keep_their_length_a_bvh_file_puts_joints_where_they_were_recorded() -> None:
    clip = synthetic_clip(WAVE)
    panel = clip.panels[0]
    rigid = fit_body(NTU25, to_display(panel.positions, NTU25)[0], panel.valid[0]).positions()  # y up, facing +z
    seen = rigid * np.array([-1, 1, -1])  # as a Kinect has it: x to its left, away from it
    (figure,), _ = figures_of(clip_of_positions(seen[None]))
    places, _ = read_bvh(as_bvh(figure))
    moved = places["spine_mid"] - rigid[:, 1]
    assert np.abs(moved - moved[0]).max() < 1e-4  # only put on the floor
    assert np.abs(moved[0, [0, 2]]).max() < 1e-4
    for joint, name in enumerate(NTU25.joints):
        assert np.abs(places[name] - moved[0] - rigid[:, joint]).max() < 1e-4


def test_an_upright_body_in_a_bvh_file_stands_on_the_floor_with_its_left_at_plus_x() -> None:
    places, _ = read_bvh(as_bvh(figures()[0]))
    assert places["head"][0, 1] > 1.2
    assert min(places["left_foot"][:, 1].min(), places["right_foot"][:, 1].min()) == pytest.approx(0, abs=0.1)
    assert places["left_shoulder"][0, 0] > places["right_shoulder"][0, 0]


def test_angles_of_a_bvh_file_do_not_jump_by_a_whole_turn() -> None:
    spin = Rotation.from_rotvec(np.linspace(0, 4 * np.pi, 60)[:, None] * (0, 1, 0))
    still = figures()[0].motion.positions()[0]
    positions = np.einsum("tij,vj->tvi", spin.as_matrix(), still)
    text = as_bvh(Figure("one", 0, fit_body(NTU25, positions, np.ones((60, 25), bool)), 30, 0))
    rows = np.array([row.split() for row in text.splitlines()[-60:]], float)
    assert np.abs(np.diff(rows[:, 3:6], axis=0)).max() < 30


# --- a reader of glTF ---


class Gltf:
    """A file of binary glTF."""

    def __init__(self, content: bytes) -> None:
        magic, version, length = struct.unpack("<4sII", content[:12])
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack("<I4s", content[12:20])
        assert (kind, size % 4) == (b"JSON", 0)
        self.about: dict[str, Any] = json.loads(content[20 : 20 + size])
        rest = content[20 + size :]
        size, kind = struct.unpack("<I4s", rest[:8])
        assert (kind, size) == (b"BIN\0", len(rest) - 8)
        self.data = rest[8:]

    def array(self, accessor: int) -> np.ndarray:
        about = self.about["accessors"][accessor]
        view = self.about["bufferViews"][about["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        kind = np.dtype(COMPONENTS[about["componentType"]])
        width = KINDS[about["type"]]
        assert view["byteLength"] == about["count"] * width * kind.itemsize
        values = np.frombuffer(self.data, kind, about["count"] * width, view["byteOffset"])
        return values.reshape(about["count"], width) if width > 1 else values

    def matrices(self, frame: int) -> dict[int, np.ndarray]:
        """Node -> (4, 4) from its own directions into the world's, in a frame."""
        moved: dict[tuple[int, str], np.ndarray] = {}
        (animation,) = self.about["animations"]
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            target = channel["target"]
            moved[target["node"], target["path"]] = self.array(sampler["output"])[frame]
        world: dict[int, np.ndarray] = {}

        def visit(index: int, above: np.ndarray) -> None:
            node = self.about["nodes"][index]
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(moved.get((index, "rotation"), [0, 0, 0, 1])).as_matrix()
            local[:3, :3] *= moved.get((index, "scale"), np.ones(3))
            local[:3, 3] = moved.get((index, "translation"), node.get("translation", [0, 0, 0]))
            world[index] = above @ local
            for child in node.get("children", []):
                visit(child, world[index])

        for root in self.about["scenes"][self.about["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return world

    def surface(self, figure: int, frame: int) -> np.ndarray:
        """(P, 3) the points of a skin in a frame."""
        skin = self.about["skins"][figure]
        mesh = self.about["meshes"][next(node for node in self.about["nodes"] if node.get("skin") == figure)["mesh"]]
        attributes = mesh["primitives"][0]["attributes"]
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        world = self.matrices(frame)
        bones = np.array([world[node] @ bind for node, bind in zip(skin["joints"], inverse, strict=True)])
        points = np.concatenate([self.array(attributes["POSITION"]), np.ones((self.count(attributes), 1))], axis=1)
        weights, joints = self.array(attributes["WEIGHTS_0"]), self.array(attributes["JOINTS_0"])
        assert np.allclose(weights.sum(1), 1)
        return np.einsum("pk,pkij,pj->pi", weights, bones[joints], points)[:, :3]

    def count(self, attributes: dict[str, int]) -> int:
        return int(self.about["accessors"][attributes["POSITION"]]["count"])


@pytest.fixture(scope="module")
def hug() -> tuple[tuple[Figure, ...], Gltf]:
    """Two persons who hug, as recorded and as rebuilt."""
    made, _ = figures_of(compared(synthetic_clip(HUG)))
    return made, Gltf(as_glb(made))


def test_a_glb_file_holds_every_person_of_every_view_but_not_what_was_hidden(
    hug: tuple[tuple[Figure, ...], Gltf],
) -> None:
    names = ["recording 1", "recording 2", "what the decoder rebuilt 1", "what the decoder rebuilt 2"]
    assert [figure.name for figure in hug[0]] == names
    nodes = [node["name"] for node in hug[1].about["nodes"]]
    assert [name for name in nodes if name in names] == names
    assert len(hug[1].about["skins"]) == 4


@pytest.mark.parametrize("frame", [0, 20])
def test_joints_of_a_glb_file_are_where_the_body_has_them(hug: tuple[tuple[Figure, ...], Gltf], frame: int) -> None:
    made, file = hug
    world = file.matrices(frame)
    for figure, skin in zip(made, file.about["skins"], strict=True):
        expected = figure.motion.positions()[frame]
        for joint, node in enumerate(figure.motion.body.node_of):
            assert np.abs(world[skin["joints"][node]][:3, 3] - expected[joint]).max() < 1e-5


def test_the_surface_moves_with_the_joints(hug: tuple[tuple[Figure, ...], Gltf]) -> None:
    made, file = hug
    figure = made[0]
    points = file.surface(0, 20)
    joints = figure.motion.positions()[20]
    distance = np.linalg.norm(points[:, None] - joints[None], axis=-1)
    assert distance.min(0).max() < 0.1 * figure.motion.body.stature  # a surface around every joint
    low, high = joints.min(0) - 0.2, joints.max(0) + 0.2
    assert ((points > low) & (points < high)).all()


def test_the_second_view_stands_beside_the_first(hug: tuple[tuple[Figure, ...], Gltf]) -> None:
    first, second = (hug[1].surface(figure, 0) for figure in (0, 2))
    shift = (second - first).mean(0)
    assert shift[0] > 0.5
    assert np.abs(shift[1:]).max() < 0.1


def test_times_and_limits_of_a_glb_file_are_true(hug: tuple[tuple[Figure, ...], Gltf]) -> None:
    made, file = hug
    (animation,) = file.about["animations"]
    times = file.array(animation["samplers"][0]["input"])
    assert np.allclose(times, np.arange(len(made[0].motion.rotations)) / made[0].fps)
    for index, accessor in enumerate(file.about["accessors"]):
        if "min" in accessor:
            values = file.array(index).reshape(accessor["count"], -1)
            assert (values.min(0) == np.array(accessor["min"], np.float32)).all()
            assert (values.max(0) == np.array(accessor["max"], np.float32)).all()
    targets = [(channel["target"]["node"], channel["target"]["path"]) for channel in animation["channels"]]
    assert len(set(targets)) == len(targets)
    nodes = file.about["nodes"]
    children = [child for node in nodes for child in node.get("children", [])]
    assert sorted(children + file.about["scenes"][0]["nodes"]) == list(range(len(nodes)))  # each hangs somewhere, once


def test_sides_have_the_colours_of_the_viewer(hug: tuple[tuple[Figure, ...], Gltf]) -> None:
    materials = {one["name"]: one["pbrMetallicRoughness"]["baseColorFactor"] for one in hug[1].about["materials"]}
    for person in (0, 1):
        centre, left, right = person_colours(person)
        assert left[2] > left[0]
        assert right[0] > right[2]
        found = np.array([materials[f"recording {person + 1} {side}"][:3] for side in ("centre", "left", "right")])
        assert np.abs(np.where(found > 0.0031308, 1.055 * found ** (1 / 2.4) - 0.055, 12.92 * found)
                      - [centre, left, right]).max() < 1e-6  # fmt: skip


def test_a_person_who_is_absent_is_hidden_in_these_frames() -> None:
    clip = synthetic_clip(WAVE)
    panel = clip.panels[0]
    valid = panel.valid.copy()
    valid[:, :10] = False
    made, _ = figures_of(replace(clip, panels=(replace(panel, valid=valid),)))
    file = Gltf(as_glb(made))
    assert np.ptp(file.surface(0, 9), axis=0).max() == 0
    assert np.ptp(file.surface(0, 10), axis=0).max() > 1


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_surface_is_closed_and_faces_outwards(skeleton: Skeleton) -> None:
    random = np.random.default_rng(0)
    body = body_at_rest(
        skeleton, random.normal(size=(3, len(skeleton.joints), 3)), np.ones((3, len(skeleton.joints)), bool)
    )
    surface = body_surface(body)
    triangles = np.concatenate(list(surface.triangles.values()))
    sides = {"centre"} if skeleton.name == "mediapipe-hand21" else {"centre", "left", "right"}
    assert set(surface.triangles) == sides
    assert set(triangles.ravel()) <= set(range(len(surface.points)))
    corners = surface.points[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((face * surface.normals[triangles].sum(1)).sum(-1) > 0).all()
    assert np.allclose(np.linalg.norm(surface.normals, axis=-1), 1)
    drawn = {(body.nodes[node].joint, body.nodes[node].bones) for node in surface.nodes.tolist()}
    assert len({frozenset((joint, *bones)) for joint, bones in drawn if len(bones) == 1}) >= len(skeleton.bones)


# --- what is exported ---


@pytest.mark.parametrize(("unit", "factor"), [("centimetres", 100), ("millimetres", 1000)])
def test_other_units_become_metres_and_it_is_said(unit: str, factor: float) -> None:
    panel = synthetic_clip(WAVE).panels[0]
    metres, none = figures_of(clip_of_positions(panel.positions))
    scaled, notes = figures_of(clip_of_positions(panel.positions * factor))
    assert none == ()
    assert len(notes) == 1
    assert f"look like {unit}" in notes[0]
    assert np.abs(scaled[0].motion.positions() - metres[0].motion.positions()).max() < 1e-4


def test_an_unknown_unit_gives_a_person_of_usual_stature_and_it_is_said() -> None:
    panel = synthetic_clip(WAVE).panels[0]
    (figure,), notes = figures_of(clip_of_positions(panel.positions * 7))
    assert figure.motion.body.stature == pytest.approx(1.7)
    assert "the unit is unknown" in notes[0]


def test_data_whose_z_axis_is_up_stands_upright() -> None:
    panel = synthetic_clip(WAVE).panels[0]
    up = replace(NTU25, name="z up", up=2, lateral=0)
    turned = panel.positions[..., [0, 2, 1]] * np.array([-1, 1, 1], np.float32)  # -x, z, y: a rotation
    figure, same = (figures_of(clip_of_positions(some, skeleton))[0][0]
                    for some, skeleton in ((turned, up), (panel.positions, NTU25)))  # fmt: skip
    assert np.abs(figure.motion.positions() - same.motion.positions()).max() < 1e-4


def test_the_distance_is_that_of_the_valid_joints() -> None:
    (figure,) = figures()
    panel = synthetic_clip(WAVE).panels[0]
    fitted = figure.motion.positions()
    given = to_display(panel.positions, NTU25)[0]
    shift = (fitted - given)[panel.valid[0]].mean(0)
    by_hand = np.linalg.norm(fitted - given - (0, shift[1], 0), axis=-1)[panel.valid[0]].mean()
    assert figure.distance == pytest.approx(by_hand, abs=2e-3)
    assert 0.001 < figure.distance < 0.03


def test_what_cannot_be_a_body_is_refused() -> None:
    flat = np.zeros((1, 4, 17, 2))
    with pytest.raises(DataError, match="clip: 2D poses have no depth"):
        figures_of(clip_of_positions(flat, COCO17))
    with pytest.raises(DataError, match="'joints20' has no bones"):
        figures_of(clip_of_positions(np.zeros((1, 4, 20, 3)), unnamed_skeleton(20)))
    nobody = np.zeros((1, 4, 20), bool)
    nobody[0, 0, 0] = True
    with pytest.raises(DataError, match="no bone connects two joints"):
        figures_of(clip_of_positions(np.zeros((1, 4, 20, 3)), KINECT20, nobody))


def test_a_person_without_a_bone_is_left_out_and_it_is_said() -> None:
    panel = synthetic_clip(HUG).panels[0]
    valid = panel.valid.copy()
    valid[1, :, 1:] = False
    (figure,), notes = figures_of(clip_of_positions(panel.positions, valid=valid))
    assert figure.name == "recording 1"
    assert notes[0].startswith("recording 2 is left out: no bone connects two joints")


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("action", [WAVE, HUG])
def test_every_format_writes_files_of_its_ending_named_like_the_figures(ending: str, action: int) -> None:
    made = figures(action)
    files = WRITERS[ending](made, Path("a/b.c"))
    assert all(path.parent == Path("a") and path.name.startswith("b.c") for path in files)
    assert all(path.name.endswith(f".{ending}") and content for path, content in files.items())
    assert len(files) == (len(made) if ending == "bvh" else 1)
    assert all(file_name(figure.name) in str([*files]) for figure in made if ending == "bvh" and len(made) > 1)


@pytest.mark.parametrize("ending", WRITERS)
def test_a_clip_of_one_frame_can_be_exported(ending: str) -> None:
    panel = synthetic_clip(WAVE).panels[0]
    made, _ = figures_of(clip_of_positions(panel.positions[:, :1]))
    (content,) = WRITERS[ending](made, Path("one")).values()
    if ending == "bvh":
        assert len(read_bvh(content.decode())[0]["head"]) == 1
    else:
        assert Gltf(content).surface(0, 0)[:, 1].max() > 1.4
