"""The command `python -m nas.train`: train rows of a table, or networks given by hand, one after another."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.command_line import DONE, INTERRUPTED, Parser, at_least, interruptions, run
from nas.train.folder import TrainFolder
from nas.train.order import DATASETS, Order
from nas.train.recipe import RECIPES, recipe
from search_spaces import RequestError

if TYPE_CHECKING:
    from nas.train.job import Job
    from nas.train.loop import Epoch
    from nas.train.run import TrainRun


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    kept = TrainFolder.open(options.resume) if options.resume else None
    order = kept.order if kept else _order(options)
    with interruptions() as interrupted:
        import torch

        from nas.train.run import TrainRun

        device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        training = TrainRun(order, device, options.download)
        folder = kept or TrainFolder.create(order, options.out)
        training.run(folder, interrupted, _say)
    if interrupted():
        print(f"interrupted; go on with: python -m nas.train --resume {shlex.quote(str(folder.path))}",
              file=sys.stderr)  # fmt: skip
        return INTERRUPTED
    _print(training)
    print(f"Kept in {folder.path}")
    return DONE


def _parser() -> Parser:
    parser = Parser("nas.train", description="Train networks and keep a table of what they reach.")
    add = parser.add_argument
    add("table", nargs="?", type=Path, help="candidates.csv of a search, or any table with a column arch")
    add("--top", type=at_least(1), metavar="K", help="train its first K rows (all)")
    add("--rows", type=_numbers(1), help="train these rows, counted from 1, as 1,4")
    add("--arch", nargs="+", action="extend", default=[], metavar="SPEC", help="such as resnet:resnet18")
    add("--dataset", help=", ".join(DATASETS))
    add("--data", type=Path, default=Path("data"), metavar="DIR", help="where it is (data)")
    add("--download", action="store_true", help="let torchvision download what is missing")
    add("--image-size", type=at_least(1), metavar="N", help="resize the images of a folder to this side")
    add("--images", type=at_least(1), metavar="N", help="keep at most N images of either part")
    add("--holdout", type=float, default=0.0, metavar="SHARE", help="share of training images to hold out")
    add("--recipe", default="quick", help=f"{', '.join(RECIPES)} (quick)")
    add("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="change the recipe")
    add("--seeds", type=_numbers(0), default=(0,), help="train each with these seeds, as 0,1,2 (0)")
    add("--device", help="cpu, cuda, cuda:1, ... (cuda if there is one)")
    add("--out", type=Path, metavar="FOLDER", help="where to keep the run (results/trained/...)")
    add("--resume", type=Path, metavar="FOLDER", help="go on with the run in this folder")
    return parser


def _order(options: argparse.Namespace) -> Order:
    from nas.train.chosen import by_hand, from_table

    if options.table is None and not options.arch:
        raise RequestError("give a table to train rows of, or --arch with specs")
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    chosen = from_table(options.table, options.top, options.rows) if options.table else []
    chosen += by_hand(options.arch)
    values = recipe(options.recipe).override(dict(_pair(text) for text in options.set))
    return Order(
        archs=tuple(map(str, chosen)),
        dataset=options.dataset,
        data=str(options.data),
        recipe=options.recipe,
        values=values,
        seeds=options.seeds,
        holdout=options.holdout,
        side=options.image_size,
        limit=options.images,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise RequestError(f"--set {text!r} is not NAME=VALUE, such as lr=0.05")
    return name, value


def _numbers(least: int) -> Callable[[str], tuple[int, ...]]:
    """A converter of whole numbers joined by commas."""
    number = at_least(least)

    def convert(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(number(part) for part in text.split(",")))

    return convert


def _say(job: Job, epoch: Epoch, epochs: int) -> None:
    done = f"row {job.row} seed {job.seed} epoch {epoch.number} of {epochs}"
    speed = f"{epoch.images_per_second:,.0f} images/s"
    print(
        f"{done}: loss {epoch.train_loss:.3f}, top-1 {epoch.top1:.2f}%, {speed}", file=sys.stderr, flush=True
    )


def _print(training: TrainRun) -> None:
    from nas.show import show

    table = training.table[["row", "arch", "nn_mass", "flops", "params", "seed", "epochs", "top1", "status"]]
    show(table, family=table["arch"].iloc[0].partition(":")[0])


if __name__ == "__main__":
    run(main)
