"""The command `python -m nas.train`: train rows of a table, or networks given by hand."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nas.command_line import DONE, INTERRUPTED, Parser, at_least, interruptions, run
from nas.train.folder import TrainFolder
from nas.train.order import DATASETS, Keep, Order
from nas.train.recipe import RECIPES, recipe
from search_spaces import RequestError

if TYPE_CHECKING:
    import torch

    from nas.train.data import Data
    from nas.train.processes import Processes
    from nas.train.run import TrainRun

NOTHING_DONE = 1
_EPILOG = (
    "On several GPUs: `torchrun --nproc-per-node N -m nas.train ...` trains each network on all of them,"
    " --parallel as many networks at a time. docs/training.md says what is kept and what the figures mean."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    kept = TrainFolder.open(options.resume) if options.resume else None
    order = _continued(kept.order, options) if kept else _order(options)
    with interruptions() as interrupted:
        import torch

        from nas.train.processes import Processes

        device = _device(options.device)
        processes = Processes.started(device)
        try:
            return _train(order, kept, options, device, processes, interrupted)
        finally:
            if processes.count > 1:
                torch.distributed.destroy_process_group()


def _parser() -> Parser:
    parser = Parser(
        "nas.train",
        description="Train networks and keep a table of what they reach.",
        epilog=_EPILOG,
    )
    what = parser.add_argument_group("what is trained, and on what").add_argument
    what("table", nargs="?", type=Path, help="candidates.csv of a search, or any table with a column arch")
    what("--top", type=at_least(1), metavar="K", help="train its first K rows (all)")
    what("--rows", type=_numbers(1), help="train these rows, counted from 1, as 1,4")
    what("--arch", nargs="+", action="extend", metavar="SPEC", help="such as resnet:resnet18")
    what("--dataset", help=", ".join(DATASETS))
    what("--data", type=Path, metavar="DIR", help="where it is (data)")
    what("--download", action="store_true", help="let torchvision download what is missing")
    what("--image-size", type=at_least(1), metavar="N", help="resize the images of a folder to this side")
    what("--images", type=at_least(1), metavar="N", help="keep at most N images of either part")
    what("--holdout", type=float, metavar="SHARE", help="share of training images to choose by (0)")
    what("--keep", choices=get_args(Keep), help="images of a folder: read once, or when needed (by size)")
    how = parser.add_argument_group("how").add_argument
    how("--recipe", help=f"{', '.join(RECIPES)} (quick)")
    how("--set", nargs="+", action="extend", metavar="NAME=VALUE", help="change the recipe, as epochs=30")
    how("--seeds", type=_numbers(0), help="train each with these seeds, as 0,1,2 (0)")
    how("--device", help="cpu, cuda, cuda:1, ... (cuda if there is one)")
    parallel = "train N networks at a time (one a GPU)"
    how("--parallel", nargs="?", type=at_least(1), const=0, metavar="N", help=parallel)
    how("--compile", choices=("auto", "on", "off"), default="auto", help="use torch.compile (auto)")
    how("--workers", type=at_least(1), metavar="N", help="processes that read images (one a processor)")
    how("--checkpoint-minutes", type=_minutes, default=10.0, metavar="N",
        help="keep a checkpoint so often within an epoch (10)")  # fmt: skip
    how("--out", type=Path, metavar="FOLDER", help="where to keep the run (results/trained/...)")
    how("--resume", type=Path, metavar="FOLDER", help="go on with the run in this folder")
    return parser


def _train(
    order: Order,
    kept: TrainFolder | None,
    options: argparse.Namespace,
    device: torch.device,
    processes: Processes,
    interrupted: Callable[[], bool],
) -> int:
    from nas.train.job import FAILED
    from nas.train.one import Means
    from nas.train.progress import shown
    from nas.train.run import TrainRun

    devices = _devices(options.parallel, device, processes)
    # Where networks have processes of their own, those read the images.
    data = _loaded(replace(order, keep="disk") if devices else order, options, processes)
    means = Means(device, processes, options.compile, options.checkpoint_minutes)
    training = TrainRun(order, data, means)
    folder = kept or _created(order, options.out, processes)
    with shown(order.values.epochs, quiet=not processes.first) as progress:
        training.run(folder, interrupted, progress.report, progress.on_step, devices, options.workers)
    if not processes.first:
        return INTERRUPTED if interrupted() else DONE
    resume = f"python -m nas.train --resume {shlex.quote(str(folder.path))}"
    if training.unsaved:
        raise RequestError(f"the table cannot be written: {training.unsaved}; mend that, then {resume}")
    if interrupted():
        print(f"interrupted; go on with: {resume}", file=sys.stderr)
        return INTERRUPTED
    _print(training)
    print(f"Kept in {folder.path}")
    if (training.table["status"] == FAILED).all():
        print("no network was trained to the end", file=sys.stderr)
        return NOTHING_DONE
    return DONE


def _loaded(order: Order, options: argparse.Namespace, processes: Processes) -> Data:
    """The data set; where it may have to be downloaded, the first process is alone with it at first."""
    from nas.train.run import loaded

    workers = options.workers or max(min(16, os.cpu_count() or 1) // processes.count, 1)
    if options.download and processes.first:
        loaded(order, download=True, workers=workers)
    processes.told(None)
    return loaded(order, workers=workers)


def _created(order: Order, out: Path | None, processes: Processes) -> TrainFolder:
    """A new folder, made by the first process and known to all."""
    path, failure = Path(), ""
    if processes.first:
        try:
            path = TrainFolder.create(order, out).path
        except RequestError as error:
            failure = str(error)
    path, failure = processes.told((path, failure))
    if failure:
        raise RequestError(failure)
    return TrainFolder(path, order)


def _order(options: argparse.Namespace) -> Order:
    if options.table is None and not options.arch:
        raise RequestError("give a table to train rows of, or --arch with specs")
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    name = options.recipe or "quick"
    defaults = {"recipe": name, "values": recipe(name).override(_changes(options)), "data": "data"}
    return Order(**{**defaults, **_given(options)})


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """What of an order the arguments name, but for the recipe's values."""
    from nas.train.chosen import by_hand, from_table

    chosen = from_table(options.table, options.top, options.rows) if options.table else []
    if options.table is None and (options.top or options.rows):
        raise RequestError("--top and --rows choose rows of a table; give one")
    chosen += by_hand(options.arch or ())
    wishes = {
        "archs": tuple(map(str, chosen)) or None,
        "dataset": options.dataset,
        "data": options.data and str(options.data),
        "recipe": options.recipe,
        "seeds": options.seeds,
        "holdout": options.holdout,
        "side": options.image_size,
        "limit": options.images,
        "keep": options.keep,
    }
    return {name: value for name, value in wishes.items() if value is not None}


