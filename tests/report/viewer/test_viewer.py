"""The viewer in a real browser: it loads, plays, scrubs, turns, and asks for nothing."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from helpers.chromium import chromium
from helpers.viewed import HUG, WAVE, compared, synthetic_clip
from jointwise.data.skeletons import NTU25
from jointwise.inference.answers import NONE
from jointwise.inference.timeline import Segment
from jointwise.report.page import write_report
from jointwise.report.viewer import Bars, person_colours, write_view

pytestmark = pytest.mark.slow  # a browser
VIEWER = "document.querySelector('.sv').viewer"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two clips: `hug` (two persons) compared, and `wave` alone."""
    folder = tmp_path_factory.mktemp("view")
    return write_view(folder / "view.html", "A & B", [compared(synthetic_clip(HUG)), synthetic_clip(WAVE)])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Visit:
    """A page that is open, with everything it complained about or asked for."""

    def __init__(self, browser: Browser, file: Path, **context: Any) -> None:
        self.page: Page = browser.new_page(viewport={"width": 900, "height": 760}, **context)
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.wait_until(f"{VIEWER} !== undefined")

    def state(self, name: str) -> Any:
        return self.page.evaluate(f"{VIEWER}.{name}")

    def wait_until(self, expression: str) -> None:
        """Playwright's own wait_for_function evaluates text in the page, which the page's policy forbids."""
        for _ in range(250):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{expression} did not become true in 5 seconds")

    def drawn(self, panel: int) -> dict[str, int]:
        """How many joints and bones a panel holds; specks of hidden joints do not count."""
        self.settle()
        return self.page.evaluate(f"{VIEWER}.stage.scenes[{panel}].drawn")

    def settle(self) -> None:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def picture(self, panel: int = 0) -> np.ndarray:
        """(height, width, 3) the pixels of one panel, below its title."""
        self.settle()
        image = self.page.locator(".sv-cell").nth(panel).screenshot()
        return np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)[40:]


@pytest.fixture(scope="module")
def opened(browser: Browser, page_file: Path) -> Iterator[Visit]:
    visit = Visit(browser, page_file, reduced_motion="reduce", color_scheme="light")
    yield visit
    visit.page.close()


@pytest.fixture
def visit(opened: Visit) -> Iterator[Visit]:
    """The page of two clips, light, at rest on frame 0 of the first, its widget focused."""
    opened.page.emulate_media(color_scheme="light")
    opened.page.evaluate(f"{VIEWER}.play(false), {VIEWER}.choose(0), {VIEWER}.speeds.value = '1'")
    opened.page.locator(".sv").focus()
    yield opened
    assert opened.wrong == []


def reds_and_blues(picture: np.ndarray) -> tuple[int, int]:
    """Pixels that are clearly orange (right) and clearly blue (left)."""
    red, _, blue = np.moveaxis(picture, -1, 0)
    return int((red - blue > 60).sum()), int((blue - red > 60).sum())


def test_the_page_plays_by_itself_without_errors_or_requests(browser: Browser, page_file: Path):
    visit = Visit(browser, page_file)
    assert visit.state("playing")
    before = visit.state("time")
    visit.wait_until(f"Math.abs({VIEWER}.time - {before}) > 2")
    assert visit.wrong == []
    assert visit.requests == [page_file.as_uri()]
    visit.page.close()


def test_it_waits_where_motion_is_to_be_reduced(browser: Browser, page_file: Path):
    visit = Visit(browser, page_file, reduced_motion="reduce")
    visit.settle()
    assert (visit.state("playing"), visit.state("time")) == (False, 0)
    visit.page.close()


def test_the_button_plays_and_pauses(visit: Visit):
    assert visit.page.get_by_role("button", name="Play").is_visible()
    visit.page.get_by_role("button", name="Play").click()
    visit.wait_until(f"{VIEWER}.time > 1")
    visit.page.get_by_role("button", name="Pause").click()
    stopped = visit.state("time")
    visit.page.wait_for_timeout(100)
    assert visit.state("time") == stopped


