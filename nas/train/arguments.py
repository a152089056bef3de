"""Arguments that say on what, how and by what networks are trained: shared by all commands that train."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nas.command_line import at_least, between
from nas.train.order import DATASETS, MOST_PROCESSES, MOST_SIDE, Keep, Order
from nas.train.recipe import RECIPES, recipe
from search_spaces import RequestError
from search_spaces.errors import shown

if TYPE_CHECKING:
    import torch

    from nas.train.data import Data
    from nas.train.processes import Processes


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say on what is trained."""
    add = parser.add_argument_group("on what").add_argument
    add("--dataset", help=", ".join(DATASETS))
    add("--data", type=Path, metavar="DIR", help="where it is (data)")
    add("--download", action="store_true", help="let torchvision download what is missing")
    add(
        "--image-size",
        type=at_least(1, MOST_SIDE),
        metavar="N",
        help="resize the images of a folder to this side",
    )
    stem = "stride of the stems that have a choice (their own)"
    add("--stem-stride", type=at_least(1), choices=(1, 2), help=stem)
    add("--images", type=at_least(1), metavar="N", help="keep at most N images of either part")
    add("--holdout", type=between(0, 1), metavar="SHARE", help="share of training images to choose by (0)")
    add("--keep", choices=get_args(Keep), help="images of a folder: read once, or when needed (by size)")


def add_means(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments that say how, and by what; gives their group."""
    group = parser.add_argument_group("how")
    add = group.add_argument
    add("--recipe", help=f"{', '.join(RECIPES)} (quick)")
    add("--set", nargs="+", action="extend", metavar="NAME=VALUE", help="change the recipe, as epochs=30")
    add("--seeds", type=numbers(0, 2**63 - 1), help="train each with these seeds, as 0,1,2 (0)")
    add("--device", help="cpu, cuda, cuda:1, ... (cuda if there is one)")
    parallel = "train N networks at a time (one a GPU)"
    add("--parallel", nargs="?", type=at_least(1, MOST_PROCESSES), const=0, metavar="N", help=parallel)
    add("--threads", type=at_least(1, MOST_PROCESSES), metavar="N",
        help="threads that torch computes with on a CPU (the fastest number in a few steps)")  # fmt: skip
    add("--compile", choices=("auto", "on", "off"), default="auto", help="use torch.compile (auto)")
    reading = "processes that read images (one a processor)"
    add("--workers", type=at_least(1, MOST_PROCESSES), metavar="N", help=reading)
    add("--checkpoint-minutes", type=between(1e-6, 1e6, "of minutes"), default=10.0, metavar="N",
        help="keep a checkpoint so often within an epoch (10)")  # fmt: skip
    return group


def order_of(archs: tuple[str, ...], options: argparse.Namespace) -> Order:
    """The training that the arguments ask for.

    Raises:
        RequestError: They name no data set, or there is no such recipe or value.
    """
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    name = options.recipe or "quick"
    plain = Order(archs, options.dataset, "data", name, recipe(name))
    return changed_by(plain, archs, options)


def changed_by(order: Order, archs: tuple[str, ...], options: argparse.Namespace) -> Order:
    """An order with what the arguments name; without `archs`, of the same networks."""
    start = order.values if options.recipe in (None, order.recipe) else recipe(options.recipe)
    wishes: dict[str, Any] = {
        "archs": archs or None,
        "dataset": options.dataset,
        "data": options.data and str(options.data),
        "recipe": options.recipe,
        "seeds": options.seeds,
        "holdout": options.holdout,
        "side": options.image_size,
        "limit": options.images,
        "keep": options.keep,
        "stem_stride": options.stem_stride,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    return replace(order, **given, values=start.override(_changes(options)))


def loaded(order: Order, options: argparse.Namespace, processes: Processes) -> Data:
    """The data set; where it may have to be downloaded, the first process is alone with it at first."""
    from nas.train.run import loaded as read

    workers = options.workers or max(min(16, os.cpu_count() or 1) // processes.count, 1)
    if options.download and processes.first:
        read(order, download=True, workers=workers)
    processes.told(None)
    return read(order, workers=workers, quiet=not processes.first)


def device_of(name: str | None) -> torch.device:
    """The device of this process.

    Raises:
        RequestError: It is not there.
    """
    import torch

    there = torch.cuda.device_count()
    if name is None:
        name = "cuda" if there else "cpu"
    try:
        found = torch.device(name)
    except RuntimeError:
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1") from None
    if found.type not in ("cpu", "cuda"):
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1")
    if found.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0")) if found.index is None else found.index
        if index >= there:
            raise RequestError(f"--device {name}: torch sees {there} GPUs here; try --device cpu")
        found = torch.device("cuda", index)
        torch.cuda.set_device(found)
    return found


def devices_of(parallel: int | None, device: torch.device, processes: Processes) -> list[torch.device] | None:
    """A device for each network that is trained at a time, if several are asked for.

    Raises:
        RequestError: Several are asked for where there are other processes already, or none said how many.
    """
    if parallel is None:
        return None
    import torch

    if processes.count > 1:
        raise RequestError("--parallel starts its own processes; leave out torchrun")
    if device.type == "cpu" and not parallel:
        raise RequestError("--parallel: there are no GPUs here; say how many networks, as --parallel 2")
    there = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    kinds = [device] if device.type == "cpu" else there
    return [kinds[index % len(kinds)] for index in range(parallel or len(kinds))]


def numbers(least: int, most: int = 2**31 - 1) -> Callable[[str], tuple[int, ...]]:
    """A converter of whole numbers joined by commas."""
    number = at_least(least, most)

    def convert(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(number(part) for part in text.split(",")))

    return convert


def _changes(options: argparse.Namespace) -> dict[str, str]:
    changes = {}
    for text in options.set or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise RequestError(f"--set {shown(text)} is not NAME=VALUE, such as lr=0.05")
        if name in changes:
            raise RequestError(f"--set gives {name} twice; give it one value")
        changes[name] = value
    return changes
