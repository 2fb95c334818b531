"""LOG.md, 'Who stands still': which recordings are taken for no action, by how much their bodies move.

python lab/movement.py DATA …        (test recordings, one frame repeated, the same with 5 mm of noise, noise alone)
"""

import sys
from dataclasses import replace

import numpy as np

from jointwise import load_dataset
from jointwise.data.movement import movement, movement_range, outside
from jointwise.training.model_card import some_sequences

RNG = np.random.default_rng(0)

for name in sys.argv[1:]:
    dataset = load_dataset(name)
    known = movement_range(some_sequences(dataset, 400))
    tested = [dataset.test[place] for place in range(0, len(dataset.test), max(1, len(dataset.test) // 200))]
    kinds = {"test": tested, "still": [], "jitter": [], "noise": []}
    for own in tested[::10]:
        middle = np.array([own.frames // 2]).repeat(60)
        still = replace(own, positions=own.positions[:, middle], valid=own.validity[:, middle])
        kinds["still"].append(still)
        kinds["jitter"].append(replace(still, positions=still.positions + RNG.normal(0, 0.005, still.positions.shape)))
        kinds["noise"].append(replace(own, positions=RNG.normal(size=own.positions.shape)))
    shares = {
        kind: 100 * np.mean([outside(movement(one), known) is not None for one in some]) for kind, some in kinds.items()
    }
    print(name, [round(value, 3) for value in known], {kind: f"{share:.1f} %" for kind, share in shares.items()})
