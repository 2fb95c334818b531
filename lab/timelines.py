"""LOG.md, 'What a person does over time': timelines of concatenated clips, for several windows and switch costs.

python lab/timelines.py RUN DATA [train|test] [--windows 2.0 …] [--costs 2.0 …] [--many 40] [--clips 8]

Clips of one person, drawn from a part of the data without those whose labels the run learned, follow each other
without a break; their order is drawn anew for each of `--many` recordings.
"""

import argparse
from dataclasses import replace

import numpy as np

from jointwise import Recognizer, load_dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.data.sequence import Sequence
from jointwise.evaluation.segments import OVERLAPS, Span, edit_score, segmental_f1

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("data")
parser.add_argument("part", nargs="?", default="train")
parser.add_argument("--windows", type=float, nargs="+", default=[2.0])
parser.add_argument("--costs", type=float, nargs="+", default=[2.0])
parser.add_argument("--many", type=int, default=40)
parser.add_argument("--clips", type=int, default=8)
args = parser.parse_args()

dataset = load_dataset(args.data)
recognizer = Recognizer.from_pretrained(args.run)
part = getattr(dataset, args.part)
card = recognizer.card
labelled = choose_labelled(dataset.train, card.labels, card.seed, dataset.classes).ids if args.part == "train" else []
rng = np.random.default_rng(0)
free = rng.permutation([place for place, number in enumerate(part.ids) if number not in set(labelled)])


def concatenated(places: list[int]) -> tuple[Sequence, list[Span]]:
    """The clips end to end, each first person alone, and where each lies."""
    clips = [part[place] for place in places]
    fps = clips[0].fps
    edges = np.cumsum([0, *(clip.frames for clip in clips)]) / fps
    names = [dataset.classes[clip.label] for clip in clips]
    spans = [Span(*pair, name) for *pair, name in zip(edges[:-1].tolist(), edges[1:].tolist(), names, strict=True)]
    joined = replace(
        clips[0],
        positions=np.concatenate([clip.positions[:1] for clip in clips], 1),
        valid=np.concatenate([clip.validity[:1] for clip in clips], 1),
        source="concatenated",
    )
    return joined, spans


recordings = [
    concatenated(free[start : start + args.clips].tolist()) for start in range(0, args.many * args.clips, args.clips)
]
for window in args.windows:
    for cost in args.costs:
        pairs = []
        for recording, true in recordings:
            found = recognizer.timeline(recording, window=window, switch_cost=cost)
            pairs.append(([Span(one.start, one.end, one.label) for one in found], true))
        f1 = ", ".join(f"F1@{100 * overlap:.0f} {100 * segmental_f1(pairs, overlap):.1f}" for overlap in OVERLAPS)
        edit = 100 * np.mean([edit_score(found, true) for found, true in pairs])
        number = np.mean([len(found) for found, _ in pairs])
        print(
            f"window {window:g} s, cost {cost:g}: {f1}, edit {edit:.1f}, segments {number:.1f} of {args.clips}",
            flush=True,
        )
