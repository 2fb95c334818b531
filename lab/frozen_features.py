"""LOG.md, 'what pre-training adds to frozen features': cosine nearest neighbour as is, centred, standardised.

Run: python lab/frozen_features.py RUN…, runs pre-trained on UTD-MHAD with --validation_subjects '[7]'.
"""

import sys
from pathlib import Path

import torch

from jointwise import load_dataset
from jointwise.data.clips import ClipCutter
from jointwise.evaluation import knn
from jointwise.evaluation.features import encoder_features, extract
from jointwise.model.parts import build_encoder
from jointwise.training.checkpoint import load_weights
from jointwise.training.model_folder import encoder_weights

dataset = load_dataset("utd-mhad").hold_out([7])
labels = torch.from_numpy(dataset.train.labels)
truth = torch.from_numpy(dataset.test.labels)


def accuracy(train: torch.Tensor, test: torch.Tensor) -> str:
    """Percent of the test clips whose nearest training clip has their class."""
    best = knn.score(train, labels, test, len(dataset.classes)).argmax(1)
    return f"{100 * float((best == truth).float().mean()):.1f}"


for run in map(Path, sys.argv[1:]):
    for which in ("student", "teacher"):
        card, weights, shared = encoder_weights(run, dataset, which)
        encoder = build_encoder(card.config, shared.skeleton, card.coordinates).eval()
        load_weights(encoder, weights, run)
        cutter = ClipCutter.from_store(shared.store, card.config.clip.frames)
        for pooling in ("mean", "joint-phases"):
            features = encoder_features(encoder, card.config.clip.segment, pooling)
            parts = (dataset.train, dataset.test)
            train, test = (extract(features, cutter, torch.from_numpy(part.ids)) for part in parts)
            mean = train.mean(0)
            spread = train.std(0) + 1e-6
            centred = (train - mean, test - mean)
            standardised = (centred[0] / spread, centred[1] / spread)
            scores = " / ".join(accuracy(*pair) for pair in ((train, test), centred, standardised))
            print(f"{run.name}, {which}, {pooling}: {scores}")
