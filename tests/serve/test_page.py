"""The page in a real browser: drop, play, scrub, correct, teach, download, and errors that are told."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from helpers import tiny
from helpers.chromium import chromium
from helpers.served import Served, serving
from jointwise.data.datasets import DATASETS
from jointwise.data.formats import npz
from jointwise.serve.desk import Desk
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models

pytestmark = pytest.mark.slow  # a browser

VIEWER = "document.querySelector('#viewer .sv').viewer"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`two.npz` of two persons, `one.npz` of one, `bad.npz`, and `set/<class>/<name>.npz`."""
    folder = tmp_path_factory.mktemp("files")
    npz.write(folder / "two.npz", replace(tiny.walk(0, 2, 1), label=None))
    npz.write(folder / "one.npz", replace(tiny.walk(1, 2, 1), label=None))
    (folder / "bad.npz").write_bytes(b"nothing")
    for label in (0, 1):
        for trial in (0, 1):
            sequence = tiny.walk(label, 1, trial)
            path = folder / "set" / tiny.CLASSES[label] / f"{sequence.source}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            npz.write(path, replace(sequence, label=None))
    return folder


@pytest.fixture(scope="module")
def served(finetuned: Path, tiny_data: Path, files: Path) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
        patch.setenv("JOINTWISE_DATA", str(tiny_data))
        models = Models((str(finetuned), str(finetuned)))
        with serving(Desk(models, Limits(), str(files / "set"))) as served:
            yield served


