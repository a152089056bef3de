"""The command `nas study`: train a population, and report how well scores predict accuracy."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import search_spaces
from nas.cli import DONE, Parser, assignment, at_least, budgets, pins, progress
from nas.latency import LatencyConfig, add_latency, wanted
from nas.optimize.request import MOST_IMAGES, MOST_SEED
from nas.query import COSTS
from nas.runs import locked
from nas.signals import INTERRUPTED, interruptions
from nas.study.folder import StudyFolder
from nas.study.population import MOST_NETWORKS, Draw
from nas.study.request import StudyRequest
from nas.study.results_cli import NEEDED, conclude
from nas.train.cli import add_data, add_means, changed_by, hardware_of, numbers, order_of
from nas.train.session import device_of, devices_of, loaded
from search_spaces import Architecture, RequestError

if TYPE_CHECKING:
    import torch

    from nas.train.data import Data

_RATES = (20, 50, 100)
"""TFLOP/s that a GPU of a data centre may reach with small networks; a plan shows the time at each."""

_MOST_INITIALISATIONS = 10_000
_MOVED = {"--across": "nas compare FOLDER ...", "--predict": "nas predict STUDY TABLE"}
"""Options of earlier versions, and the commands that replace them."""

_ASKED = (
    *("space", *COSTS, "fix", "count", "draw", "draw_seed", "arch", "named_seeds"),
    *("scores", "score_batch", "initialisations"),
)
"""Options that say what a study is of, without those of its training."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Study as the arguments say; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for option, instead in _MOVED.items():
        if option in (one.partition("=")[0] for one in given):
            raise RequestError(f"{option} is a command of its own: {instead}")
    options = _parser().parse_args(given)
    asked = wanted(options)
    if options.plan and options.out:
        raise RequestError("--plan keeps nothing; leave out --out")
    with interruptions() as interrupted, ExitStack() as held:
        if options.resume and not options.plan:
            held.enter_context(locked(options.resume))
        folder = StudyFolder.open(options.resume) if options.resume else None
        if folder:
            folder.request = _continued(folder.request, options)
        if not (folder and folder.complete) or options.plan:
            from nas.train.data import shrunk
            from nas.train.distributed import ALONE

            request = folder.request if folder else _request(options)
            device = device_of(options.device)
            devices = devices_of(options.parallel, device, ALONE)
            data = loaded(request.order, hardware_of(options), ALONE)
            request = request if folder else _without_doubles(request, data)
            ALONE.check(request.order.values.batch, len(data.train))
            if note := shrunk(request.order, data):
                print(f"note: {note}", file=sys.stderr)
            if options.plan:
                _show_plan(request, data, device, asked, options.threads)
                return DONE
            if not folder:
                folder = StudyFolder.create(request, options.out, {"test_images": len(data.test)})
                held.enter_context(folder.locked())
            folder.test_images = len(data.test)
            if not _train(folder, data, device, devices, options, interrupted):
                print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
                return INTERRUPTED
        _conclude(folder, asked, interrupted)
        return INTERRUPTED if interrupted() else DONE


def _parser() -> Parser:
    parser = Parser(
        "nas study",
        description="Train a population of networks, and see how well scores tell which are good.",
    )
    what = parser.add_argument_group("which networks").add_argument
    what("--space", help=f"one of {', '.join(search_spaces.names())}")
    for cost in COSTS:
        what(f"--{cost}", metavar="BUDGET", help=f"cap or band of {cost}, as 400M")
    what("--fix", nargs="+", action="extend", type=assignment, metavar="NAME=VALUE", help="pin a choice")
    what("--count", type=at_least(3, MOST_NETWORKS), help="how many to draw (24)")
    what("--draw", choices=get_args(Draw),
         help="evenly; spread over NN-Mass and parameters; or pairs of equal mass (spread)")  # fmt: skip
    what("--draw-seed", type=at_least(0, MOST_SEED), help="seed of the draws (0)")
    what("--arch", nargs="+", action="extend", metavar="SPEC", help="further networks, by hand")
    add_data(parser)
    how = add_means(parser).add_argument
    how("--named-seeds", type=numbers(0), help="train those of --arch with these seeds instead (as --seeds)")
    how("--scores", nargs="+", metavar="NAME", help="scores to compare (all)")
    how("--score-batch", type=at_least(2, MOST_IMAGES), metavar="N", help="images that some look at (64)")
    how("--initialisations", type=at_least(1, _MOST_INITIALISATIONS), metavar="N",
        help="score so many initialisations of each, and take the mean (one a training seed)")  # fmt: skip
    add_latency(parser)
    how("--plan", action="store_true", help="show what would be trained, and how long it takes; and stop")
    how("--out", type=Path, metavar="FOLDER", help="where to keep the study (results/studies/...)")
    how("--resume", type=Path, metavar="FOLDER", help="go on with the study in this folder")
    return parser


def _request(options: argparse.Namespace) -> StudyRequest:
    from nas import proxies
    from nas.study.population import drawn
    from nas.train.config import by_hand

    if not options.space and not options.arch:
        raise RequestError(f"give --space, one of {', '.join(search_spaces.names())}, or networks by --arch")
    of_draws = _given(options, (*COSTS, "fix", "count", "draw", "draw_seed"))
    if of_draws and not options.space:
        raise RequestError(f"{', '.join(of_draws)} say what is drawn; add --space, or leave them out")
    if options.named_seeds and not (options.arch and options.space):
        raise RequestError(
            "--named-seeds sets networks named by --arch apart from those drawn of a --space; give both, or"
            " --seeds"
        )
    names = tuple(proxies.get(name).name for name in options.scores or proxies.names())
    draw: Draw = options.draw or "spread"
    seed = options.draw_seed or 0
    named = list(dict.fromkeys(map(str, by_hand(options.arch or ()))))
    archs = named.copy()
    if options.space:
        population = drawn(options.space, options.count or 24, draw, seed, budgets(options), pins(options))
        archs += population["arch"].tolist()
    order = order_of(tuple(dict.fromkeys(archs)), options)
    return StudyRequest(
        space=options.space or "",
        draw=draw,
        seed=seed,
        budgets=budgets(options),
        fix=pins(options),
        scores=names,
        batch=options.score_batch or 64,
        order=replace(order, named=len(named), named_seeds=options.named_seeds or ()),
        initialisations=options.initialisations or 0,
    )


