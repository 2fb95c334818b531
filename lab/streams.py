"""LOG.md, 'A stream says what a timeline says': concatenated test clips, as a file and frame by frame.

python lab/streams.py RUN DATA [--many 20] [--clips 8]

Prints in how many recordings the segments are the same, how long after its end a segment is told, and how long after
the begin of a clip its class is first the smoothed name, where the timeline finds it.
"""

import argparse
from dataclasses import replace

import numpy as np

from jointwise import Recognizer, load_dataset
from jointwise.inference.timeline import Segment

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("data")
parser.add_argument("--many", type=int, default=20)
parser.add_argument("--clips", type=int, default=8)
args = parser.parse_args()

dataset = load_dataset(args.data)
recognizer = Recognizer.from_pretrained(args.run)
order = np.random.default_rng(0).permutation(len(dataset.test))
same, late, named = 0, [], []
for start in range(0, args.many * args.clips, args.clips):
    clips = [dataset.test[place].on_persons([0]) for place in order[start : start + args.clips]]
    fps = clips[0].fps
    joined = replace(
        clips[0],
        positions=np.concatenate([clip.positions for clip in clips], 1),
        valid=np.concatenate([clip.validity for clip in clips], 1),
    )
    stream = recognizer.stream(fps=fps)
    told = []  # (moment, event)
    for frame in range(joined.frames):
        events = stream.push(joined.positions[:, frame], joined.validity[:, frame], ids=[0])
        told += [((frame + 1) / fps, event) for event in events]
    segments = [event for _, event in told if isinstance(event, Segment)]
    late += [moment - event.end for moment, event in told if isinstance(event, Segment)]
    segments += [event for event in stream.close() if isinstance(event, Segment)]
    expected = recognizer.timeline(joined)
    spans = [[(one.start, one.end, one.label) for one in some] for some in (segments, expected)]
    chances = [[one.probability for one in some] for some in (segments, expected)]
    same += spans[0] == spans[1] and np.allclose(*chances, atol=1e-5)
    edges = np.cumsum([0, *(clip.frames for clip in clips)]) / fps
    for clip, begin, end in zip(clips, edges[:-1], edges[1:], strict=True):
        name = dataset.classes[clip.label]
        if any(one.label == name and one.start < end and one.end > begin for one in expected):
            first = [m for m, one in told if not isinstance(one, Segment) and one.smoothed == name and m > begin]
            named += [first[0] - begin] if first else []
print(f"{same} of {args.many} recordings: the same segments")
for what, seconds in (("told after their end", late), ("named after their begin", named)):
    low, high = np.quantile(seconds, [0.5, 0.95])
    print(f"{len(seconds)} segments {what}: median {low:.2f} s, 95 % within {high:.2f} s")
