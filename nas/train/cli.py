"""The command `nas train`, and the arguments common to all commands that train."""

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
    check_present,
    parse_rows,
    recipe,
    specs_of,
)
from nas.train.folder import TrainFolder, warnings_of
from nas.train.session import Hardware, process_group, run_training
from nas.values import at_least, numbers
from search_spaces import RequestError, parse
from search_spaces.errors import shortened, shown

if TYPE_CHECKING:
    import pandas as pd

    from nas.train.distributed import Processes


def add_training(parser: Parser, exclude: Collection[str] = ()) -> None:
    """Add the arguments of data, recipe and hardware, except those of the fields in `exclude`."""
    add_options(parser.add_argument_group("training"), TrainConfig, exclude)
    group = parser.add_argument_group("recipe")
    add_options(group, Recipe)
    text = "change these and other values of the recipe, listed below"
    group.add_argument("--set", nargs="+", action="extend", metavar="NAME=VALUE", help=text)
    add_options(parser.add_argument_group("hardware"), Hardware)
    parser.appendix = lambda width: values_text(Recipe, "values of --set", width)
    parser.renamed = {"--holdout": "--val-fraction", "--keep": "--cache"}


def config_of(archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
    """The configuration of a training of some specs, from parsed arguments.

    Raises:
        RequestError: The data set is missing from the arguments, or a recipe or value is unknown.
    """
    if not options.dataset:
        raise RequestError(f"give --dataset, one of {', '.join(DATASETS)}")
    name = options.recipe or USUAL_RECIPE
    base = TrainConfig(archs, options.dataset, DATA, name, recipe(name))
    return changed_by(base, archs, options)


def changed_by(config: TrainConfig, archs: tuple[str, ...], options: argparse.Namespace) -> TrainConfig:
    """A configuration changed by the given arguments; with no `archs` the networks stay the same."""
    changes = given(options, TrainConfig)
    name = changes.get("recipe", config.recipe)
    values = config.values if name == config.recipe else recipe(name)
    changes = {"archs": archs or config.archs, **changes}
    return replace(config, **changes, values=values.override(_recipe_changes(options)))


def hardware_of(options: argparse.Namespace) -> Hardware:
    """The hardware settings from parsed arguments."""
    return Hardware(**given(options, Hardware))


def _recipe_changes(options: argparse.Namespace) -> dict[str, Any]:
    """Values of the recipe by name: typed ones from options, texts from --set.

    Raises:
        RequestError: A value is given twice.
    """
    changes = given(options, Recipe)
    by_option = {name: f"{options_of(Recipe)[name].flags[0]} {value}" for name, value in changes.items()}
    for text in options.set or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise RequestError(f"--set {shown(text)} is not NAME=VALUE, such as lr=0.05")
        if name in by_option:
            raise RequestError(
                f"{by_option[name]} and --set {shortened(text, 80)} are the same; give one of them"
            )
        if name in changes:
            raise RequestError(f"--set gives {name} twice; give it one value")
        changes[name] = value
    return changes


NOTHING_DONE = 1
_EPILOG = (
    "On several GPUs: `torchrun --nproc-per-node N -m nas.train ...` trains each network on all of them,"
    " --parallel as many networks at a time, --on ray those of a cluster. docs/training.md describes the"
    " folder of a run and its columns."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    kept = TrainFolder.open(options.resume) if options.resume else None
    config = _resumed(kept.request, options) if kept else _new(options)
    hardware = hardware_of(options)
    with interruptions() as interrupted, process_group(options.device, options.on) as (device, processes):
        if kept and kept.finished:
            return _report_finished(kept, processes)
        training, folder = run_training(config, kept, options.out, hardware, device, processes, interrupted)
        if not processes.is_main:
            return INTERRUPTED if interrupted() else DONE
        if interrupted():
            print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
            return INTERRUPTED
        return _report(training.table, folder)


def _parser() -> Parser:
    parser = Parser(
        "nas train",
        description="Train networks, and tabulate their accuracy.",
        epilog=_EPILOG,
    )
    add = parser.add_argument_group("networks").add_argument
    add("table", nargs="?", type=Path, help="candidates.csv of a search, or any table with a column arch")
    add("--top", type=at_least(1), metavar="K", help="train its first K rows (all)")
    add("--rows", type=numbers(1), help="train these rows, counted from 1, as 1,4")
    add("--arch", nargs="+", action="extend", metavar="SPEC", help="such as resnet:resnet18")
    add_training(parser, exclude=("named_seeds",))
    add = parser.add_argument_group("run").add_argument
    add("--out", type=Path, metavar="FOLDER", help="folder of the run (results/trained/...)")
    add("--resume", type=Path, metavar="FOLDER", help="continue the run in this folder")
    return parser


def _report(table: pd.DataFrame, folder: TrainFolder) -> int:
    """Print the results of a run; returns the exit code."""
    from nas.train.job import FAILED

    _print(table)
    print(f"Kept in {folder.path}")
    if (table["status"] == FAILED).all():
        print("no network was trained to the end", file=sys.stderr)
        return NOTHING_DONE
    return DONE


def _new(options: argparse.Namespace) -> TrainConfig:
    """The configuration of a new run."""
    if options.table is None and not options.arch:
        raise RequestError("give a table to train rows of, or --arch with specs")
    return config_of(_specs(options), options)


def _specs(options: argparse.Namespace) -> tuple[str, ...]:
    """The specs of the networks selected by the arguments."""
    if options.table is None and (options.top or options.rows):
        raise RequestError("--top and --rows choose rows of a table; give one")
    if options.table and ":" in str(options.table) and not options.table.exists():
        raise RequestError(
            f"{options.table}: there is no such table; give networks by --arch {options.table}"
        )
    specs = specs_of(options.table, options.top, options.rows) if options.table else []
    if specs and options.dataset and not options.download:
        # Parsing the specs of a large table is slow: check for the data first.
        check_present(options.dataset, options.data or Path(DATA))
    rows = parse_rows(options.table, specs, options.rows)
    return tuple(map(str, [*rows, *map(parse, options.arch or ())]))


def _resumed(config: TrainConfig, options: argparse.Namespace) -> TrainConfig:
    """The stored configuration of a run to resume; only the folder of the data may change.

    Raises:
        RequestError: Another argument differs from the stored value.
    """
    if options.out:
        raise RequestError("--resume continues in its own folder; leave out --out")
    same = replace(config, data=str(options.data or config.data))
    requested = changed_by(same, _specs(options), options)
    if differences := same.differences(requested):
        raise RequestError(
            f"--resume {options.resume}: that run has {'; '.join(differences)}; leave out what differs, or"
            " start a new run"
        )
    return same


def _report_finished(folder: TrainFolder, processes: Processes) -> int:
    """Print the results of a run that was finished before; nothing is written."""
    import pandas as pd

    if processes.is_main:
        _print(pd.DataFrame(list(folder.rows().values())))
        print(f"finished: nothing is left to train in {folder.path}")
    return DONE


def _print(table: pd.DataFrame) -> None:
    columns = ["row", "arch", "nn_mass", "flops", "params", "seed", "epochs", "top1", "status"]
    rows = table[columns].assign(arch=[_label(row) for _, row in table.iterrows()])
    for failure in dict.fromkeys(table["compiled"][table["compiled"].str.startswith("failed")]):
        print(f"note: torch.compile {failure}", file=sys.stderr)
    try:
        from nas.show import show
    except ModuleNotFoundError:  # without rich, which training does not need
        print(rows.to_string(index=False))
    else:
        show(rows, family=table["arch"].iloc[0].partition(":")[0])
    for line in warnings_of(table):
        print(wrapped(line))


def _label(row: pd.Series[Any]) -> str:
    """The spec of a network, preceded by its name if it is a reference."""
    name = row.get("name")
    return f"{name} = {row['arch'].partition(':')[2]}" if name and isinstance(name, str) else str(row["arch"])