def test_scrubbing_shows_another_pose_and_pauses(visit: Visit):
    visit.page.evaluate(f"{VIEWER}.choose(1)")
    first = visit.picture()
    visit.page.keyboard.press("Space")
    scrub = visit.page.get_by_label("Frame", exact=True)
    scrub.fill("30")
    assert (visit.state("time"), visit.state("playing")) == (30, False)
    visit.settle()
    assert scrub.get_attribute("aria-valuetext") == f"frame 31 of {visit.state('clip.frames')}, 1.00 s"
    assert (np.abs(visit.picture() - first).max(-1) > 40).sum() > 100


def test_a_panel_with_weights_is_coloured_by_them_and_spans_say_what_is_left(browser: Browser, tmp_path: Path):
    clip = synthetic_clip(WAVE)
    (panel,) = clip.panels
    joints = len(panel.skeleton.joints)
    weighed = [
        replace(panel, title=title, weights=np.full(joints, weight)) for title, weight in (("0", 0.0), ("1", 1.0))
    ]
    half = clip.frames / clip.fps / 2
    clip = replace(
        clip,
        panels=(panel, *weighed),
        bars=(Bars("What <it> rests on", (("without the head", 0.25, "25.0 %"),), "So much is left."),),
        spans=((0.0, half, 0.2, "60 % without it"), (half, 2 * half, 1.0, "5 % without it")),
    )
    visit = Visit(
        browser, write_view(tmp_path / "why.html", "Why", [clip]), reduced_motion="reduce", color_scheme="light"
    )
    sides, none, all_of_it = (visit.picture(place) for place in range(3))
    assert min(reds_and_blues(sides)) > 300
    assert max(reds_and_blues(none)) == 0
    purple = all_of_it[..., 0] - all_of_it[..., 1] > 60
    assert purple.sum() > 1000
    now = visit.page.locator(".sv-now").last
    assert now.inner_text() == "60 % without it"
    visit.page.evaluate(f"{VIEWER}.seek({clip.frames - 1})")
    visit.settle()
    assert now.inner_text() == "5 % without it"
    said = visit.page.locator(".sv-shares").inner_text()
    assert " ".join(said.split()) == "What <it> rests on So much is left. without the head 25.0 %"
    assert visit.page.locator(".sv-for-weights").is_visible()
    assert visit.wrong == []
    visit.page.close()


def test_keys_play_step_change_speed_clip_and_view(visit: Visit):
    keys = visit.page.keyboard
    last = visit.state("clip.frames") - 1
    for key, frame in (("End", last), ("ArrowLeft", last - 1), ("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2)):
        keys.press(key)
        assert visit.state("time") == frame
    for key, speed in (("ArrowUp", "2"), ("+", "4"), ("+", "4"), ("-", "2"), ("ArrowDown", "1")):
        keys.press(key)
        assert visit.state("speeds.value") == speed
    for key, clip in (("n", 1), ("]", 0), ("p", 1), ("[", 0)):
        keys.press(key)
        assert visit.state("index") == clip
    keys.press("Space")
    assert visit.state("playing")
    keys.press("Space")
    assert not visit.state("playing")


def test_speed_is_the_number_of_recorded_seconds_that_pass_in_one(visit: Visit):
    visit.page.evaluate(f"{VIEWER}.choose(1)")
    visit.page.evaluate(f"{VIEWER}.clip.fps = 10")  # slow, so that the clip does not end meanwhile
    visit.page.locator(".sv-speed select").select_option("0.5")
    passed = visit.page.evaluate(
        f"""new Promise((done) => {{
          const viewer = {VIEWER};
          viewer.play(true);
          requestAnimationFrame(() => requestAnimationFrame((from) => {{
            const time = viewer.time;
            const wait = (now) => now - from > 500
              ? done((viewer.time - time) / (now - from) * 1000) : requestAnimationFrame(wait);
            requestAnimationFrame(wait);
          }}));
        }})"""
    )
    assert passed == pytest.approx(5, rel=0.3)


def test_dragging_turns_the_wheel_zooms_and_reset_undoes_both(visit: Visit):
    def camera() -> np.ndarray:
        return np.array(visit.page.evaluate(f"{VIEWER}.stage.camera.position.toArray()"))

    start, before = camera(), visit.picture()
    box = visit.page.locator(".sv-stage canvas").bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + 100, box["y"] + 150)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 180, box["y"] + 160, steps=3)
    visit.page.mouse.up()
    turned = camera()
    assert abs(turned - start)[0] > 0.3
    assert (visit.picture() != before).any()
    visit.page.mouse.wheel(0, -300)
    visit.page.wait_for_timeout(50)
    target = np.array(visit.page.evaluate(f"{VIEWER}.stage.controls.target.toArray()"))
    assert np.linalg.norm(camera() - target) < 0.95 * np.linalg.norm(turned - target)
    visit.page.keyboard.press("r")
    assert np.allclose(camera(), start)


