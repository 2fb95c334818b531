"""LOG.md, 'Whether occlusion shows what an answer rests on': the deletion test.

python lab/occlusion.py RUN DATA [train|test] [--many 200]

Joints are hidden one after the other, in the order of their drops, until none is left; likewise spans of time. The
faster the answers change, the more they rested on what was hidden first. Printed is the share of clips whose answer is
as before, and the accuracy, as means over all numbers of hidden joints or spans. Clips of `train` whose labels the run
learned are left out.
"""

import argparse

import numpy as np

from jointwise import Recognizer, load_dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.inference.many import batched
from jointwise.inference.occlusion import hide

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("data")
parser.add_argument("part", nargs="?", default="test")
parser.add_argument("--many", type=int, default=200)
args = parser.parse_args()

dataset = load_dataset(args.data)
recognizer = Recognizer.from_pretrained(args.run)
inputs, answers, card = recognizer._inputs, recognizer._trained(), recognizer.card
part = getattr(dataset, args.part)
labelled = choose_labelled(dataset.train, card.labels, card.seed, dataset.classes).ids if args.part == "train" else []
rng = np.random.default_rng(0)
free = rng.permutation([place for place, number in enumerate(part.ids) if number not in set(labelled)])[: args.many]
known: list[bool] = []
same: dict[str, list[np.ndarray]] = {}
right: dict[str, list[np.ndarray]] = {}


def orders(found):
    """What is compared: (kind, name, places in the order of hiding)."""
    parts = np.array([found.parts[name] for name in found.skeleton.part_names])
    joints, spans = len(found.joints), len(found.times)
    yield "joints", "drop", np.argsort(-found.joints, kind="stable")
    yield "joints", "drop + drop of its part", np.argsort(-(found.joints + parts), kind="stable")
    yield "joints", "part by part, then drop", np.lexsort((-found.joints, -parts))
    yield "joints", "smallest drop first", np.argsort(found.joints, kind="stable")
    moving = np.linalg.norm(np.diff(clip.positions[0].numpy(), axis=1), axis=-1).mean((0, 1))
    yield "joints", "fastest first", np.argsort(-moving, kind="stable")
    yield "spans", "drop", np.argsort(-found.times, kind="stable")
    yield "spans", "smallest drop first", np.argsort(found.times, kind="stable")
    for kind, count in (("joints", joints), ("spans", spans)):
        for _ in range(3):
            yield kind, "random", rng.permutation(count)


for place in free.tolist():
    recording = part[place]
    sequence = inputs.sequence(recording)
    clip = inputs.clip(sequence)
    found = recognizer.occlusion(recording)
    first = answers.classes.index(found.label)
    known.append(first == recording.label)
    frames, joints = clip.valid.shape[2:]
    span = np.arange(frames) * card.config.segments // frames
    for kind, name, order in orders(found):
        masks = []
        for count in range(1, len(order)):  # with all of them hidden every order is the same
            chosen = np.isin(np.arange(joints) if kind == "joints" else span, order[:count])
            masks.append(np.broadcast_to(chosen if kind == "joints" else chosen[:, None], (frames, joints)))
        clips = [hide(clip, mask, recognizer._encoder.centre) or clip for mask in masks]
        said = [
            int(answer.probabilities.argmax())
            for some in batched(clips, 64)
            for answer in answers.of(some, [sequence] * len(some))
        ]
        same.setdefault(f"{kind}, {name}", []).append(np.array(said) == first)
        right.setdefault(f"{kind}, {name}", []).append(np.array(said) == recording.label)

print(f"{len(free)} clips of {args.data} ({args.part}), {args.run}; {100 * np.mean(known):.1f} % right")
for name in same:
    agree, accuracy = np.mean(same[name], 0), np.mean(right[name], 0)
    steps = [0, 2, 4, 9] if name.startswith("joints") else range(len(agree))
    curve = ", ".join(f"{step + 1}: {100 * agree[step]:.0f}" for step in steps)
    print(
        f"{name:32} answer as before {100 * agree.mean():5.1f} %, right {100 * accuracy.mean():5.1f} %; "
        f"as before with so many hidden: {curve}"
    )
