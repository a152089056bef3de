"""The plan of a study: the trainings, and an estimate of their time on this device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from nas.train.config import Recipe
from nas.train.data import Data
from nas.train.loop import Training
from search_spaces import Architecture

_STEPS = 3
_MACS_AT_ONCE_ON_A_CPU = 10e9
"""Maximum multiply-adds of a timed step on a CPU, where a full batch of a large network can take minutes."""


@dataclass(frozen=True)
class Plan:
    """The estimated cost of a study.

    Attributes:
        networks: Number of networks.
        trainings: Number of trainings: one for each network and seed.
        epochs: Epochs of each training.
        seconds: Estimated seconds of all training steps in sequence, without tests, scores and imports.
        operations: Floating-point operations of all trainings: a multiply-add counts two, a backward pass as
            two forward passes.
        longest: Those of the longest training.
    """

    networks: int
    trainings: int
    epochs: int
    seconds: float
    operations: float
    longest: float = 0.0

    def __str__(self) -> str:
        trainings = f"{counted(self.trainings, 'training')} of {counted(self.epochs, 'epoch')}"
        return f"{counted(self.networks, 'network')}, {trainings}: about {duration(self.seconds)} of steps"

    def at(self, rates: Sequence[float], devices: int = 1) -> str:
        """The time of the same operations at some rates of each device, in TFLOP/s."""
        seconds = self.operations_in_turn(devices) / 1e12
        each = (f"{duration(seconds / rate)} at {rate:g}" for rate in rates)
        on = f" on {counted(devices, 'device')}" if devices > 1 else ""
        return f"{self.operations:.1e} operations{on}: {', '.join(each)} TFLOP/s"

    def operations_in_turn(self, devices: int) -> float:
        """Operations one after another, at most, if each device takes the next training when it is free.

        A device is idle only while the last trainings end: W / m + (1 - 1 / m) L for a sum W and a longest
        training L on m devices (Graham, "Bounds on multiprocessing timing anomalies", 1969).

        >>> one = 6 * 300e6 * 1.28e6 * 150  # 300M multiply-adds, ImageNet, 150 epochs
        >>> plan = Plan(1000, 1000, 150, 0.0, 1000 * one, one)
        >>> duration(plan.operations_in_turn(64) / 20e12)
        '3.3 days'
        """
        return self.operations / devices + (1 - 1 / devices) * self.longest


def counted(number: int, name: str) -> str:
    """A number with its noun.

    >>> counted(1, "epoch"), counted(1200, "epoch")
    ('1 epoch', '1,200 epochs')
    """
    return f"{number:,} {name}{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """A duration in a fitting unit.

    >>> duration(0.2), duration(42), duration(600), duration(9000), duration(1e6)
    ('less than 1 s', '42 s', '10 min', '2.5 h', '11.6 days')
    """
    if seconds < 1:
        return "less than 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.1f} days"


def planned(
    architectures: Sequence[Architecture],
    data: Data,
    recipe: Recipe,
    trainings: Sequence[int],
    device: torch.device,
    on_timed: Callable[[], None] = lambda: None,
) -> Plan:
    """Time a few steps of the smallest and the largest network, and interpolate by multiply-adds.

    Args:
        architectures: Networks, fitted to the data.
        data: The data set.
        recipe: The training recipe.
        trainings: Number of trainings of each network.
        device: The device to time on.
        on_timed: Called after each of the two timings.
    """
    macs = np.array([architecture.figures().macs for architecture in architectures], float)
    ends = [int(macs.argmin()), int(macs.argmax())]
    taken = []
    for end in ends:
        taken.append(_timed(architectures[end], data.to(device), recipe, device))
        on_timed()
    images = np.array(trainings) * (len(data.train) // recipe.batch_size * recipe.batch_size * recipe.epochs)
    return Plan(
        networks=len(architectures),
        trainings=sum(trainings),
        epochs=recipe.epochs,
        seconds=float(images @ np.interp(macs, macs[ends], taken)),
        operations=float(images @ (2 * 3 * macs)),
        longest=float((images / np.array(trainings) * 2 * 3 * macs).max()),
    )


def _timed(architecture: Architecture, data: Data, recipe: Recipe, device: torch.device) -> float:
    """Seconds per image, over a few steps after the first."""
    affordable = max(int(_MACS_AT_ONCE_ON_A_CPU / architecture.figures().macs), 2)
    batch = recipe.batch_size if device.type == "cuda" else min(recipe.batch_size, affordable)
    few = data.train.take(torch.arange((_STEPS + 1) * batch) % len(data.train))
    recipe = replace(recipe, epochs=1, batch_size=batch, lr=0.0)  # so that it cannot diverge
    training = Training(architecture, replace(data, train=few), recipe, 0, device)
    marks: list[float] = []

    def note() -> bool:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append(time.perf_counter())
        return len(marks) == _STEPS + 1

    training.train_epoch(note)
    return (marks[-1] - marks[0]) / (_STEPS * recipe.batch_size)