def test_left_and_right_are_drawn_in_their_colours_with_the_right_hand_on_the_left(visit: Visit):
    """Seen from the sensor, the right side of somebody who faces it is on the left of the picture."""
    visit.page.evaluate(f"{VIEWER}.choose(1)")
    picture = visit.picture()
    assert min(reds_and_blues(picture)) > 300
    red, _, blue = np.moveaxis(picture, -1, 0)
    assert np.nonzero(red - blue > 60)[1].mean() < np.nonzero(blue - red > 60)[1].mean()


def test_all_panels_and_both_persons_are_drawn(visit: Visit):
    assert visit.page.locator(".sv-cell > span").all_inner_texts() == [
        "recording",
        "what the student saw\nnothing in this frame",
        "what the decoder rebuilt",
    ]
    for panel in (0, 2):
        assert visit.drawn(panel)["joints"] == 2 * 25
        assert min(reds_and_blues(visit.picture(panel))) > 300
    persons = visit.page.evaluate(f"{VIEWER}.stage.scenes[0].panel.persons")
    tones = visit.page.evaluate(f"{VIEWER}.stage.scenes[0].tones.map((tone) => tone.full[1].getHexString())")
    assert (persons, len(set(tones))) == (2, 2)
    visit.page.keyboard.press("n")
    assert visit.drawn(0)["joints"] == 25
    assert not visit.page.get_by_text("second person").is_visible()


def test_what_is_hidden_from_the_student_is_not_drawn(visit: Visit):
    visit.page.evaluate(f"{VIEWER}.seek(0)")
    assert visit.drawn(1) == {"joints": 0, "faint": 0, "bones": 0}
    assert reds_and_blues(visit.picture(1)) == (0, 0)
    visit.page.evaluate(f"{VIEWER}.seek(10)")
    bones = sum(max(bone) < 9 for bone in NTU25.bone_indices)
    drawn = visit.drawn(1)
    assert (drawn["joints"], drawn["bones"]) == (2 * 9, 2 * bones)
    assert visit.page.locator(".sv-cell small").nth(1).inner_text() == ""


def test_answers_are_bars_with_right_and_wrong_marked_and_markup_in_names_shown(visit: Visit):
    words = visit.page.locator(".sv-answers").inner_text().split("\n")
    assert words[0] == "True class: hug"
    assert "✓ right: hug" in words
    assert "✗ wrong: clap" in words
    assert "hug (true)" in words
    assert "<b>sit</b>" in words
    widths = visit.page.evaluate("[...document.querySelectorAll('.sv-track i')].map((bar) => bar.style.width)")
    assert widths == ["70%", "20%", "10%", "90%", "10%"]
    assert "hug ✓✗" in " ".join(visit.page.locator(".sv-clip option").all_inner_texts()).replace("  ", " ")


def test_light_and_dark_follow_the_reader_while_the_page_is_open(visit: Visit):
    light = visit.picture()[5, 5]
    visit.page.emulate_media(color_scheme="dark")
    dark = visit.picture()[5, 5]
    assert light.min() > 200
    assert dark.max() < 80
    assert min(reds_and_blues(visit.picture())) > 300


def test_without_webgl_a_message_stands_in_place_of_an_error(browser: Browser, page_file: Path):
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file.as_uri())
    page.get_by_text("does not offer WebGL").wait_for()
    assert page.get_by_text("✓ right: hug").is_visible()
    assert errors == []
    page.close()