def _without_doubles(request: StudyRequest, data: Data) -> StudyRequest:
    """The request without networks that are others once fitted to the data."""
    from nas.train.data import all_fitted

    order = request.order
    first: dict[Architecture, str] = {}
    for arch, network in zip(order.archs, all_fitted(order, data), strict=True):
        first.setdefault(network, arch)
    archs = tuple(first.values())
    named = len(set(order.archs[: order.named]) & set(archs))
    return replace(request, order=replace(order, archs=archs, named=named))


def _continued(request: StudyRequest, options: argparse.Namespace) -> StudyRequest:
    """The stored request, its data perhaps elsewhere; anything else asked for must be what is stored.

    Raises:
        RequestError: The arguments ask for another study.
    """
    moved = replace(request, order=replace(request.order, data=str(options.data or request.order.data)))
    differing = moved.order.differing(changed_by(moved.order, (), options))
    differing += _given(options, (*_ASKED, "out"))
    if differing:
        raise RequestError(
            f"--resume {options.resume} goes on with the study as it was asked for; leave out what differs:"
            f" {'; '.join(differing)}"
        )
    return moved


def _conclude(folder: StudyFolder, asked: LatencyConfig | None, interrupted: Callable[[], bool]) -> None:
    """Report, or say where that can be done: a machine that trains may have nothing to draw and test with."""
    try:
        conclude(folder, asked, interrupted)
    except ModuleNotFoundError as missing:
        if missing.name not in NEEDED:
            raise
        where = f"nas report {shlex.quote(str(folder.path))}"
        print(f"all are trained; the report needs {missing.name}: where that is installed, {where}")


def _given(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Those of some options that were given."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]


def _train(
    folder: StudyFolder,
    data: Data,
    device: torch.device,
    devices: list[torch.device] | None,
    options: argparse.Namespace,
    interrupted: Callable[[], bool],
) -> bool:
    """Score and train what is not done, but train nothing where all is trained; whether it got to the end."""
    from nas.study.scores import scored
    from nas.train.data import all_fitted
    from nas.train.distributed import ALONE
    from nas.train.folder import TrainFolder
    from nas.train.progress import shown
    from nas.train.run import TrainRun
    from nas.train.runtime import Means, settle

    request = folder.request
    architectures = list(dict.fromkeys(all_fitted(request.order, data)))
    seeds, trained = request.score_seeds, folder.trained
    there = (folder.training / "run.json").exists()
    kept = TrainFolder.open(folder.training) if there else None
    before = kept.threads if kept and not trained else None
    at_a_time = len(devices or (device,))
    recipe = request.order.values
    threads = settle(options.threads, architectures, data, recipe, device, ALONE, at_a_time, before)
    with progress("scoring", len(architectures)) as advance:
        scored(architectures, data, request.scores, request.batch, seeds, folder.scores, interrupted, advance)
    if trained or interrupted():
        return not interrupted()
    means = Means(device, ALONE, options.compile, options.checkpoint_minutes, threads)
    training = TrainRun(request.order, data, means)
    kept = kept or TrainFolder.create(request.order, folder.training)
    kept.request, kept.threads = request.order, threads
    with shown(request.order.values.epochs) as progress_of:
        training.run(kept, interrupted, progress_of.report, progress_of.on_step, devices, options.workers)
    if training.unsaved:
        raise RequestError(f"{training.unsaved}; mend that, then {folder.resume}")
    return not interrupted()


def _show_plan(
    request: StudyRequest, data: Data, device: torch.device, asked: LatencyConfig | None, threads: int | None
) -> None:
    import numpy as np
    import pandas as pd

    from nas.score import score
    from nas.show import rendered, show
    from nas.study.outcome import latencies
    from nas.study.plan import counted, planned
    from nas.train.data import all_fitted
    from nas.train.runtime import settle

    architectures = all_fitted(request.order, data)
    with progress("counting", len(architectures)) as advance:
        rows = []
        for one in architectures:
            rows.append({"arch": str(one), **score(one)})
            advance()
    table = pd.DataFrame(rows)
    measured = latencies(table, asked)
    show(measured.columns(table) if measured else table, family=architectures[0].family)
    if measured:
        print(rendered(measured.sentence()), end="")
    linked = table[table["nn_mass"] > 0]
    if len(linked) > 1:
        logs = np.log(linked[["nn_mass", "params"]].to_numpy(float)).T
        of = "" if len(linked) == len(table) else f" ({len(linked)} networks with NN-Mass)"
        print(f"correlation of log NN-Mass and log params{of}: {np.corrcoef(logs)[0, 1]:.2f}")
    trainings = [len(request.order.seeds_of(row)) for row in range(1, len(architectures) + 1)]
    threads = settle(threads, architectures, data, request.order.values, device)
    with progress("timing the smallest and the largest network", 2) as advance:
        plan = planned(architectures, data, request.order.values, trainings, device, advance)
    by = f"{device} with {counted(threads, 'thread')}" if device.type == "cpu" else device
    print(rendered(f"{plan} on {by}, tests and scores not counted"), end="")
    print(rendered(plan.at(_RATES)), end="")