class Visit:
    """The page, open in a browser, with everything it complained about or asked for elsewhere."""

    def __init__(self, browser: Browser, served: Served, **context: Any) -> None:
        settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        self.page: Page = browser.new_page(**settings | context)
        self.page.set_default_timeout(10_000)
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on(
            "request", lambda request: request.url.startswith(served.address) or self.elsewhere.append(request.url)
        )
        self.page.goto(served.address)
        self.page.locator("body[data-ready]").wait_for()

    def drop(self, *paths: Path) -> None:
        """Drops files onto the page."""
        named = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
        self.page.evaluate(
            """(named) => {
              const dragged = new DataTransfer();
              for (const [name, content] of named)
                dragged.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
              for (const kind of ["dragenter", "dragover", "drop"])
                document.querySelector("#drop").dispatchEvent(
                  new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dragged }));
            }""",
            named,
        )

    def watch(self, path: Path) -> None:
        self.drop(path)
        expect(self.page.locator("#name")).to_have_text(path.name)
        self.page.locator("#viewer .editor").wait_for()
        self.idle()

    def idle(self) -> None:
        """Waits until nothing is asked for any more."""
        expect(self.page.locator("#busy")).to_be_hidden(timeout=10_000)

    def drawn(self) -> None:
        """Waits until the page shows what the last key did: the span under the cursor is chosen as it is drawn."""
        self.idle()
        self.page.wait_for_timeout(150)

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits some seconds for what a request that has not begun yet will bring."""
        for _ in range(50):
            if holds():
                return
            self.page.wait_for_timeout(100)

    def spans(self, served: Served) -> list[tuple[int, float, float, str]]:
        """What the server keeps of the first recording."""
        self.idle()
        (found, *_) = served.get("/api/labels.json").json["recordings"]
        return [(one["person"], one["start"], one["end"], one["label"]) for one in found["spans"]]


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Visit]:
    served.clear()
    made = Visit(browser, served)
    yield made
    assert made.wrong == []
    assert made.elsewhere == []
    made.page.close()


def test_a_dropped_recording_is_drawn_named_played_and_scrubbed(visit: Visit, files: Path) -> None:
    visit.page.get_by_role("tab", name="Recordings").click()
    visit.watch(files / "two.npz")
    page = visit.page
    assert page.evaluate(f"{VIEWER}.stage.scenes[0].panel.persons") == 2
    assert page.locator("#viewer .sv-who").all_inner_texts()[:2] == ["person 0", "person 1"]
    assert page.locator("#viewer .sv-verdict").count() == 2  # two models, side by side
    page.locator("#viewer .sv-play").click()
    for _ in range(100):
        page.wait_for_timeout(20)
        if page.evaluate(f"{VIEWER}.time") > 0:
            break
    assert page.evaluate(f"{VIEWER}.time") > 0
    page.get_by_label("Frame", exact=True).fill("5")
    assert page.evaluate(f"{VIEWER}.time") == 5
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_a_label_is_corrected_and_undone_by_keyboard(visit: Visit, served: Served, files: Path) -> None:
    visit.watch(files / "two.npz")
    page, keys = visit.page, visit.page.keyboard
    before = visit.spans(served)
    lane = page.locator("#viewer .sv-lane.can-edit").first
    lane.focus()
    keys.press("Enter")
    field = page.get_by_label("Label", exact=True)
    expect(field).to_be_focused()
    field.fill("<b>new</b>")
    keys.press("Enter")
    expect(lane).to_be_focused()
    assert visit.spans(served)[0] == (*before[0][:3], "<b>new</b>")
    assert page.locator("#viewer .is-corrected").inner_text() == "<b>new</b>"
    page.evaluate(f"{VIEWER}.seekTime(0.4)")
    for key in ("s", "ArrowLeft", "Delete"):
        keys.press(key)
        visit.drawn()
    visit.until(lambda: visit.spans(served)[0][1] > 0)
    first = visit.spans(served)[0]
    assert (first[0], first[1], first[3]) == (0, pytest.approx(0.4, abs=0.04), "<b>new</b>")
    for _ in range(3):
        keys.press("Control+z")
        visit.drawn()
    visit.until(lambda: visit.spans(served) == before)
    assert visit.spans(served) == before


def test_keys_set_the_edges_of_a_span_and_a_free_time_is_labelled(visit: Visit, served: Served, files: Path) -> None:
    visit.watch(files / "one.npz")
    page, keys = visit.page, visit.page.keyboard
    lane = page.locator("#viewer .sv-lane.can-edit").first
    lane.focus()
    keys.press("Delete")
    visit.idle()
    assert served.get("/api/labels.json").json["recordings"] == []
    page.get_by_label("Label", exact=True).fill("up")
    page.get_by_role("button", name="Add", exact=True).click()
    visit.idle()
    lane.focus()
    page.evaluate(f"{VIEWER}.seekTime(0.2)")
    keys.press("i")
    page.evaluate(f"{VIEWER}.seekTime(0.5)")
    keys.press("o")
    ((person, start, end, label),) = visit.spans(served)
    assert (person, label) == (0, "up")
    assert (start, end) == pytest.approx((0.2, 0.5), abs=0.04)
    page.evaluate(f"{VIEWER}.seekTime(0.1)")
    keys.press("i")  # nothing is labelled here: the next one begins
    assert visit.spans(served)[0][1] == pytest.approx(0.1, abs=0.04)


def test_an_edge_is_moved_with_the_mouse(visit: Visit, served: Served, files: Path) -> None:
    visit.watch(files / "two.npz")
    page = visit.page
    before = visit.spans(served)[0]
    lane = page.locator("#viewer .sv-lane.can-edit").first
    lane.click(position={"x": 30, "y": 10})
    box, edge = lane.bounding_box(), page.locator("#viewer .edge-end").bounding_box()
    assert box is not None
    assert edge is not None
    page.mouse.move(edge["x"] + 5, edge["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, edge["y"] + 10, steps=4)
    page.mouse.up()
    after = visit.spans(served)[0]
    seconds = page.evaluate(f"{VIEWER}.clip.frames / {VIEWER}.clip.fps")
    assert after[:2] == before[:2]
    assert after[2] == pytest.approx(seconds / 2, abs=0.05)
    assert page.locator("#viewer .is-corrected").count() == 1


def test_a_moment_says_why(visit: Visit, files: Path) -> None:
    visit.watch(files / "two.npz")
    visit.page.locator("#viewer .sv-lane.can-edit").nth(1).click(position={"x": 100, "y": 10})
    visit.page.get_by_role("button", name="Why?").click()
    visit.page.locator("#moment-viewer .sv").wait_for()
    assert visit.page.locator("#moment-name").inner_text().startswith("Why? Person 1, ")
    titles = visit.page.locator("#moment-viewer .sv-cell > span").all_inner_texts()
    assert [title.split(":")[0].strip() for title in titles][2:] == ["nearest", "2nd nearest"]
    assert visit.page.locator("#moment-viewer .sv-answer").first.locator("li").count() == 5
    visit.page.get_by_role("button", name="Close", exact=True).click()
    expect(visit.page.locator("#moment")).to_be_hidden()


def test_an_action_is_taught_and_forgotten(visit: Visit, files: Path) -> None:
    visit.watch(files / "one.npz")
    page = visit.page
    page.get_by_label("Label", exact=True).fill("nod")
    page.get_by_label("Label", exact=True).press("Enter")
    page.get_by_role("button", name="Teach “nod” (1 span here)").click()
    forget = page.get_by_role("button", name="Forget “nod”")
    forget.wait_for()
    visit.idle()
    assert "6 actions" in page.locator("#about").inner_text()
    forget.click()
    page.get_by_role("button", name="Teach “nod”").wait_for()
    visit.idle()
    assert "5 actions" in page.locator("#about").inner_text()


def test_a_bad_file_is_told_and_what_is_open_stays(browser: Browser, served: Served, files: Path) -> None:
    served.clear()
    visit = Visit(browser, served)
    visit.watch(files / "two.npz")
    visit.drop(files / "bad.npz")
    message = visit.page.locator(".message span")
    expect(message).to_contain_text("bad.npz: ")
    assert visit.page.locator("#name").inner_text() == "two.npz"
    visit.page.get_by_role("button", name="Dismiss").click()
    assert message.count() == 0
    assert all("422" in wrong for wrong in visit.wrong)
    visit.page.close()


def test_recordings_are_closed_and_survive_a_reload(visit: Visit, files: Path) -> None:
    visit.watch(files / "two.npz")
    visit.watch(files / "one.npz")
    visit.page.reload()
    visit.page.locator("#viewer .editor").wait_for()
    shown = visit.page.locator("#open [aria-current]")
    assert shown.inner_text() == "one.npz"
    for left in (1, 0):
        visit.page.locator("#open li > :last-child").last.click()
        expect(visit.page.locator("#open li")).to_have_count(left)
        visit.idle()
    expect(visit.page.locator("#watch")).to_be_hidden()


def test_a_data_set_is_browsed_searched_and_opened(visit: Visit, files: Path) -> None:
    page = visit.page
    rows = page.locator("#data tbody tr")
    expect(rows).to_have_count(4)
    assert page.locator("#verdict").inner_text().startswith("4 recordings. ")
    assert page.locator("#data-findings li").count() > 0
    page.get_by_label("Search").fill("down")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button").click()
    expect(page.locator("#facts")).to_contain_text("down · ")
    page.locator("#viewer .editor").wait_for()
    page.get_by_role("tab", name="Data set").click()
    expect(page.locator("#data")).to_be_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, served: Served, files: Path) -> None:
    served.clear()
    visit = Visit(browser, served, viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    visit.page.get_by_role("tab", name="Recordings").click()
    visit.watch(files / "two.npz")
    visit.page.get_by_role("button", name="Why?").click()
    visit.page.locator("#moment-viewer .sv").wait_for()
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(22, 24, 27)"
    assert visit.wrong == []
    visit.page.close()


def test_no_other_script_runs_on_the_page(visit: Visit) -> None:
    visit.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))")
    assert visit.page.evaluate("window.x") is None
    assert len(visit.wrong) == 1
    assert "Content Security Policy" in visit.wrong.pop()
    assert json.dumps(visit.elsewhere) == "[]"