def _continued(order: Order, options: argparse.Namespace) -> Order:
    """The stored order, its data perhaps elsewhere; anything else asked for must be what is stored.

    Raises:
        RequestError: The arguments ask for another training.
    """
    if options.out:
        raise RequestError("--resume goes on in its own folder; leave out --out")
    start = order.values if options.recipe in (None, order.recipe) else recipe(options.recipe)
    same = replace(order, data=str(options.data or order.data))
    wanted = replace(same, **{**_given(options), "values": start.override(_changes(options))})
    if differing := same.differing(wanted):
        raise RequestError(
            f"--resume {options.resume}: that run was asked for with {'; '.join(differing)}; leave out what"
            " differs, or start a new run"
        )
    return same


def _changes(options: argparse.Namespace) -> dict[str, str]:
    changes = {}
    for text in options.set or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise RequestError(f"--set {text!r} is not NAME=VALUE, such as lr=0.05")
        if name in changes:
            raise RequestError(f"--set gives {name} twice; give it one value")
        changes[name] = value
    return changes


def _device(name: str | None) -> torch.device:
    """The device of this process.

    Raises:
        RequestError: It is not there.
    """
    import torch

    there = torch.cuda.device_count()
    if name is None:
        name = "cuda" if there else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RequestError(f"--device {name!r}: expected cpu, cuda, or cuda:1") from None
    if device.type not in ("cpu", "cuda"):
        raise RequestError(f"--device {name!r}: expected cpu, cuda, or cuda:1")
    if device.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
        if index >= there:
            raise RequestError(f"--device {name}: torch sees {there} GPUs here; try --device cpu")
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
    return device


def _devices(parallel: int | None, device: torch.device, processes: Processes) -> list[torch.device] | None:
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


def _numbers(least: int) -> Callable[[str], tuple[int, ...]]:
    """A converter of whole numbers joined by commas."""
    number = at_least(least)

    def convert(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(number(part) for part in text.split(",")))

    return convert


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not minutes > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return minutes


def _print(training: TrainRun) -> None:
    shown = ["row", "arch", "nn_mass", "flops", "params", "seed", "epochs", "top1", "status"]
    table = training.table
    for said in dict.fromkeys(table["compiled"][table["compiled"].str.startswith("failed")]):
        print(f"note: torch.compile {said}", file=sys.stderr)
    try:
        from nas.show import show
    except ModuleNotFoundError:  # rich is all that it needs beyond what training needs
        print(table[shown].to_string(index=False))
    else:
        show(table[shown], family=table["arch"].iloc[0].partition(":")[0])


if __name__ == "__main__":
    run(main)
