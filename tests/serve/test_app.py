"""The page's server: uploads, views, corrections, downloads, and what it refuses."""

import csv
import errno
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import jointwise
from helpers import tiny
from helpers.served import Reply, Served, as_form, serving
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets.labels_file import read_labels
from jointwise.data.formats import npz
from jointwise.data.native.process import LimitedProcess
from jointwise.data.sequence import Sequence
from jointwise.errors import CheckpointError, ReadError
from jointwise.inference.recognizer import Recognizer
from jointwise.serve.app import create_api
from jointwise.serve.desk import Desk
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models
from jointwise.serve.readers import Readers, label_of
from jointwise.serve.spans import Span, around

pytestmark = pytest.mark.slow  # a server, and a process that reads


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one.npz` of one person, `two.npz` of two, and `gestures/<class>/<name>.npz`."""
    folder = tmp_path_factory.mktemp("files")
    npz.write(folder / "one.npz", replace(tiny.walk(1, 2, 1), label=None))
    npz.write(folder / "two.npz", replace(tiny.walk(0, 2, 1), label=None))
    for label in (0, 1):
        for subject in (1, 2, 3):
            sequence = tiny.walk(label, subject, 2)
            path = folder / "gestures" / tiny.CLASSES[label] / f"{sequence.source}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            npz.write(path, replace(sequence, label=None))
    (folder / "gestures" / "dataset.yaml").write_text("terms: for a test only\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def page(finetuned: Path, tiny_data: Path, files: Path) -> Iterator[Served]:
    """The page with a model, compared with itself, and a folder to browse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
        patch.setenv("JOINTWISE_DATA", str(tiny_data))
        models = Models((str(finetuned), str(finetuned)))
        with serving(Desk(models, Limits(upload_bytes=400_000, recordings=4), str(files / "gestures"))) as served:
            yield served


@pytest.fixture
def empty(page: Served) -> Served:
    """The page with nothing open."""
    page.clear()
    return page


def test_it_says_what_it_can_do(page: Served, finetuned: Path) -> None:
    about = page.get("/api/about").json
    assert [model["classes"] for model in about["models"]] == [list(tiny.CLASSES)] * 2
    assert about["models"][0]["name"] == str(finetuned)
    assert about["upload_megabytes"] == 0.4
    assert page.get("/").body.startswith(b"<!doctype html>")
    for name in ("page.js", "labels.js", "three.min.js", "viewer.css"):
        assert page.get(f"/static/{name}").status == 200
    for name in ("app.py", "__init__.py", "..%2fapp.py", "%2e%2e/app.py"):
        assert page.get(f"/static/{name}").status == 404


def test_an_upload_is_watched_with_what_the_model_says(empty: Served, files: Path, finetuned: Path) -> None:
    key = empty.open(files / "two.npz")
    view = empty.get(f"/api/recordings/{key}/view").json
    recognizer = Recognizer.from_pretrained(finetuned)
    told = recognizer.timeline(jointwise.read(files / "two.npz"))
    packed = json.loads(view["html"].split('<script type="application/json">')[1].split("</script>")[0])
    (clip,) = packed["clips"]
    lanes = [lane for lane in clip["lanes"] if not lane["by"]]
    assert [(lane["person"], row[2]) for lane in lanes for row in lane["segments"]] == [
        (segment.person, segment.label) for segment in told
    ]
    assert [lane["by"] for lane in clip["lanes"] if lane["by"]] == ["finetune"] * len(lanes)
    best = recognizer.predict(jointwise.read(files / "two.npz")).probabilities
    assert [answer["rows"][0][0] for answer in clip["answers"]] == [max(best, key=lambda name: best[name])] * 2
    assert [bars["title"] for bars in clip["bars"]][-1] == "Nearest training clips"
    assert view["recording"]["name"] == clip["title"] == "two.npz"
    assert [(span["person"], span["label"]) for span in view["spans"]] == [
        (segment.person, segment.label) for segment in told if segment.label in tiny.CLASSES
    ]


def test_frames_in_files_of_their_own_are_one_recording_and_problems_are_told(empty: Served, files: Path) -> None:
    frame = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [10.0, 20.0, 0.9] * 25}]}
    frames = [(f"walk_{n:012d}_keypoints.json", json.dumps(frame).encode()) for n in range(4)]
    reply = empty.upload(*frames, query="?layout=body25")
    assert [(one["name"], one["frames"]) for one in reply.json["recordings"]] == [
        ("walk_000000000000_keypoints.json and 3 more", 4)
    ]
    reply = empty.upload(files / "one.npz", ("notes.md", b"# notes"), ("bad.npz", b"PK\x03\x04 nothing"))
    assert [one["name"] for one in reply.json["recordings"]] == ["one.npz"]
    assert [problem.partition(":")[0] for problem in reply.json["problems"]] == ["bad.npz", "no recordings"]


def test_what_does_not_fit_the_model_is_shown_and_says_so(empty: Served, tmp_path: Path) -> None:
    walk = tiny.walk(1, 2, 1)
    npz.write(tmp_path / "flat.npz", replace(walk, positions=walk.positions[..., :2]))
    view = empty.get(f"/api/recordings/{empty.open(tmp_path / 'flat.npz')}/view").json
    assert "sv-stage" in view["html"]
    assert view["spans"] == []
    (note,) = [note for note in view["notes"] if "names nothing" in note]
    assert note.startswith("finetune names nothing. flat.npz: 2 coordinates")


def test_names_of_files_are_labels_and_nothing_is_left_behind(
    empty: Served, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = (files / "one.npz").read_bytes()
    for name, label in (("../../evil.npz", "evil.npz"), ("/etc/x.npz", "x.npz"), (".npz", "npz")):
        reply = empty.upload((name, content))
        assert reply.status == 201, reply.body
        assert [one["name"] for one in reply.json["recordings"]] == [label]
    reply = empty.upload(("bad.npz", b"nothing"))
    assert reply.status == 422
    assert reply.detail.startswith("bad.npz: ")
    assert str(tmp_path) not in reply.detail
    assert list(tmp_path.iterdir()) == []
    assert label_of("a" * 300 + ".json").endswith(".json")
    assert len(label_of("a" * 300 + ".json")) <= 200


def test_an_upload_that_the_disk_does_not_take_is_refused_with_the_reason(
    empty: Served, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("jointwise.serve.readers.shutil.copyfileobj", full)
    reply = empty.upload(("clip.npz", (files / "one.npz").read_bytes()))
    assert (reply.status, "No space left on device. Free space" in reply.detail) == (503, True)


def test_a_name_of_letters_that_take_several_bytes_fits_a_file_system(empty: Served, files: Path) -> None:
    reply = empty.upload(("走" * 90 + ".npz", (files / "one.npz").read_bytes()))
    assert reply.status == 201, reply.body
    (recording,) = reply.json["recordings"]
    assert re.fullmatch("走{60,66}[.]npz", recording["name"])


def test_a_name_that_has_no_encoding_is_told_with_question_marks(empty: Served) -> None:
    walk = tiny.walk(1, 2, 1)
    array = io.BytesIO()
    np.savez(array, positions=walk.positions, joints=["\ud800", *walk.skeleton.joints[1:]])
    reply = empty.upload(("half.npz", array.getvalue()))
    assert reply.status in (201, 422), reply.body
    array = io.BytesIO()
    np.savez(array, positions=walk.positions, joints=["\ud800"] * 20)
    reply = empty.upload(("half.npz", array.getvalue()))
    assert (reply.status, "twice: ?, ?" in reply.detail) == (422, True), reply.body


def test_what_the_user_says_of_a_file_is_believed_but_no_path_is_taken(empty: Served) -> None:
    array = io.BytesIO()
    np.save(array, np.random.default_rng(0).normal(size=(40, 20, 3)).astype(np.float32))
    reply = empty.upload(("bare.npy", array.getvalue()), query="?layout=kinect20&fps=15")
    (recording,) = reply.json["recordings"]
    assert (recording["joints"], recording["fps"]) == ("kinect20", 15.0)
    reply = empty.upload(("bare.npy", array.getvalue()), query="?layout=/etc/passwd")
    assert (reply.status, reply.detail[:7]) == (422, "layout:")


def test_readers_survive_files_that_end_or_outlast_the_process(files: Path) -> None:
    def read(readers: Readers) -> tuple[Sequence, ...]:
        with (files / "one.npz").open("rb") as file:
            return readers.read([("one.npz", file)], {}).recordings

    readers = Readers(Limits(read_seconds=0.5))
    for work, words in (("crash", "ended by SIGSEGV"), ("hang", "did not end within 0.5 s")):
        readers._idle.append(LimitedProcess(f"helpers.limited_work:{work}"))
        with pytest.raises(ReadError, match=rf"^one\.npz: .*{words}"):
            read(readers)
        readers._idle.pop()
    readers = Readers(Limits())
    readers.warm()
    (recording,) = read(readers)
    assert recording.source == "one.npz"
    assert (recording.positions == jointwise.read(files / "one.npz").positions).all()
    assert readers._idle[0].is_running()
    pytest.importorskip("ezc3d")
    for name in ("takes-all", "crashes"):
        hostile = Path(__file__).parents[1] / "corpus" / "format c3d" / name / "walk.c3d"
        with hostile.open("rb") as file, pytest.raises(ReadError, match=r"^walk\.c3d: "):
            readers.read([("walk.c3d", file)], {})
    readers.close()
    assert readers._idle == []


# --- what is refused ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:1"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "192.168.0.1"}, 403),
        ({"host": ""}, 403),
        ({"host": "["}, 403),
        ({"host": "localhost:1", "origin": "http://localhost:1"}, 200),
        ({"origin": "http://localhost:1"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_only_this_page_may_ask_and_only_under_its_own_name(page: Served, headers: dict[str, str], status: int) -> None:
    reply = page.ask("GET", "/api/about", headers=headers)
    assert reply.status == status
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert status == 200 or reply.detail


# older versions of starlette leave the file of an upload that is broken off to the garbage collector
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
def test_what_is_too_large_is_refused_whether_or_not_it_says_so(empty: Served) -> None:
    body, headers = as_form([("large.npz", b"x" * 500_000)])
    for sent in (body, iter([body[:200_000], body[200_000:]])):
        reply = empty.ask("POST", "/api/recordings", sent, headers)
        assert (reply.status, "0.4 MB" in reply.detail) == (413, True)
    assert empty.ask("PUT", "/api/recordings/x/spans", b"x" * 1_100_000).status == 413
    assert empty.get("/api/recordings").json == []


def test_more_files_than_a_form_may_have_are_refused_with_what_to_do(empty: Served) -> None:
    reply = empty.upload(*[(f"{number}.json", b"{}") for number in range(1001)])
    assert (reply.status, "1,000 files" in reply.detail, "jointwise convert FOLDER" in reply.detail) == (
        400,
        True,
        True,
    )


def test_only_so_many_recordings_are_open_and_a_closed_one_is_gone(empty: Served, files: Path) -> None:
    keys = [empty.open(files / "one.npz") for _ in range(4)]
    reply = empty.upload(files / "one.npz")
    assert (reply.status, "Close one" in reply.detail) == (409, True)
    assert empty.ask("DELETE", f"/api/recordings/{keys[0]}").status == 204
    for path in ("/view", "/moment?start=0&end=1"):
        assert empty.get(f"/api/recordings/{keys[0]}{path}").status == 404
    assert empty.upload(files / "one.npz").status == 201


def test_a_recording_that_is_too_long_is_refused(files: Path) -> None:
    with serving(Desk(Models(), Limits(frames=10))) as page:
        reply = page.upload(files / "one.npz")
        assert (reply.status, "Cut it" in reply.detail) == (422, True)
    with serving(Desk(Models(), Limits())) as page:
        slow = io.BytesIO()
        np.savez(slow, positions=np.zeros((2, 20, 3)), fps=1e-9)
        assert "1e-09 frames per second" in page.upload(("slow.npz", slow.getvalue())).detail


# --- corrections ---


def put(page: Served, key: str, *spans: dict[str, Any]) -> Reply:
    return page.ask("PUT", f"/api/recordings/{key}/spans", {"spans": list(spans)})


SPAN = {"person": 0, "start": 0.1, "end": 0.3, "label": "up", "corrected": True}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": " "}, "label is empty"),
        ({"label": "a\nb"}, "cannot be shown"),
        ({"label": ""}, "spans.0.label"),
        ({"label": "x" * 101}, "spans.0.label"),
        ({"person": 3}, "persons 0 to 0"),
        ({"person": -1}, "spans.0.person"),
        ({"start": 0.3}, "begins before it ends"),
        ({"end": 99.0}, "within the"),
        ({"end": float("nan")}, "spans.0.end"),
        ({"colour": "red"}, "spans.0.colour"),
    ],
)
def test_spans_that_cannot_be_are_refused_and_change_nothing(
    empty: Served, files: Path, change: dict[str, Any], words: str
) -> None:
    key = empty.open(files / "one.npz")
    assert put(empty, key, SPAN).json["spans"] == [SPAN]
    reply = put(empty, key, SPAN | change)
    assert (reply.status, words in reply.detail) == (422, True), reply.detail
    assert json.loads(empty.get("/api/labels.json").body)["recordings"][0]["spans"] == [SPAN]


def test_spans_of_a_person_do_not_overlap(empty: Served, files: Path) -> None:
    key = empty.open(files / "two.npz")
    later = SPAN | {"start": 0.25, "end": 0.5}
    assert "overlap at 0.25 s" in put(empty, key, SPAN, later).detail
    assert put(empty, key, SPAN, later | {"person": 1}).status == 200
    assert put(empty, key, later | {"start": 0.3}, SPAN).json["spans"][0] == SPAN


def test_labels_are_downloaded_as_json_as_a_table_and_as_a_data_set(empty: Served, files: Path, tmp_path: Path) -> None:
    one, two = empty.open(files / "one.npz"), empty.open(files / "two.npz")
    empty.open(files / "one.npz")  # never watched, so without spans
    assert put(empty, one, SPAN, SPAN | {"start": 0.3, "end": 0.5, "label": "left, then right"}).status == 200
    assert put(empty, two, SPAN | {"person": 1}).status == 200
    found = json.loads(empty.get("/api/labels.json").body)["recordings"]
    assert [(each["file"], len(each["spans"])) for each in found] == [("one.npz", 2), ("two.npz", 1)]
    reply = empty.get("/api/labels.csv")
    assert reply.headers["content-disposition"] == 'attachment; filename="labels.csv"'
    assert list(csv.reader(io.StringIO(reply.body.decode()))) == [
        ["file", "label", "person", "start", "end"],
        ["one.npz", "up", "0", "0.100", "0.300"],
        ["one.npz", "left, then right", "0", "0.300", "0.500"],
        ["two.npz", "up", "1", "0.100", "0.300"],
    ]
    with zipfile.ZipFile(io.BytesIO(empty.get("/api/dataset.zip").body)) as archive:
        archive.extractall(tmp_path / "clips")
    names = sorted(path.relative_to(tmp_path / "clips").as_posix() for path in (tmp_path / "clips").rglob("*.*"))
    assert names == ["clips/0001_one.npz", "clips/0002_one.npz", "clips/0003_two.npz", "dataset.yaml", "labels.csv"]
    cut = jointwise.read(tmp_path / "clips" / "clips" / "0003_two.npz")
    whole = jointwise.read(files / "two.npz")
    assert (cut.validity == whole.validity[1:2, 3:9]).all()
    offset = cut.positions - whole.positions[1:2, 3:9]
    assert np.ptp(offset[cut.validity], axis=0).max() < 1e-5  # moved, and nothing else
    labels = read_labels(tmp_path / "clips" / "labels.csv", [name for name in names if name.endswith(".npz")])
    assert [row.label for row in labels.values()] == ["up", "left, then right", "up"]


def test_the_table_of_recordings_with_one_span_each_is_taken_by_init(
    empty: Served, files: Path, tmp_path: Path
) -> None:
    put(empty, empty.open(files / "one.npz"), SPAN)
    put(empty, empty.open(files / "two.npz"), SPAN | {"label": "left"})
    (tmp_path / "labels.csv").write_bytes(empty.get("/api/labels.csv").body)
    labels = read_labels(tmp_path / "labels.csv", ["one.npz", "two.npz"])
    assert {name: row.label for name, row in labels.items()} == {"one.npz": "up", "two.npz": "left"}


def test_the_model_is_taught_by_spans_and_keeps_it_only_where_that_is_wanted(
    registered: Path, finetuned: Path, files: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    Recognizer.from_pretrained(finetuned).save(model)
    with serving(Desk(Models((str(model),)), Limits())) as page:
        key = page.open(files / "one.npz")
        assert "no span is labelled" in page.ask("POST", "/api/classes", {"name": "nod"}).detail
        seconds = page.get("/api/recordings").json[0]["seconds"]
        nod = {"person": 0, "start": 0.0, "end": seconds, "label": "nod", "corrected": True}
        assert put(page, key, nod).status == 200
        taught = page.ask("POST", "/api/classes", {"name": "nod"}).json
        assert (taught["taught"], taught["classes"]) == (["nod"], [*tiny.CLASSES, "nod"])
        view = page.get(f"/api/recordings/{key}/view").json
        assert view["spans"] == [nod]  # the correction stays where the model is asked again
        assert Recognizer.from_pretrained(model).taught == ()
        assert page.ask("POST", "/api/classes", {"name": "nod"}).status == 409
        assert page.ask("DELETE", "/api/classes?name=nod").json["taught"] == []
        assert page.ask("POST", "/api/classes", {"name": "nod", "keep": True}).status == 201
        assert Recognizer.from_pretrained(model).taught == ("nod",)
        assert page.ask("DELETE", "/api/classes?name=walk").status == 409


def test_a_model_that_is_pre_trained_only_names_nothing_until_it_is_taught_two_actions(
    pretrained: Path, files: Path
) -> None:
    with serving(Desk(Models((str(pretrained),)), Limits())) as page:
        assert page.get("/api/about").json["models"][0]["names_actions"] is False
        key = page.open(files / "one.npz")
        assert page.get(f"/api/recordings/{key}/view").json["spans"] == []
    with pytest.raises(CheckpointError, match="nothing to compare"):
        Models((str(pretrained), str(pretrained)))


def test_what_the_model_says_fills_the_time_that_corrections_leave() -> None:
    told = [Span(0, 0.0, 3.0, "walk"), Span(0, 3.0, 4.0, "sit"), Span(1, 0.0, 4.0, "walk")]
    kept = [Span(0, 1.0, 2.0, "wave", True), Span(0, 2.98, 4.0, "bow", True)]
    assert around(kept, told) == (
        *kept,
        Span(0, 0.0, 1.0, "walk"),
        Span(0, 2.0, 2.98, "walk"),
        Span(1, 0.0, 4.0, "walk"),
    )


def test_without_a_label_there_is_no_data_set(empty: Served, files: Path) -> None:
    empty.open(files / "one.npz")
    assert (empty.get("/api/dataset.zip").status, empty.get("/api/labels.json").json) == (409, {"recordings": []})


# --- moments, data, streams ---


def test_a_moment_is_the_piece_of_one_person_with_answers_and_neighbours(empty: Served, files: Path) -> None:
    key = empty.open(files / "two.npz")
    moment = empty.get(f"/api/recordings/{key}/moment?person=1&start=0.1&end=0.5").json
    (clip,) = json.loads(moment["html"].split('<script type="application/json">')[1].split("</script>")[0])["clips"]
    assert (clip["frames"], clip["lanes"], clip["title"]) == (12, [], "two.npz, 0.1 to 0.5 s")
    assert len(clip["answers"][0]["rows"]) == 5
    assert [panel["title"].split(":")[0] for panel in clip["panels"]][2:] == ["nearest", "2nd nearest"]
    for query, status in (("person=1&start=0.5&end=0.1", 422), ("person=9&start=0&end=1", 422), ("start=a&end=1", 422)):
        assert empty.get(f"/api/recordings/{key}/moment?{query}").status == status


def test_a_folder_is_browsed_with_what_doctor_finds(empty: Served) -> None:
    data = empty.get("/api/data").json
    assert len(data["recordings"]) == 6
    assert {one["label"] for one in data["recordings"]} == {"up", "down"}
    assert data["verdict"] in ("look", "stop")
    assert all(group["check"] and group["messages"] for group in data["findings"])
    name = data["recordings"][0]["name"]
    reply = empty.ask("POST", "/api/data", {"name": name})
    assert (reply.status, reply.json["name"], reply.json["truth"]) == (201, name, data["recordings"][0]["label"])
    key = reply.json["id"]
    assert "for a test only" in empty.get(f"/api/recordings/{key}/view").json["notes"][-1]
    put(empty, key, SPAN)
    with zipfile.ZipFile(io.BytesIO(empty.get("/api/dataset.zip").body)) as archive:
        assert "\nterms: for a test only\n" in archive.read("dataset.yaml").decode()
    assert empty.ask("POST", "/api/data", {"name": "../one.npz"}).status == 404
    assert empty.ask("POST", "/api/data", {}).status == 422


def test_without_a_model_recordings_are_shown_and_labelled_by_hand(files: Path) -> None:
    with serving(Desk(Models(), Limits())) as page:
        key = page.open(files / "one.npz")
        view = page.get(f"/api/recordings/{key}/view").json
        assert (view["spans"], "sv-stage" in view["html"]) == ([], True)
        assert put(page, key, SPAN).status == 200
        assert page.get("/api/data").status == 409
        with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{page.port}/api/stream"):
            pass


def stream_lines(recording: Sequence) -> list[str]:
    return [
        json.dumps({"time": frame / 30, "positions": recording.positions[0, frame].tolist()})
        for frame in range(recording.frames)
    ]


def test_a_stream_says_what_the_timeline_says(page: Served, finetuned: Path) -> None:
    walk = tiny.walk(1, 2, 1)
    walk = Sequence(np.tile(walk.positions, (1, 4, 1, 1)), walk.skeleton, source="stream")
    with connect(f"ws://127.0.0.1:{page.port}/api/stream?layout=kinect20&fps=30") as socket:
        socket.send("no frame")
        assert json.loads(socket.recv())["line"] == 1
        for line in stream_lines(walk):
            socket.send(line)
        socket.send('{"end": true}')
        events = [json.loads(message) for message in socket]
    segments = [event for event in events if event["event"] == "segment"]
    told = Recognizer.from_pretrained(finetuned).timeline(walk)
    assert [event["label"] for event in segments] == [one.label for one in told]
    assert [event["end"] for event in segments] == pytest.approx([one.end for one in told])
    assert any(event["event"] == "window" for event in events)


def test_a_stream_of_another_page_is_refused(page: Served) -> None:
    for address, origin in (("/api/stream", "http://evil.example"), ("/api/stream?layout=nothing", None)):
        with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{page.port}{address}", origin=origin):
            pass


def test_the_description_of_the_routes_names_every_answer(page: Served) -> None:
    described = create_api(page.desk).openapi()
    assert page.get("/api/openapi.json").json == described
    routes = {(path, method) for path, methods in described["paths"].items() for method in methods}
    assert ("/api/recordings/{key}/spans", "put") in routes
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            schema = about["responses"]["422"]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method)
            assert about["summary"]
