"""The command `nas train`, and the arguments that all commands that train share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli import DONE, Parser, wrapped
from nas.options import add_options, given, options_of, values_text
from nas.signals import INTERRUPTED, interruptions
from nas.train.config import (
    DATA,
    DATASETS,
    USUAL_RECIPE,
    Recipe,
    TrainConfig,
    check_there,
    recipe,
)
from nas.train.folder import TrainFolder, warnings_of
from nas.train.session import Hardware, started, trained
from nas.values import at_least, numbers
from search_spaces import RequestError
from search_spaces.errors import shortened, shown

if TYPE_CHECKING:
    import pandas as pd

    from nas.train.distributed import Processes


def add_training(parser: Parser, but: Collection[str] = ()) -> None:
    """Add the arguments of data, recipe and execution settings, apart from some fields."""
    add_options(parser.add_argument_group("training"), TrainConfig, but)
    how = parser.add_argument_group("recipe")
    add_options(how, Recipe)
    further = "change these and other values of the recipe, listed below"
    how.add_argument("--set", nargs="+", action="extend", metavar="NAME=VALUE", help=further)
    add_options(parser.add_argument_group("hardware"), Hardware)
    parser.appendix = lambda width: values_text(Recipe, "values of --set", width)
    parser.renamed = {"--holdout": "--val-fraction", "--keep": "--cache"}


def order_of(archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
    """The training that the arguments ask for.

    Raises:
        RequestError: They name no data set, or there is no such recipe or value.
    """
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    name = options.recipe or USUAL_RECIPE
    plain = TrainConfig(archs, options.dataset, DATA, name, recipe(name))
    return changed_by(plain, archs, options)


def changed_by(order: TrainConfig, archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
    """An order with what the arguments name; without `archs`, of the same networks."""
    asked = given(options, TrainConfig)
    start = order.values if asked.get("recipe", order.recipe) == order.recipe else recipe(asked["recipe"])
    asked = {"archs": archs or order.archs, **asked}
    return replace(order, **asked, values=start.override(_changes(options)))


def hardware_of(options: argparse.Namespace) -> Hardware:
    """The execution settings that the arguments of `add_training` give."""
    return Hardware(**given(options, Hardware))


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Values of the recipe by name: those of options, and those of --set as text.

    Raises:
        RequestError: One is given twice.
    """
    changes = given(options, Recipe)
    own = {name: f"{options_of(Recipe)[name].flags[0]} {value}" for name, value in changes.items()}
    for text in options.set or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise RequestError(f"--set {shown(text)} is not NAME=VALUE, such as lr=0.05")
        if name in own:
            raise RequestError(f"{own[name]} and --set {shortened(text, 80)} are the same; give one of them")
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
    add_training(parser, but=("named_seeds",))
    how = parser.add_argument_group("run").add_argument
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
    from nas.train.config import by_hand, parsed_rows, specs_of

    if options.table is None and (options.top or options.rows):
        raise RequestError("--top and --rows choose rows of a table; give one")
    if options.table and ":" in str(options.table) and not options.table.exists():
        raise RequestError(
            f"{options.table}: there is no such table; give networks by --arch {options.table}"
        )
    specs = specs_of(options.table, options.top, options.rows) if options.table else []
    if specs and options.dataset and not options.download:
        # Reading the specs of a large table takes longer than finding out that there is nothing to train on.
        check_there(options.dataset, options.data or Path(DATA))
    rows = parsed_rows(options.table, specs, options.rows)
    return tuple(map(str, [*rows, *by_hand(options.arch or ())]))


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
    rows = table[shown].assign(arch=[_named(row) for _, row in table.iterrows()])
    for failure in dict.fromkeys(table["compiled"][table["compiled"].str.startswith("failed")]):
        print(f"note: torch.compile {failure}", file=sys.stderr)
    try:
        from nas.show import show
    except ModuleNotFoundError:  # rich is all that it needs beyond what training needs
        print(rows.to_string(index=False))
    else:
        show(rows, family=table["arch"].iloc[0].partition(":")[0])
    for line in warnings_of(table):
        print(wrapped(line))


def _named(row: pd.Series[Any]) -> str:
    """A network's spec, after its name if it is a reference."""
    name = row.get("name")
    return f"{name} = {row['arch'].partition(':')[2]}" if name and isinstance(name, str) else str(row["arch"])