def test_the_report_plays_its_clips_under_a_policy_that_allows_nothing_else(
    browser: Browser, pretrained: Path, finetuned: Path, tmp_path: Path
):
    results = sorted((finetuned / "results").glob("*-finetune-*.json"))
    out = write_report(tmp_path / "report.html", "Clips", [pretrained, finetuned], results)
    visit = Visit(browser, out, reduced_motion="reduce")
    assert visit.page.locator(".sv-cell").count() == 3
    assert visit.page.locator(".sv-clip option").count() == 8
    assert visit.page.locator(".sv-verdict").count() == 1
    assert visit.drawn(2)["joints"] >= 20
    visit.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))")
    assert visit.page.evaluate("window.x") is None
    assert len(visit.wrong) == 1  # the policy's refusal of that script
    assert visit.requests == [out.as_uri()]
    visit.page.close()
    words = out.read_text(encoding="utf-8").split('id="skeletons"')[1]
    assert "8 evaluation clips of tiny" in words
    assert "75 % hidden" in words


def test_bodies_take_the_place_of_bones_by_key_and_button_in_every_clip(visit: Visit):
    def thickness() -> float:
        return visit.page.evaluate(f"Math.max(...{VIEWER}.stage.scenes[0].radii.slice(0, 2))")

    visit.page.evaluate(f"{VIEWER}.choose(1)")
    button = visit.page.get_by_role("button", name="Body")
    bones, before, drawn = visit.picture(), thickness(), visit.drawn(0)
    visit.page.keyboard.press("b")
    body = visit.picture()
    assert button.get_attribute("aria-pressed") == "true"
    assert min(reds_and_blues(body)) > 2 * min(reds_and_blues(bones))
    assert visit.drawn(0) == drawn
    stature = visit.state("clip.stature")
    assert thickness() == pytest.approx(0.08 * stature)  # of the trunk
    assert before < 0.03 * stature
    visit.page.keyboard.press("p")
    assert thickness() > 0.1
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    visit.page.keyboard.press("n")
    assert (visit.picture() == bones).all()


def test_the_view_stays_where_it_was_turned_to_when_bodies_are_drawn(visit: Visit):
    visit.page.evaluate(f"{VIEWER}.stage.camera.position.x += 1")
    turned = visit.page.evaluate(f"{VIEWER}.stage.camera.position.toArray()")
    for pressed in (True, False):
        visit.page.keyboard.press("b")
        visit.settle()
        assert visit.state("stage.asBody") is pressed
        assert visit.page.evaluate(f"{VIEWER}.stage.camera.position.toArray()") == pytest.approx(turned)


# --- timelines ---


