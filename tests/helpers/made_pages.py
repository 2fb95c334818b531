"""Run folders and results made up for report pages, and what a reader of a page looks for."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

NASTY = '<b>"x"</b>'


CLASSES = ["drink", "wave", NASTY]


# rows true, columns predicted: 3 of 4 drinks right, both waves taken for NASTY, NASTY always right
COUNTS = np.array([[3, 1, 0], [0, 0, 2], [0, 0, 5]])


VOID = {"meta", "link", "br", "wbr", "path", "line", "rect", "circle"}


def make_run(folder: Path, records: list[dict[str, object]] | None = None, **facts: object) -> Path:
    folder.mkdir(parents=True)
    if records is None:
        records = [
            {"step": step, "epoch": step / 10, "loss": 2.0 / (1 + step), "latent": 1.0, "teacher_spread": 0.5,
             "effective_rank": 20.0, "learning_rate": 1e-3, "ema_momentum": 0.99, "seconds": 0.5 * step}
            for step in range(40)
        ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "config.yaml").write_text("system: mamp\nencoder:\n  width: 64\n")
    known = {
        "stage": "pretrain",
        "system": "mamp",
        "data": "synthetic",
        "seed": 0,
        "parameters": {"encoder": 1_234_567},
    }
    (folder / "run.json").write_text(json.dumps(known | {"command": "jointwise pretrain mamp"} | facts))
    return folder


def make_result(path: Path, counts: np.ndarray = COUNTS, **facts: object) -> Path:
    pairs = [(t, p) for t, p in np.ndindex(*counts.shape) for _ in range(counts[t, p])]
    labels = np.array([true for true, _ in pairs])
    scores = np.eye(len(counts), dtype=np.float16)[[predicted for _, predicted in pairs]]
    names = [f"clip{index}" for index in range(len(labels))]
    np.savez(path.with_suffix(".npz"), ids=names, subjects=labels, labels=labels, scores=scores)
    known = {
        "schema": 1, "data": "synthetic", "system": "mamp", "protocol": "linear", "labels": "0.1", "seed": 7,
        "fold": None, "initialisation": "pretrained", "classes": CLASSES, "config": {"width": 64, "note": NASTY},
        "split": {"name": "cross-subject", "train": 30, "test": 11, "labelled": 3, "test_sha256": "ab12cd"},
        "scores": {"top1": 8 / 11, "top5": 1.0, "macro_f1": 0.7},
        "interval": {"top1": [0.614, 0.853], "top5": None, "level": 0.95, "method": "bootstrap over subjects"},
        "parameters": {"encoder": 1_234_567}, "seconds_per_epoch": {"pretrain": 14.23, "finetune": None},
        "versions": {"torch": "2.13.0"}, "commit": "4fd1c3e", "command": "jointwise evaluate", "terms": "",
    }  # fmt: skip
    path.write_text(json.dumps(known | facts))
    return path


def text_of(page: str) -> str:
    """The page's words, without style sheet and markup, spaces made equal."""
    words = re.sub(r"<style>.*?</style>|<[^>]*>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(words))


class Balance(HTMLParser):
    """Follows the tags of a page; `open` is empty at the end when every one was closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
