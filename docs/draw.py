"""Draws the pictures of the documentation: embedded motions, the pipeline, masks, growing cost, a report, timelines.

Run: python docs/draw.py [REPORT RUN], where REPORT is the report.html of a demo, which is photographed in Chromium, and
RUN its fine-tuned run, whose answers are drawn over time.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from jointwise.data.centring import prepare_sequence
from jointwise.data.clips import ClipCutter
from jointwise.data.sequence import Sequence
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.inference.recognizer import Recognizer
from jointwise.model.masks import MASKS, motion_scores
from jointwise.model.tokens import to_segments, token_validity
from jointwise.report.timeline_picture import write_timelines

HERE = Path(__file__).parent / "pictures"
LEFT = "#2b6cb0"
RIGHT = "#c05621"
MIDDLE = "#4a5568"
HIDDEN = "#e2e8f0"
TOKEN = "#faf089"
SIDES = {"left": LEFT, "right": RIGHT}
PARTS = ["left arm", "right arm", "head, trunk", "left leg", "right leg"]  # from top to bottom of a grid
GRID = (2.0, 2.5)  # width and height of a drawn grid of tokens


def draw_pose(axes: Axes, sequence: Sequence, frame: int, shift: float = 0.0, alpha: float = 1.0) -> None:
    """Draw the valid bones of one frame from the front, left and right side in colours.

    Args:
        axes: Where to draw.
        sequence: A recording.
        frame: Which of its frames.
        shift: How far to the right it is drawn, in units of the recording.
        alpha: Opacity.
    """
    names = sequence.skeleton.joints
    for person in range(sequence.persons):
        places, valid = sequence.positions[person, frame], sequence.validity[person, frame]
        for parent, child in sequence.skeleton.bone_indices:
            if valid[parent] and valid[child]:
                colour = SIDES.get(names[child].split("_")[0], MIDDLE)
                x, y = places[[parent, child], 0] + shift, places[[parent, child], 1]
                axes.plot(x, y, color=colour, linewidth=1.6, solid_capstyle="round", alpha=alpha)


def draw_motions(path: Path, poses: int = 8) -> None:
    """A contact sheet: evenly spaced frames of every action of the embedded data, from the front.

    Args:
        path: The picture.
        poses: Frames of each action.
    """
    recordings = {sequence.label: sequence for sequence in generate(subjects=[3], cameras=[2])}
    figure, grid = plt.subplots(len(ACTIONS) // 2, 2, figsize=(13, 18))
    for label, axes in enumerate(grid.T.flat):
        sequence = recordings[label]
        span = 1.1 if sequence.persons == 1 else 1.9
        for place, frame in enumerate(np.linspace(0, sequence.frames - 1, poses).astype(int)):
            draw_pose(axes, sequence, int(frame), shift=place * span)
        axes.set_title(ACTIONS[label], loc="left", fontsize=9, color=MIDDLE)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    plt.close(figure)


@dataclass(frozen=True)
class Tokens:
    """A clip as the networks get it, its joints ordered by parts of the body.

    Args:
        clip: (M, T, V, C).
        score: (V, S) how much a token moves, relative to the largest.
        hidden: (V, S) which tokens are hidden from the student.
        colours: (V,) colours of the sides of the body.
        parts: Rows of each part of the body, by its name.
    """

    clip: Sequence
    score: np.ndarray
    hidden: np.ndarray
    colours: list[str]
    parts: dict[str, list[int]]


def cut_tokens(
    action: str, mask: str = "joint-frame", frames: int = 40, segment: int = 4, ratio: float = 0.9
) -> Tokens:
    """Cut, score and mask an embedded motion as in training.

    Args:
        action: Name of the motion.
        mask: Which tokens are hidden, a key of MASKS.
        frames: Frames of the clip.
        segment: Frames of a segment.
        ratio: Share of the tokens that are hidden.
    """
    recorded = next(s for s in generate(subjects=[3], cameras=[2]) if ACTIONS[s.label or 0] == action)
    sequence = prepare_sequence(recorded)
    skeleton = recorded.skeleton
    clips = ClipCutter.from_sequence(sequence, frames).centre(torch.tensor([0]))
    persons = clips.persons()
    numbers = to_segments(persons.positions, segment)
    valid = token_validity(persons.valid, segment)
    strategy = MASKS[mask]
    count, joints = valid.shape[1:]
    noise = torch.rand((len(valid), count + 1, joints + 1), generator=torch.Generator().manual_seed(8))
    parts = torch.tensor(skeleton.body_parts)
    hidden = strategy.draw(numbers, valid, noise, strategy.visible(count, joints, ratio), parts)[0]
    score = motion_scores(numbers)[0]
    order = sorted(range(joints), key=lambda joint: PARTS.index(_part(skeleton.joints[joint])))
    rows: dict[str, list[int]] = {}
    for row, joint in enumerate(order):
        rows.setdefault(_part(skeleton.joints[joint]), []).append(row)
    return Tokens(
        Sequence(clips.positions[0].numpy(), skeleton, clips.valid[0].numpy()),
        (score / score.max()).T.numpy()[order],
        hidden.T.numpy()[order],
        [SIDES.get(skeleton.joints[joint].split("_")[0], MIDDLE) for joint in order],
        rows,
    )


def _part(joint: str) -> str:
    side, _, rest = joint.partition("_")
    if side not in SIDES:
        return "head, trunk"
    return f"{side} {'leg' if rest in ('hip', 'knee', 'ankle', 'foot') else 'arm'}"


def _grid(axes: Axes, corner: tuple[float, float], tokens: Tokens, hide: bool, fill: str = HIDDEN) -> None:
    """Draw a grid of joints × segments, darker where more moves. With `hide`, hidden tokens have the colour `fill`."""
    rows, columns = tokens.score.shape
    height = GRID[1] / rows
    width = GRID[0] / columns
    for row in range(rows):
        for column in range(columns):
            if hide and tokens.hidden[row, column]:
                colour = to_rgba(fill)
            else:
                colour = to_rgba(tokens.colours[row], 0.3 + 0.7 * tokens.score[row, column])
            place = (corner[0] + column * width, corner[1] + GRID[1] - (row + 1) * height)
            axes.add_patch(Rectangle(place, width, height, fc=colour, ec="white", lw=0.6))


def _box(
    axes: Axes, middle: tuple[float, float], text: str, colour: str, size: tuple[float, float] = (2.0, 1.0)
) -> None:
    corner = (middle[0] - size[0] / 2, middle[1] - size[1] / 2)
    box = FancyBboxPatch(corner, *size, boxstyle="round,pad=0.04,rounding_size=0.1", fc=colour, ec=MIDDLE, lw=1)
    axes.add_patch(box)
    _label(axes, middle, text)


def _label(axes: Axes, at: tuple[float, float], text: str, size: float = 10.5, **more: Any) -> None:
    axes.text(*at, text, **({"ha": "center", "va": "center", "fontsize": size, "color": "#1a202c"} | more))


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "-", bend: float = 0.0
) -> None:
    shape = f"arc3,rad={bend}"
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=13, color=MIDDLE, lw=1.3, ls=style, connectionstyle=shape
    )
    axes.add_patch(arrow)


def _poses(axes: Axes, clip: Sequence, left: float, middle: float, count: int = 5, alpha: float = 1.0) -> None:
    """Draw evenly spaced frames side by side."""
    centre = clip.positions[0, :, :, :].mean((0, 1)) * np.float32([0, 1, 0])
    moved = Sequence((clip.positions[:1] - centre) * np.float32(1.25), clip.skeleton, clip.validity[:1])
    raised = Sequence(moved.positions + np.float32([0, middle, 0]), clip.skeleton, clip.validity[:1])
    for place, frame in enumerate(np.linspace(4, clip.frames - 5, count).astype(int)):
        draw_pose(axes, raised, int(frame), shift=left + 0.62 * place, alpha=alpha)


def draw_pipeline(path: Path) -> None:
    """Clip → tokens → teacher and student → predictor and decoder → the two losses, for an embedded motion."""
    tokens = cut_tokens("throw")
    figure, axes = plt.subplots(figsize=(13, 5.7))
    axes.set_xlim(-0.1, 17.7)
    axes.set_ylim(-0.6, 7.0)
    axes.set_aspect("equal")
    axes.axis("off")
    # lower left corners of the grids
    whole = (4.0, 4.0)
    seen = (4.0, 0.3)
    filled = (9.2, 0.3)
    top = whole[1] + GRID[1] / 2
    low = seen[1] + GRID[1] / 2
    _poses(axes, tokens.clip, 0.3, 3.4)
    _label(axes, (1.5, 1.75), "a clip: T frames, V joints")
    for corner, hide, fill in ((whole, False, HIDDEN), (seen, True, HIDDEN), (filled, True, TOKEN)):
        _grid(axes, corner, tokens, hide, fill)
    for part, rows in tokens.parts.items():
        at = whole[1] + GRID[1] * (1 - (np.mean(rows) + 0.5) / len(tokens.score))
        _label(axes, (whole[0] - 0.1, float(at)), part, 8, ha="right", color=MIDDLE)
    _label(axes, (whole[0] + GRID[0] / 2, whole[1] + GRID[1] + 0.25), "tokens: joint × segment")
    _label(axes, (seen[0] + GRID[0] / 2, seen[1] - 0.3), "the hidden ones: grey")
    _label(axes, (filled[0] + GRID[0] / 2, filled[1] - 0.3), "features + mask tokens")
    _box(axes, (7.6, top), "teacher\nencoder", "#e2e8f0", (1.7, 1.1))
    _box(axes, (7.6, low), "student\nencoder", "#fbd38d", (1.7, 1.1))
    _box(axes, (12.7, low + 0.95), "predictor", "#fefcbf", (1.7, 0.8))
    _box(axes, (12.7, low - 0.75), "decoder", "#fefcbf", (1.7, 0.8))
    _box(axes, (15.7, 3.9), "$L_{st}$: features,\nhidden tokens", "#c6f6d5", (2.5, 1.0))
    _poses(axes, tokens.clip, 14.75, low - 0.55, 5, 0.55)
    around = {"boxstyle": "round", "fc": "#c6f6d5", "ec": MIDDLE}
    _label(axes, (15.7, -0.3), "$L_{rec}$: coordinates, all tokens", bbox=around)
    _arrow(axes, (2.3, 4.5), (2.95, top - 0.2))
    _arrow(axes, (3.0, 2.15), (3.9, low + 0.2))
    for y in (top, low):
        _arrow(axes, (whole[0] + GRID[0] + 0.1, y), (6.7, y))
    _arrow(axes, (8.5, low), (9.1, low))
    _arrow(axes, (7.6, low + 0.6), (7.6, top - 0.6), "--")
    _label(axes, (7.75, (top + low) / 2), "EMA\n" + r"$\Delta \leftarrow \alpha\Delta + (1-\alpha)\theta$", ha="left")
    _arrow(axes, (filled[0] + GRID[0] + 0.1, low + 0.3), (11.8, low + 0.95))
    _arrow(axes, (filled[0] + GRID[0] + 0.1, low - 0.3), (11.8, low - 0.75))
    _arrow(axes, (13.6, low + 0.95), (14.9, 3.35))
    _arrow(axes, (13.6, low - 0.75), (14.25, low - 0.75))
    _arrow(axes, (8.5, top), (15.7, 4.45), bend=-0.12)
    _label(axes, (11.6, top + 0.45), "target features, no gradient")
    _label(axes, (11.2, top - 0.05), "∥", 15, rotation=-5)
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_masks(path: Path, action: str = "throw") -> None:
    """What each mask hides of one motion: joints from top to bottom, time from left to right.

    Args:
        path: The picture.
        action: Name of the motion.
    """
    figure, grid = plt.subplots(1, len(MASKS) + 1, figsize=(2.1 * (len(MASKS) + 1), 2.9))
    for axes, name in zip(grid, [None, *MASKS], strict=True):
        tokens = cut_tokens(action, name or "random", ratio=0.75)
        _grid(axes, (0.0, 0.0), tokens, name is not None)
        axes.set_title(name or "all tokens", fontsize=10, color=MIDDLE)
        axes.set_xlim(0, GRID[0])
        axes.set_ylim(0, GRID[1])
        axes.axis("off")
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_scaling(path: Path, bench: Path) -> None:
    """Seconds and memory of a step over each size that `jointwise bench scaling` varies.

    Args:
        path: The picture.
        bench: The file that the command wrote.
    """
    curves = _curves(bench, "bf16")
    figure, axes = plt.subplots(2, len(curves), figsize=(2.6 * len(curves), 4.6), sharex="col", sharey="row")
    for column, (curve, points) in enumerate(curves.items()):
        sizes = list(points)
        for line, key, color in ((0, "seconds", LEFT), (1, "memory_mb", RIGHT)):
            axes[line, column].loglog(sizes, [figures[key] for figures in points.values()], "o-", color=color)
            axes[line, column].grid(alpha=0.3)
        axes[1, column].set_xticks(sizes, [str(size) for size in sizes])
        axes[1, column].minorticks_off()
        axes[1, column].set_xlabel(curve)
    for line, ticks in ((0, (0.1, 0.2, 0.5, 1, 2, 5)), (1, (500, 1000, 2000))):
        axes[line, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes[line, 0].minorticks_off()
    axes[0, 0].set_ylabel("s per clip and step")
    axes[1, 0].set_ylabel("MB, batch of 4")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curves(bench: Path, variant: str) -> dict[str, dict[int, dict[str, float]]]:
    """Curve -> size -> the figures of one variant in a file of `jointwise bench`."""
    curves: dict[str, dict[int, dict[str, float]]] = {}
    for row in json.loads(bench.read_text())["rows"]:
        curve, size = row["place"]
        curves.setdefault(curve, {})[size] = row["ways"][variant]
    return curves


def draw_stores(path: Path, bench: Path) -> None:
    """Seconds over the number of sequences in a store, of each task of `jointwise bench stores`.

    Args:
        path: The picture.
        bench: The file that the command wrote.
    """
    curves = _curves(bench, "fp32")
    figure, panels = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 2.7))
    for axes, (curve, points) in zip(panels, curves.items(), strict=True):
        axes.loglog(list(points), [figures["seconds"] for figures in points.values()], "o-", color=LEFT)
        axes.set_ylim(1e-5, 10)
        axes.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10], ["10 µs", "", "1 ms", "", "100 ms", "", "10 s"])
        axes.set_xticks(list(points), [f"{size:,}".replace(",000", "k", 1).replace("k,000", "M") for size in points])
        axes.minorticks_off()
        axes.set_title(curve, loc="left", fontsize=10, color=MIDDLE)
        axes.set_xlabel("sequences in the store")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def shoot_report(path: Path, report: Path, clip: str = "hug") -> None:
    """Photograph the skeletons of a report, in the middle of a clip.

    Args:
        path: The picture.
        report: The page.
        clip: Part of the title of the clip; the first clip if none has it.
    """
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


def two_persons(first: list[str], second: list[str], still: int = 60) -> Sequence:
    """Two persons side by side who do one embedded motion after another, and stand still in between.

    Args:
        first: Names of the motions of the first person.
        second: Those of the second, who comes later and leaves at the same time.
        still: Frames of standing still after each motion.
    """
    found = {ACTIONS[sequence.label or 0]: sequence for sequence in generate(subjects=[3], cameras=[2])}
    lines = []
    for names, aside in ((first, -0.6), (second, 0.6)):
        pieces = [found[name].positions[0] for name in names]
        held = [np.concatenate([piece, np.repeat(piece[-1:], still, 0)]) for piece in pieces]
        lines.append(np.concatenate(held) + np.array([aside, 0, 0], np.float32))
    frames = max(map(len, lines))
    positions = np.zeros((2, frames, *lines[0].shape[1:]), np.float32)
    valid = np.zeros(positions.shape[:3], bool)
    for person, line in enumerate(lines):
        positions[person, -len(line) :] = line
        valid[person, -len(line) :] = True
    return Sequence(positions, found[first[0]].skeleton, valid, fps=found[first[0]].fps, source="two persons")


def draw_timeline(path: Path, run: Path) -> None:
    """What a recogniser says of two persons over time.

    Args:
        path: The picture.
        run: Folder of a run that was fine-tuned on the embedded data.
    """
    recording = two_persons(["clap", "kick", "sit down", "draw circle clockwise"], ["cross arms", "jump", "bow"])
    write_timelines(path, [(recording.source, Recognizer.from_pretrained(run).timeline(recording))])


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    if len(sys.argv) > 2:
        shoot_report(HERE / "skeletons.png", Path(sys.argv[1]))
        draw_timeline(HERE / "timelines.png", Path(sys.argv[2]))
    draw_motions(HERE / "synthetic.png")
    draw_pipeline(HERE / "pipeline.png")
    draw_masks(HERE / "masks.png")
    bench = HERE.parents[1] / "results" / "bench"
    draw_scaling(HERE / "scaling.png", bench / "scaling-cpu.json")
    draw_stores(HERE / "stores.png", bench / "stores-cpu.json")
