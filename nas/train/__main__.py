"""The command `python -m nas.train`: train rows of a table, or networks given by hand."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.signals import guard

    guard()  # before the slow imports

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.command_line import DONE, Parser, at_least, run
from nas.signals import INTERRUPTED, interruptions
from nas.train.arguments import (
    add_data,
    add_means,
    changed_by,
    device_of,
    devices_of,
    loaded,
    numbers,
    order_of,
)
from nas.train.folder import TrainFolder, warnings_of
from nas.train.order import Order, check_there
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from nas.train.processes import Processes

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

        device = device_of(options.device)
        processes = Processes.started(device)
        try:
            if kept and kept.finished:
                return _tell_finished(kept, processes)
            with kept.locked(processes) if kept else nullcontext():
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
    what("--rows", type=numbers(1), help="train these rows, counted from 1, as 1,4")
    what("--arch", nargs="+", action="extend", metavar="SPEC", help="such as resnet:resnet18")
    add_data(parser)
    how = add_means(parser).add_argument
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
    from nas.train.fit import shrunk
    from nas.train.job import FAILED
    from nas.train.one import Means
    from nas.train.progress import shown
    from nas.train.run import TrainRun

    devices = devices_of(options.parallel, device, processes)
    # Where networks have processes of their own, those read the images.
    data = loaded(replace(order, keep="disk") if devices else order, options, processes)
    means = Means(device, processes, options.compile, options.checkpoint_minutes, options.threads)
    training = TrainRun(order, data, means)
    if processes.first and (note := shrunk(order, data)):
        print(f"note: {note}", file=sys.stderr)
    folder = kept or _created(order, options.out, processes)
    folder.order = order  # the data may be elsewhere now
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
    _print(training.table)
    print(f"Kept in {folder.path}")
    if (training.table["status"] == FAILED).all():
        print("no network was trained to the end", file=sys.stderr)
        return NOTHING_DONE
    return DONE


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
    return order_of(_chosen(options), options)


def _chosen(options: argparse.Namespace) -> tuple[str, ...]:
    """Specs of the networks that the arguments name."""
    from nas.train.chosen import by_hand, specs_of

    if options.table is None and (options.top or options.rows):
        raise RequestError("--top and --rows choose rows of a table; give one")
    rows = specs_of(options.table, options.top, options.rows) if options.table else []
    if rows and options.dataset and not options.download:
        # Reading the specs of a large table takes longer than finding out that there is nothing to train on.
        check_there(options.dataset, options.data or Path("data"))
    return tuple(map(str, by_hand([*rows, *(options.arch or ())])))


def _continued(order: Order, options: argparse.Namespace) -> Order:
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

    if processes.first:
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


if __name__ == "__main__":
    run(main)
