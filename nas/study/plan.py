"""The plan of a study: what would be trained, and about how long that would take on this device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from nas.train.data import Data
from nas.train.loop import Training
from nas.train.recipe import Recipe
from search_spaces import Architecture

_STEPS = 3
_AT_ONCE_ON_A_CPU = 16
"""Images a timed step on a CPU, where time grows with the images and a whole batch can take minutes."""


@dataclass(frozen=True)
class Plan:
    """What a study would cost.

    Attributes:
        networks: To be trained.
        trainings: Networks times seeds.
        epochs: Of each.
        seconds: About how long all trainings take, one after another, without tests, scores and imports.
        macs_per_second: Multiply-adds of a forward pass that this device trains in a second, as timed.
        operations: All arithmetic in the trainings: two for a multiply-add, a backward pass as two forward.
    """

    networks: int
    trainings: int
    epochs: int
    seconds: float
    macs_per_second: float
    operations: float


def planned(
    architectures: Sequence[Architecture], data: Data, recipe: Recipe, seeds: int, device: torch.device
) -> Plan:
    """Time a few steps of the smallest and the largest network, and scale by multiply-adds.

    Args:
        architectures: Fitted to the data.
        data: The data set.
        recipe: How they are trained.
        seeds: How often each is trained.
        device: Where.
    """
    by_size = sorted(architectures, key=lambda architecture: architecture.figures().macs)
    macs = seconds = 0.0
    for architecture in (by_size[0], by_size[-1]):
        spent, images = _timed(architecture, data.to(device), recipe, device)
        macs, seconds = macs + images * architecture.figures().macs, seconds + spent
    rate = macs / seconds
    images = len(data.train) // recipe.batch * recipe.batch * recipe.epochs * seeds
    work = float(sum(architecture.figures().macs for architecture in architectures)) * images
    trainings = len(architectures) * seeds
    return Plan(len(architectures), trainings, recipe.epochs, work / rate, rate, operations=2 * 3 * work)


def _timed(architecture: Architecture, data: Data, recipe: Recipe, device: torch.device) -> tuple[float, int]:
    """Seconds of a few steps after the first one, and the images in them."""
    batch = recipe.batch if device.type == "cuda" else min(recipe.batch, _AT_ONCE_ON_A_CPU)
    few = data.train.take(torch.arange((_STEPS + 1) * batch) % len(data.train))
    recipe = replace(recipe, epochs=1, batch=batch)
    training = Training(architecture, replace(data, train=few), recipe, 0, device, compiling="off")
    marks: list[float] = []

    def note() -> bool:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append(time.perf_counter())
        return len(marks) == _STEPS + 1

    training.run_epoch(note)
    return marks[-1] - marks[0], _STEPS * recipe.batch
