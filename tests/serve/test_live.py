"""The live page: what it sends is named as any stream; the camera's files are served; a browser runs it all."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from helpers import tiny
from helpers.chromium import chromium
from helpers.drawn_person import write_video
from helpers.landmarks import as_found, as_lines, world_landmarks
from helpers.served import Served, serving
from jointwise.data.sequence import Bools, Floats
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.stream_lines import event_as_json, frame_of
from jointwise.serve.camera import HOW_TO_GET, POLICY
from jointwise.serve.desk import Desk
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models

FPS = 30.0
SAID = {"layout": "mediapipe33", "fps": FPS, "units": "m", "up": "-y"}
QUERY = "layout=mediapipe33&fps=30&units=m&up=-y"  # as the page asks
PACKAGE = Path(__file__).parents[2] / "packages" / "jointwise-camera" / "src"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def desk(*models: Path) -> Desk:
    return Desk(Models(tuple(map(str, models))), Limits())


@pytest.fixture(scope="module")
def without_camera() -> Iterator[None]:
    """The package jointwise-camera is not there, whether it is installed or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jointwise.serve.camera.find_spec", lambda name: None)
        yield


@pytest.fixture(scope="module")
def served(finetuned: Path, without_camera: None) -> Iterator[Served]:
    """The pages, with a model."""
    with serving(desk(finetuned)) as page:
        yield page


@pytest.fixture(scope="module")
def fed() -> tuple[Floats, Bools]:
    """Five seconds of a person as landmarks: three clips of synthetic, one after the other."""
    clips = [one for one in generate(subjects=(3,), cameras=(2,)) if ACTIONS[one.label] in ("wave", "bow", "clap")]
    parts = [world_landmarks(replace(clip, positions=clip.positions[:1], valid=clip.validity[:1])) for clip in clips]
    return np.concatenate([one[0] for one in parts])[:150], np.concatenate([one[1] for one in parts])[:150]


