"""Seconds of a pre-training step of 32 UTD-MHAD clips at width 256. Run alone: python lab/step_time.py"""

import statistics
import time

import torch

from jointwise import load_dataset
from jointwise.config.layers import make_config
from jointwise.data.clips import ClipCutter
from jointwise.model.build import build_objective
from jointwise.stages.pretrain import PretrainTask
from jointwise.training.batches import Batch
from jointwise.training.device import autocast
from jointwise.training.optimizer import build_optimizer

WIDTH = "--encoder.width 256 --encoder.heads 8"
MAMP = (
    "--encoder.axis spacetime --mask.strategy motion --mask.ratio 0.9 --predictor.use false "
    "--decoder.target motion --decoder.normalisation token --decoder.region hidden"
)
SYSTEMS = {
    "MAMP's architecture (5 + 3)": MAMP,
    "final system, joint-frame 0.9": "--mask.strategy joint-frame --mask.ratio 0.9",
    "final system, random 0.6": "--mask.strategy random --mask.ratio 0.6",
}

dataset = load_dataset("utd-mhad")
for name, options in SYSTEMS.items():
    words = f"{WIDTH} {options}".split()
    settings = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    config = make_config("spatial_segments_decoder", "utd-mhad", options=settings)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)
    for precision in ("fp32", "bf16"):
        module = build_objective(config, dataset.skeleton, 3, 0.5, 0)
        task = PretrainTask(module, cutter, dataset, config.pretrain.augment, 0)
        optimizer = build_optimizer(module, config.pretrain)
        ids, seconds = torch.from_numpy(dataset.train.ids[:32]), []
        for step in range(9):
            start = time.perf_counter()
            with autocast(cutter.device, precision):
                loss, _ = task.loss(Batch(step, ids, torch.arange(len(ids)), len(ids)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            task.after_step(step)
            seconds.append(time.perf_counter() - start)
        print(f"{name}, {precision}: median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s")
