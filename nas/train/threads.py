"""How many threads torch computes with on a CPU: what was fastest in a few steps of the training itself.

All cores are often not the fastest: where other programs run, the threads of one operation wait for the
slowest of them, and small operations gain nothing by more. With another number sums are added up in another
order, so weights are the same to the last bit only with the same one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from nas.train.data import Data
from nas.train.images import InMemory
from nas.train.loop import DivergedError, Training
from nas.train.processes import ALONE, Processes
from nas.train.recipe import Recipe
from search_spaces import Architecture

_STEPS = 3
"""Timed for each number, after a first one that is not."""
_LONG_ENOUGH = 0.5
"""Seconds of timed steps after which a number has had its turn."""
_MACS_A_STEP, _IMAGES_A_STEP = 0.3e9, 512
"""Multiply-adds, forward, and images of a measured step at most: a whole batch can take a minute."""
_AS_FAST = 1.05
"""Fewer threads are taken if more are not faster than by this."""
_MUCH_FASTER = 1.5
"""A training that goes on changes its number only to one so much faster: that changes the last bits."""


def settle(
    asked: int | None,
    networks: Iterable[Architecture],
    data: Data,
    recipe: Recipe,
    device: torch.device,
    processes: Processes = ALONE,
    at_a_time: int = 1,
    before: int | None = None,
) -> int:
    """Set the number of threads of this process, and of those that train together with it.

    On a GPU torch's own number is kept.

    Args:
        asked: The number, if it is given.
        networks: To be trained, fitted to the data; the one of most multiply-adds is measured.
        data: The data set; its images are not read.
        recipe: How they are trained.
        device: Where.
        processes: Together with whom: each has its share of the cores.
        at_a_time: Networks trained side by side, each in a process with its share of the cores.
        before: The number with which an earlier part of the run was trained.

    Returns:
        The number, from 1.
    """
    number: int = asked or torch.get_num_threads()
    if not asked and device.type == "cpu":
        if processes.first:
            most = max(torch.get_num_threads() // (processes.count * at_a_time), 1)
            number = _chosen(networks, data, recipe, processes.count, most, before)
        number = processes.told(number)
    torch.set_num_threads(number)
    if before not in (None, number) and device.type == "cpu" and processes.first:
        print(
            f"note: this run was trained with {before} threads and goes on with {number}: results may differ"
            f" in their last bits from those of an unbroken training; --threads {before} keeps them",
            file=sys.stderr,
        )
    return number


def _chosen(
    networks: Iterable[Architecture], data: Data, recipe: Recipe, share: int, most: int, before: int | None
) -> int:
    numbers = sorted({1, *(1 << power for power in range(most.bit_length())), most, before or 1})
    if len(numbers) == 1:
        return numbers[0]
    largest = max(dict.fromkeys(networks), key=_macs, default=None)
    if largest is None:
        return before or most
    return fastest(seconds_a_step(largest, data, recipe, share, numbers), before)


def _macs(network: Architecture) -> int:
    return int(network.figures().macs)


def fastest(seconds: dict[int, float], before: int | None = None) -> int:
    """The least number that is nearly as fast as the fastest; the one before, unless it is much slower.

    >>> fastest({1: 1.02, 2: 1.0, 4: 3.0}), fastest({1: 2.0, 2: 1.0}), fastest({1: 1.4, 2: 1.0}, before=1)
    (1, 2, 1)
    """
    best = min(seconds.values())
    if before is not None and seconds[before] <= _MUCH_FASTER * best:
        return before
    return min(number for number, taken in seconds.items() if taken <= _AS_FAST * best)


def seconds_a_step(
    network: Architecture, data: Data, recipe: Recipe, share: int, numbers: Sequence[int]
) -> dict[int, float]:
    """Seconds that a step of training takes on the CPU with each number of threads: the shortest of a few.

    The steps are of a batch, or of a part of one that does not take long, of made-up images. No random number
    of this process is drawn, and its number of threads is as before.

    Args:
        network: Fitted to the data.
        data: The data set, of which only the shape of images is looked at.
        recipe: How the network is trained.
        share: Processes that share a batch.
        numbers: Of threads.
    """
    before = torch.get_num_threads()
    affordable = int(_MACS_A_STEP / max(_macs(network), 1))
    batch = max(min(recipe.batch // share, affordable, _IMAGES_A_STEP), 2)
    images = (_STEPS + 1) * len(numbers) * batch
    pixels = torch.arange(256, dtype=torch.uint8).repeat(-(-data.channels * data.side**2 // 256))
    one = pixels[: data.channels * data.side**2].view(1, data.channels, data.side, data.side)
    made_up = InMemory(one.repeat(images, 1, 1, 1), torch.arange(images) % len(data.classes))
    seconds: dict[int, float] = {}
    turn: list[int] = list(numbers)
    marks: list[float] = []

    def note() -> bool:
        """Asked after each step: mark the time, and have the next number begin when this one is done."""
        marks.append(time.perf_counter())
        taken = [later - earlier for earlier, later in pairwise(marks)]
        if taken:
            seconds[turn[0]] = min(taken)
        if len(taken) == _STEPS or sum(taken) > _LONG_ENOUGH:
            turn.pop(0)
            marks.clear()
            if turn:
                torch.set_num_threads(turn[0])
        return not turn

    still = replace(recipe, epochs=1, batch=batch, lr=0.0)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(turn[0])
            training = Training(
                network,
                replace(data, train=made_up, held_out=None),
                still,
                0,
                torch.device("cpu"),
                compiling="off",
            )
            training.train_epoch(note)
    except (DivergedError, RuntimeError):
        pass  # what is wrong with the network, such as memory, is said where it is trained
    finally:
        torch.set_num_threads(before)
    return {number: seconds.get(number, float("inf")) for number in numbers}