def rest(socket: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the other side closes."""
    return [json.loads(message) for message in socket]


# --- the stream -------------------------------------------------------------------------------------------------------


def test_fed_landmarks_are_named_as_by_the_stream_of_a_recognizer(
    served: Served, finetuned: Path, fed: tuple[Floats, Bools]
) -> None:
    lines = [json.dumps(line) for line in as_lines(*fed, FPS)]
    with connect(f"ws://127.0.0.1:{served.port}/api/stream?{QUERY}") as stream:
        for line in lines:
            stream.send(line)
        stream.send('{"end": true}')
        events = rest(stream)
    live = Recognizer.from_pretrained(finetuned, device="cpu").stream(**SAID)
    expected = [event for line in lines for event in live.push(**frame_of(line))] + live.close()
    assert events == json.loads(json.dumps([event_as_json(event) for event in expected]))
    assert {event["event"] for event in events} == {"window", "segment"}


def test_a_bad_frame_is_answered_and_the_stream_goes_on(served: Served, fed: tuple[Floats, Bools]) -> None:
    first, second = as_lines(fed[0][:2], fed[1][:2], FPS)
    with connect(f"ws://127.0.0.1:{served.port}/api/stream?{QUERY}") as stream:
        for message in (first, {"positions": [[0, 0, 0]]}, second):
            stream.send(json.dumps(message))
        stream.send('{"end": true}')
        answers = rest(stream)
    assert [answer["line"] for answer in answers if "error" in answer] == [2]
    assert "mediapipe33" in answers[0]["error"]


def test_a_stream_goes_on_after_what_is_no_frame_and_ids_come_back_as_they_were_sent(served: Served) -> None:
    walk = tiny.walk(1, 2, 1)
    frames = [*walk.positions[0].tolist()] * 4
    lines = [
        json.dumps({"time": n / 30, "persons": [{"id": "\ud800", "positions": one}]}) for n, one in enumerate(frames)
    ]
    with connect(f"ws://127.0.0.1:{served.port}/api/stream?layout=kinect20&fps=30") as stream:
        for message in (b"\x00\xff", "[" * 100_000, '{"end"' + "[" * 5000, b""):
            stream.send(message)
            assert set(json.loads(stream.recv())) == {"error", "line"}
        for number, line in enumerate(lines):
            stream.send(line.encode() if number % 2 else line)
        stream.send(b'{"end": true}')
        events = [json.loads(message) for message in stream]
    assert {event["event"] for event in events} == {"window", "segment"}
    assert {event["person"] for event in events} == {"\ud800"}


def test_a_message_that_is_too_large_ends_its_stream_only(served: Served) -> None:
    address = f"ws://127.0.0.1:{served.port}/api/stream?layout=kinect20"
    with connect(address) as stream, connect(address) as other:
        stream.send("x" * 1_100_000)
        with pytest.raises(ConnectionClosedError) as closed:
            stream.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        other.send("no frame")
        assert json.loads(other.recv())["line"] == 1


# --- the files --------------------------------------------------------------------------------------------------------


def test_only_the_live_page_may_run_webassembly_and_no_page_may_evaluate_text(served: Served) -> None:
    policies = {path: policies_of(served, path) for path in ("/", "/live", "/api/about")}
    assert policies["/live"] == [POLICY]
    assert "'wasm-unsafe-eval'" in POLICY
    for path, policy in policies.items():
        assert len(policy) == 1  # of two, both would hold
        assert "'unsafe-eval'" not in policy[0]
        assert ("wasm" in policy[0]) == (path == "/live")


def policies_of(served: Served, path: str) -> list[str]:
    with urlopen(f"{served.address.rstrip('/')}{path}", timeout=30) as answer:
        return list(answer.headers.get_all("content-security-policy"))


def test_without_the_package_the_camera_s_files_are_missing_with_a_way_to_get_them(served: Served) -> None:
    reply = served.get("/camera/pose.js")
    assert (reply.status, reply.detail) == (404, HOW_TO_GET)


def test_the_files_of_the_package_are_served_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "pose.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret").write_text("secret")
    package = ModuleType("jointwise_camera")
    package.FILES = files  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jointwise_camera", package)
    monkeypatch.setattr("jointwise.serve.camera.find_spec", lambda name: True)
    with serving(desk()) as page:
        reply = page.get("/camera/pose.wasm")
        assert (reply.status, reply.body) == (200, b"\0asm")
        assert reply.headers["content-type"] == "application/wasm"  # else browsers compile it late
        for name in ("secret", "../secret", "%2e%2e%2fsecret", "..%2Fsecret"):
            assert page.get(f"/camera/{name}").status == 404


# --- a browser --------------------------------------------------------------------------------------------------------


def opened(browser: Browser, served: Served, wrong: list[str], **context: Any) -> Page:
    """The live page; what it complains of is put into `wrong`."""
    page = browser.new_page(**context)
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{served.address}live")
    return page


@pytest.mark.slow
def test_the_page_shows_what_fed_landmarks_are_named(served: Served, fed: tuple[Floats, Bools], tmp_path: Path) -> None:
    wrong: list[str] = []
    with chromium(*FAKE_CAMERA) as browser:
        for scheme in ("light", "dark"):
            page = opened(browser, served, wrong, viewport={"width": 390, "height": 844}, color_scheme=scheme)
            expect(page.locator("#status")).to_have_text(HOW_TO_GET)
            expect(page.locator("#start")).to_be_disabled()
            heard: list[dict[str, Any]] = []
            page.on("websocket", lambda ws: ws.on("framereceived", lambda text: heard.append(json.loads(text))))  # noqa: B023
            feed = """async (frames) => {
              const stream = new Live.Stream(30);
              await stream.opened;
              frames.forEach((found, number) => stream.push(found.poseWorldLandmarks, number / 30));
              Live.draw(frames.at(-1).poseLandmarks);
              await stream.end();
            }"""
            page.evaluate(feed, as_found(*fed))
            windows = [event for event in heard if event["event"] == "window"]
            segments = [event for event in heard if event["event"] == "segment"]
            expect(page.locator("#label")).to_have_text(windows[-1]["label"])
            expect(page.locator("#done li b")).to_have_text([one["label"] for one in reversed(segments)])
            assert page.locator("#lane span").all_inner_texts() == [one["label"] for one in segments]
            box, parts = page.locator("#lane").bounding_box(), page.locator("#lane span").all()
            for part, segment in zip(parts, segments, strict=True):
                place = part.bounding_box()
                assert box is not None
                assert place is not None
                seconds = 30 / (box["width"] - 2)  # of a pixel, without the border
                assert place["width"] * seconds == pytest.approx(segment["end"] - segment["start"], abs=0.2)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.screenshot(path=tmp_path / f"fed-{scheme}.png", full_page=True)
            page.close()
    assert [one for one in wrong if "404" not in one] == []  # the camera's files are not there


@pytest.mark.slow
def test_without_a_model_the_page_says_how_to_get_one(without_camera: None) -> None:
    with serving(desk()) as served, chromium(*FAKE_CAMERA) as browser:
        page = opened(browser, served, [])
        expect(page.locator("#status")).to_contain_text("jointwise serve RUN")
        expect(page.locator("#start")).to_be_disabled()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:stream")  # how fast pictures come varies on a busy machine
def test_a_camera_s_picture_is_named(finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe runs here without a graphics card: a picture takes it a second."""
    if not (PACKAGE / "jointwise_camera" / "files").is_dir():
        pytest.skip("jointwise-camera is not built: make camera")
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setattr("jointwise.serve.camera.find_spec", find_spec)  # where other tests of this file hide it
    wrong: list[str] = []
    video = write_video(tmp_path / "wave.y4m")
    with (
        serving(desk(finetuned)) as served,
        chromium(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={video}") as browser,
    ):
        page = opened(browser, served, wrong, viewport={"width": 1100, "height": 900})
        sent: list[dict[str, Any]] = []
        others: list[str] = []
        page.on("websocket", lambda ws: ws.on("framesent", lambda text: sent.append(json.loads(text))))
        page.on("request", lambda request: request.url.startswith(served.address) or others.append(request.url))
        expect(page.locator("#start")).to_be_enabled()
        page.locator("#start").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#start")).to_have_text("Stop")
        expect(page.locator("#pace")).to_contain_text("a second", timeout=200_000)
        expect(page.locator("#label")).not_to_have_text("–", timeout=100_000)
        expect(page.locator("#lane span")).not_to_have_count(0)
        page.screenshot(path=tmp_path / "camera.png", full_page=True)
        page.keyboard.press("Enter")
        expect(page.locator("#start")).to_have_text("Start")
        expect(page.locator("#status")).to_have_text("Stopped.")
        expect(page.locator("#done li")).not_to_have_count(0)
        assert page.evaluate("document.querySelector('video').srcObject") is None
    *frames, last = sent
    assert last == {"end": True}
    bodies = [frame["persons"][0]["positions"] for frame in frames if frame["persons"]]
    assert len(bodies) > 2
    nose, ankle, hips = (np.array([body[joint] for body in bodies if body[joint]]) for joint in (0, 27, 23))
    assert (nose[:, 1] < -0.4).all()  # metres, y down, from between the hips
    assert (ankle[:, 1] > 0.4).all()
    assert (np.abs(hips) < 0.25).all()
    assert others == []  # everything comes from jointwise, and the picture goes nowhere
    assert [one for one in wrong if "GL Driver" not in one] == []
