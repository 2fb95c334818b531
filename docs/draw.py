"""Draws the pictures of the documentation: the embedded motions, the pipeline, the report's skeletons.

Run: python docs/draw.py [the report.html of a demo, to be photographed in Chromium]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from jointwise.sequence import Sequence
from jointwise.synthetic import ACTIONS, generate

HERE = Path(__file__).parent / "pictures"
LEFT, RIGHT, MIDDLE = "#2b6cb0", "#c05621", "#4a5568"


def draw_pose(axes: Axes, sequence: Sequence, frame: int, shift: float = 0.0, alpha: float = 1.0) -> None:
    """Draws the valid bones of one frame, seen from the front, left and right side in colours."""
    names = sequence.skeleton.joints
    for person in range(sequence.persons):
        places, valid = sequence.positions[person, frame], sequence.validity[person, frame]
        for parent, child in sequence.skeleton.bone_indices:
            if valid[parent] and valid[child]:
                side = names[child].split("_")[0]
                colour = {"left": LEFT, "right": RIGHT}.get(side, MIDDLE)
                x, y = places[[parent, child], 0] + shift, places[[parent, child], 1]
                axes.plot(x, y, color=colour, linewidth=1.6, solid_capstyle="round", alpha=alpha)


def draw_motions(path: Path, poses: int = 8) -> None:
    """A contact sheet: every action of the embedded data, front view, evenly spaced frames."""
    shown = {sequence.label: sequence for sequence in generate(subjects=[3], cameras=[2])}
    figure, grid = plt.subplots(len(ACTIONS) // 2, 2, figsize=(13, 18))
    for label, axes in enumerate(grid.T.flat):
        sequence = shown[label]
        span = 1.1 if sequence.persons == 1 else 1.9
        for place, frame in enumerate(np.linspace(0, sequence.frames - 1, poses).astype(int)):
            draw_pose(axes, sequence, int(frame), shift=place * span)
        axes.set_title(ACTIONS[label], loc="left", fontsize=9, color=MIDDLE)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    plt.close(figure)


def _box(axes: Axes, x: float, y: float, text: str, colour: str, width: float = 2.1, height: float = 0.9) -> None:
    box = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.04,rounding_size=0.1", fc=colour, ec=MIDDLE, lw=1)
    axes.add_patch(box)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", style: str = "-") -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=MIDDLE, lw=1.2, ls=style))
    if text:
        axes.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.1, text, ha="center", fontsize=8, color=MIDDLE)


def draw_pipeline(path: Path) -> None:
    """Student, teacher, predictor, decoder and the two losses, with a clip as the teacher and the student see it."""
    sequence = next(s for s in generate(subjects=[3], cameras=[2]) if ACTIONS[s.label or 0] == "throw")
    figure, axes = plt.subplots(figsize=(12, 4.6))
    axes.set_xlim(-3.2, 11.6)
    axes.set_ylim(-0.8, 4.4)
    axes.set_aspect("equal")
    axes.axis("off")
    generator = np.random.default_rng(1)
    frames = np.linspace(15, sequence.frames - 20, 5).astype(int)
    centre = sequence.positions[0, :, 1].mean(0)
    for row, hide in ((3.1, False), (0.9, True)):
        keep = generator.permutation(25)[:11]
        for place, frame in enumerate(frames):
            points = (sequence.positions[0, frame] - centre)[:, :2] + (-2.8 + 0.6 * place, row)
            if hide:
                chosen = points[keep] if place in (1, 3) else points[:0]
                axes.scatter(points[:, 0], points[:, 1], s=2, color="#cbd5e0")
                axes.scatter(chosen[:, 0], chosen[:, 1], s=9, color=RIGHT)
            else:
                moved = Sequence((sequence.positions - centre)[:1], sequence.skeleton, sequence.validity[:1])
                shifted = Sequence(moved.positions + np.float32([0, row, 0]), moved.skeleton, moved.valid)
                draw_pose(axes, shifted, int(frame), shift=-2.8 + 0.6 * place)
    axes.text(-1.6, 4.2, "the whole clip", ha="center", fontsize=9, color=MIDDLE)
    axes.text(-1.6, -0.55, "what the student sees", ha="center", fontsize=9, color=MIDDLE)
    _box(axes, 1.2, 2.7, "teacher encoder\n(EMA, no gradient)", "#e2e8f0")
    _box(axes, 1.2, 0.5, "student encoder", "#fbd38d")
    _box(axes, 4.9, 1.2, "predictor\n(+ mask tokens)", "#fefcbf")
    _box(axes, 4.9, -0.3, "decoder\n(+ mask tokens)", "#fefcbf")
    _box(axes, 8.9, 2.1, "latent loss $L_{st}$\nhidden tokens", "#c6f6d5")
    _box(axes, 8.9, -0.3, "reconstruction $L_{rec}$\nall tokens", "#c6f6d5")
    _arrow(axes, (0.4, 3.15), (1.15, 3.15))
    _arrow(axes, (0.4, 0.95), (1.15, 0.95))
    _arrow(axes, (3.35, 1.1), (4.85, 1.6))
    _arrow(axes, (3.35, 0.8), (4.85, 0.2))
    _arrow(axes, (7.05, 1.7), (8.85, 2.35), "prediction")
    _arrow(axes, (3.35, 3.15), (8.85, 2.75), "target features")
    _arrow(axes, (7.05, 0.15), (8.85, 0.15), "coordinates")
    _arrow(axes, (2.25, 1.5), (2.25, 2.65), style="--")
    axes.text(2.35, 2.05, r"$\Delta \leftarrow \alpha\Delta + (1-\alpha)\theta$", fontsize=8, color=MIDDLE)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def shoot_report(path: Path, report: Path, clip: str = "hug") -> None:
    """The part of a report that plays skeletons, at the middle of a clip."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
        page.goto(report.resolve().as_uri())
        names = page.locator(".sv-clip option").all_inner_texts()
        page.locator(".sv-clip").select_option(index=next((i for i, name in enumerate(names) if clip in name), 0))
        scrub = page.locator("#skeletons input[type=range]")
        scrub.fill(str(int(scrub.get_attribute("max") or 0) // 2))
        page.wait_for_timeout(1500)
        page.locator("#skeletons").screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        shoot_report(HERE / "skeletons.png", Path(sys.argv[1]))
    draw_motions(HERE / "synthetic.png")
    draw_pipeline(HERE / "pipeline.png")
