"""The command `nas train`, and the arguments that all commands that train share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nas.cli import DONE, Parser, at_least, between
from nas.signals import INTERRUPTED, interruptions
from nas.train.config import (
    DATASETS,
    MOST_PROCESSES,
    MOST_SIDE,
    RECIPES,
    Keep,
    TrainConfig,
    check_there,
    recipe,
)
from nas.train.folder import TrainFolder, warnings_of
from nas.train.session import Hardware, started, trained
from search_spaces import RequestError
from search_spaces.errors import shown

if TYPE_CHECKING:
    import pandas as pd

    from nas.train.distributed import Processes


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
    add("--compile", action="store_true", help="use torch.compile")
    reading = "processes that read images (one a processor)"
    add("--workers", type=at_least(1, MOST_PROCESSES), metavar="N", help=reading)
    add("--checkpoint-minutes", type=between(1e-6, 1e6, "of minutes"), default=10.0, metavar="N",
        help="keep a checkpoint so often within an epoch (10)")  # fmt: skip
    return group


def order_of(archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
    """The training that the arguments ask for.

    Raises:
        RequestError: They name no data set, or there is no such recipe or value.
    """
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    name = options.recipe or "quick"
    plain = TrainConfig(archs, options.dataset, "data", name, recipe(name))
    return changed_by(plain, archs, options)


def changed_by(order: TrainConfig, archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
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


def hardware_of(options: argparse.Namespace) -> Hardware:
    """By what the arguments of `add_means` have networks trained."""
    return Hardware(**{field.name: getattr(options, field.name) for field in fields(Hardware)})


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


NOTHING_DONE = 1
_EPILOG = (
    "On several GPUs: `torchrun --nproc-per-node N -m nas.train ...` trains each network on all of them,"
    " --parallel as many networks at a time. docs/training.md says what is kept and what the figures mean."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    kept = TrainFolder.open(options.resume) if options.resume else None
    order = _continued(kept.request, options) if kept else _order(options)
    with interruptions() as interrupted, started(options.device) as (device, processes):
        if kept and kept.finished:
            return _tell_finished(kept, processes)
        hardware = hardware_of(options)
        training, folder = trained(order, kept, options.out, hardware, device, processes, interrupted)
        if not processes.is_main:
            return INTERRUPTED if interrupted() else DONE
        if interrupted():
            print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
            return INTERRUPTED
        return _tell(training.table, folder)


def _parser() -> Parser:
    parser = Parser(
        "nas train",
        description="Train networks and keep a table of what they reach.",
        epilog=_EPILOG,
    )
    what = parser.add_argument_group("what is trained, and on what").add_argument
    what("table", nargs="?", type=Path, help="candidates.csv of a search, or any table with a column arch")
    what("--top", type=at_least(1), metavar="K", help="train its first K rows (all)")
    what("--rows", type=numbers(1), help="train these rows, counted from 1, as 1,4")
    what("--arch", nargs="+", action="extend", metavar="SPEC", help="such as resnet:resnet18")
    add_data(parser)
    how = add_means(parser).add_argument
    how("--out", type=Path, metavar="FOLDER", help="where to keep the run (results/trained/...)")
    how("--resume", type=Path, metavar="FOLDER", help="go on with the run in this folder")
    return parser


def _tell(table: pd.DataFrame, folder: TrainFolder) -> int:
    """Show what a run has reached."""
    from nas.train.job import FAILED

    _print(table)
    print(f"Kept in {folder.path}")
    if (table["status"] == FAILED).all():
        print("no network was trained to the end", file=sys.stderr)
        return NOTHING_DONE
    return DONE


def _order(options: argparse.Namespace) -> TrainConfig:
    if options.table is None and not options.arch:
        raise RequestError("give a table to train rows of, or --arch with specs")
    return order_of(_chosen(options), options)


def _chosen(options: argparse.Namespace) -> tuple[str, ...]:
    """Specs of the networks that the arguments name."""
    from nas.train.config import by_hand, specs_of

    if options.table is None and (options.top or options.rows):
        raise RequestError("--top and --rows choose rows of a table; give one")
    rows = specs_of(options.table, options.top, options.rows) if options.table else []
    if rows and options.dataset and not options.download:
        # Reading the specs of a large table takes longer than finding out that there is nothing to train on.
        check_there(options.dataset, options.data or Path("data"))
    return tuple(map(str, by_hand([*rows, *(options.arch or ())])))


def _continued(order: TrainConfig, options: argparse.Namespace) -> TrainConfig:
    """The stored order, its data perhaps elsewhere; anything else asked for must be what is stored.

    Raises:
        RequestError: The arguments ask for another training.
    """
    if options.out:
        raise RequestError("--resume goes on in its own folder; leave out --out")
    same = replace(order, data=str(options.data or order.data))
    wanted = changed_by(same, _chosen(options), options)
    if differing := same.differing(wanted):
        raise RequestError(
            f"--resume {options.resume}: that run was asked for with {'; '.join(differing)}; leave out what"
            " differs, or start a new run"
        )
    return same


def _tell_finished(folder: TrainFolder, processes: Processes) -> int:
    """Show what a finished run has reached; nothing of it is changed."""
    import pandas as pd

    if processes.is_main:
        _print(pd.DataFrame(list(folder.rows().values())))
        print(f"finished: nothing is left to train in {folder.path}")
    return DONE


def _print(table: pd.DataFrame) -> None:
    shown = ["row", "arch", "nn_mass", "flops", "params", "seed", "epochs", "top1", "status"]
    drawn = table[shown].assign(arch=[_named(row) for _, row in table.iterrows()])
    for said in dict.fromkeys(table["compiled"][table["compiled"].str.startswith("failed")]):
        print(f"note: torch.compile {said}", file=sys.stderr)
    try:
        from nas.show import show
    except ModuleNotFoundError:  # rich is all that it needs beyond what training needs
        print(drawn.to_string(index=False))
    else:
        show(drawn, family=table["arch"].iloc[0].partition(":")[0])
    for line in warnings_of(table):
        print(line)


def _named(row: pd.Series[Any]) -> str:
    """A network's spec, after its name if it is a reference."""
    name = row.get("name")
    return f"{name} = {row['arch'].partition(':')[2]}" if name and isinstance(name, str) else str(row["arch"])