@pytest.fixture(scope="module")
def tracked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A page of `hug`, whose first person waves, does nothing that is known and claps, and whose second comes late."""
    clip = synthetic_clip(HUG)
    end = clip.frames / clip.fps
    timeline = (
        Segment(0, 0.0, 0.5, "wave", 0.812),
        Segment(0, 0.5, 1.0, NONE, 0.999),
        Segment(0, 1.0, end, "<b>clap</b>", 0.4),
        Segment(1, 0.75, end, "walk", 0.6),
    )
    file = tmp_path_factory.mktemp("tracked") / "view.html"
    write_view(file, "Tracks", [replace(clip, timeline=timeline), synthetic_clip(WAVE)])
    visit = Visit(browser, file, reduced_motion="reduce", color_scheme="light")
    yield visit
    assert visit.wrong == []
    assert visit.requests == [file.as_uri()]
    visit.page.close()


def now(visit: Visit) -> list[str]:
    visit.settle()
    return visit.page.locator(".sv-now").all_inner_texts()


def test_each_person_has_a_lane_in_the_colour_of_its_skeleton_with_what_is_done_now(tracked: Visit):
    tracked.page.evaluate(f"{VIEWER}.choose(0)")
    assert tracked.page.locator(".sv-who").all_inner_texts() == ["person 0", "person 1"]
    assert now(tracked) == ["wave 81 %", "not seen"]
    for time, words in ((0.7, [NONE, "not seen"]), (1.2, ["<b>clap</b> 40 %", "walk 60 %"])):
        tracked.page.evaluate(f"{VIEWER}.seekTime({time})")
        assert now(tracked) == words
    dots = tracked.page.evaluate(
        "[...document.querySelectorAll('.sv-who i')].map((dot) => getComputedStyle(dot).backgroundColor)"
    )
    lefts = [tuple(round(255 * part) for part in person_colours(person)[1]) for person in (0, 1)]
    assert [tuple(map(int, re.findall(r"\d+", dot))) for dot in dots] == lefts
    hatched = "getComputedStyle(document.querySelector('.sv-segment.sv-none')).backgroundImage"
    assert tracked.page.evaluate(hatched).startswith("repeating-linear-gradient")
    assert tracked.page.get_by_text("none of the classes").is_visible()


def test_segments_lie_at_their_time_and_the_cursor_moves_with_the_clip(tracked: Visit):
    tracked.page.evaluate(f"{VIEWER}.choose(0)")
    lane = tracked.page.locator(".sv-lane").first
    box = lane.bounding_box()
    assert box is not None
    length = tracked.page.evaluate(f"{VIEWER}.clip.frames / {VIEWER}.clip.fps")
    places = [block.bounding_box() for block in lane.locator(".sv-segment").all()]
    starts = [(place["x"] - box["x"]) / box["width"] * length for place in places if place is not None]
    assert starts == pytest.approx([0, 0.5, 1.0], abs=0.01)

    def cursor() -> float:
        tracked.settle()
        place = lane.locator(".sv-cursor").bounding_box()
        assert place is not None
        return (place["x"] + place["width"] / 2 - box["x"]) / box["width"] * length

    tracked.page.evaluate(f"{VIEWER}.seek(30)")
    assert cursor() == pytest.approx(30 / tracked.state("clip.fps"), abs=0.02)
    tracked.page.evaluate(f"{VIEWER}.play(true)")
    tracked.wait_until(f"{VIEWER}.time > 33")
    tracked.page.evaluate(f"{VIEWER}.play(false)")
    assert cursor() > 31 / tracked.state("clip.fps")


def test_a_lane_is_reached_and_moved_along_by_mouse_and_keys(tracked: Visit):
    tracked.page.evaluate(f"{VIEWER}.choose(0), {VIEWER}.play(true)")
    first, second = tracked.page.get_by_role("slider", name=re.compile("person")).all()
    fps = tracked.state("clip.fps")
    box = first.bounding_box()
    assert box is not None
    first.click(position={"x": box["width"] / 2, "y": 5})
    assert tracked.state("time") == pytest.approx(tracked.state("clip.frames") / 2, abs=1)
    assert not tracked.state("playing")
    first.focus()
    tracked.page.keyboard.press("Home")
    for key, seconds in (("ArrowRight", 0.5), ("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", 0.5)):
        tracked.settle()
        tracked.page.keyboard.press(key)
        assert tracked.state("time") == pytest.approx(seconds * fps, abs=1)
    tracked.settle()
    assert first.get_attribute("aria-valuetext") == f"0.50 s: {NONE}"
    tracked.page.keyboard.press("Tab")
    assert second.evaluate("(lane) => lane === document.activeElement")
    tracked.page.keyboard.press("ArrowRight")
    assert tracked.state("time") == pytest.approx(0.75 * fps, abs=1)


def test_lanes_fit_a_phone_and_vanish_with_a_clip_that_has_none(tracked: Visit):
    tracked.page.evaluate(f"{VIEWER}.choose(0)")
    tracked.page.set_viewport_size({"width": 390, "height": 844})
    assert tracked.page.evaluate("document.documentElement.scrollWidth") == 390
    widths = tracked.page.evaluate("[...document.querySelectorAll('.sv-lane')].map((lane) => lane.clientWidth)")
    assert min(widths) > 340
    tracked.page.set_viewport_size({"width": 900, "height": 760})
    tracked.page.evaluate(f"{VIEWER}.choose(1)")
    assert tracked.page.locator(".sv-lane").count() == 0
