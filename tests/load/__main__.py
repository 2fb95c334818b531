"""`python -m load MINUTES`: put `jointwise serve` under load and attack, and print what came of it."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import jointwise
from jointwise.data.synthetic import generate
from load.page import Page
from load.traffic import Load, put_under_load, settled

UPLOADS, STREAMS, BAD = 200, 50, 500  # in five minutes
SETTLING = 10.0  # seconds
LEAST_MINUTES = 5.0
GROWTH = 0.1  # of its memory, which the page may take more after all than at most in the first half
PERCENT = (50, 95, 99)


def main() -> int:
    """The command; 1 where something was not as it should be."""
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=5.0, help="at most 60")
    parser.add_argument("--run", type=Path, help="a run on joints of ntu25 (default: a tiny one is trained)")
    args = parser.parse_args()
    minutes = min(max(args.minutes, 0.1), 60.0)
    share = minutes / 5
    counts = (max(round(UPLOADS * share), 10), STREAMS, max(round(BAD * share), 30))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        run = args.run or trained(place)
        page = Page(run, place / "page")
        try:
            print(f"{counts[0]} uploads, {counts[1]} streams and {counts[2]} bad requests in {minutes:g} minutes")
            sequences = list(generate(subjects=(2,), cameras=(2,), actions=(0, 8, 23)))
            (place / "files").mkdir()
            load = put_under_load(page, sequences, "ntu25", place / "files", counts, 60 * minutes)
            settled(page, load, SETTLING)
            load.problems += page.end()
        finally:
            page.kill()
    if minutes >= LEAST_MINUTES:
        load.problems += leak(load)
    else:
        print(f"memory is not judged below {LEAST_MINUTES:g} minutes: it rises at first")
    print(as_text(load))
    return 1 if load.problems else 0


def trained(place: Path) -> Path:
    """A run of a tiny model on `synthetic`, fine-tuned from the model in the package."""
    words = ["finetune", "base", "--data", "synthetic", "--labels", "1shot", "--quick", "--run", str(place / "run")]
    os.environ["JOINTWISE_DATA"] = str(place / "data")
    source = {"PYTHONPATH": str(Path(jointwise.__file__).parents[1])}
    command = [sys.executable, "-m", "jointwise", *words]
    subprocess.run(command, env=os.environ | source, check=True, capture_output=True)
    return place / "run"


def leak(load: Load) -> list[str]:
    """Whether the page takes more when all is over than it did in the first half."""
    _, last = load.uses[-1]
    most = max(use.bytes for _, use in load.uses[: len(load.uses) // 2 + 1])
    grown = f"memory grew from {most / 1e6:.0f} to {last.bytes / 1e6:.0f} MB"
    return [grown] if last.bytes > most * (1 + GROWTH) else []


def as_text(load: Load) -> str:
    """The figures, as tables of Markdown."""
    lines = ["", "| good requests | number | " + " | ".join(f"p{p} ms" for p in PERCENT) + " | longest ms |"]
    lines.append("| --- |" + " --- |" * (len(PERCENT) + 2))
    for kind, seconds in load.good.seconds.items():
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        figures = [*(cuts[percent - 1] for percent in PERCENT), max(seconds)]
        lines.append(f"| {kind} | {len(seconds)} | " + " | ".join(f"{1000 * one:.0f}" for one in figures) + " |")
    lines += ["", f"asked to wait: {load.good.waits}", "", "| bad requests | answers |", "| --- | --- |"]
    for kind in sorted(load.answers):
        answers = ", ".join(f"{status or 'none'}: {count}" for status, count in sorted(load.answers[kind].items()))
        lines.append(f"| {kind.replace('_', ' ')} | {answers} |")
    lines += ["", "| seconds | page MB | readers MB | readers | open files |", "| --- | --- | --- | --- | --- |"]
    shown = [*load.uses[:-1][:: max(len(load.uses) // 8, 1)], load.uses[-1]]
    lines += [
        f"| {t:.0f} | {use.bytes / 1e6:.0f} | {use.readers / 1e6:.0f} | {len(use.states)} | {use.files} |"
        for t, use in shown
    ]
    return "\n".join([*lines, "", f"problems: {len(load.problems)}", *load.problems])


if __name__ == "__main__":
    sys.exit(main())
