"""The command `nas study`: train a population, and report how well scores predict accuracy."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from nas.cli import DONE, Parser, progress, wrapped
from nas.latency import LatencyConfig, latency_config
from nas.options import add_options, flags_of, given
from nas.runs import locked
from nas.signals import INTERRUPTED, interruptions
from nas.study.folder import StudyFolder
from nas.study.population import MOST_NETWORKS
from nas.study.request import StudyRequest
from nas.study.results_cli import NEEDED, conclude
from nas.study.session import COUNT, Session, requested
from nas.train.cli import add_training, changed_by, config_of, hardware_of
from nas.values import at_least
from search_spaces import RequestError

MOST_DEVICES = 100_000
_RATES = (20, 50, 100)
"""TFLOP/s that a GPU of a data centre may reach with small networks; a plan shows the time at each."""

_MOVED = {"--across": "nas compare FOLDER ...", "--predict": "nas predict STUDY TABLE"}
"""Options of earlier versions, and the commands that replace them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """`nas study`: run, resume or plan a study; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for option, instead in _MOVED.items():
        if option in (one.partition("=")[0] for one in words):
            raise RequestError(f"{option} is a command of its own: {instead}")
    options = _parser().parse_args(words)
    latency = latency_config(options)
    if options.plan and (options.out or options.report):
        raise RequestError("--plan writes nothing; leave out --out and --report")
    with interruptions() as interrupted, ExitStack() as held:
        if options.resume and not options.plan:
            held.enter_context(locked(options.resume))
        folder = StudyFolder.open(options.resume) if options.resume else None
        if folder:
            folder.request = _continued(folder.request, options)
        if not (folder and folder.complete) or options.plan:
            session = Session.prepared(folder.request if folder else _request(options), hardware_of(options))
            if not folder:
                session = session.without_duplicates()
            session.print_note()
            if options.plan:
                _show_plan(session, latency, options.threads, options.plan)
                return DONE
            if not folder:
                folder = session.created(options.out)
                held.enter_context(folder.locked())
            if not session.train(folder, interrupted):
                print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
                return INTERRUPTED
        _conclude(folder, latency, interrupted)
        if options.report and not interrupted():
            from nas.page.cli import report_of_folder

            report_of_folder(folder.path, aside=False)
        if options.then_fit and not interrupted():
            from nas.fit.proposal import propose

            propose(folder)
        return INTERRUPTED if interrupted() else DONE


def _parser() -> Parser:
    parser = Parser(
        "nas study",
        description="Train a population of networks and measure how well scores predict accuracy.",
    )
    study = parser.add_argument_group("study")
    add_options(study, StudyRequest)
    networks = f"networks to sample ({COUNT})"
    study.add_argument("--count", type=at_least(3, MOST_NETWORKS), metavar="N", help=networks)
    study.add_argument(
        "--arch", nargs="+", action="extend", metavar="SPEC", help="networks to train besides the sample"
    )
    add_training(parser)
    how = parser.add_argument_group("run").add_argument
    add_options(parser, LatencyConfig, exclude=("most",))
    how("--then-fit", action="store_true", help="fit a score to the networks, and search by it")
    how("--report", action="store_true", help="write a page of the study, report.html in its folder")
    how(
        "--plan",
        nargs="?",
        type=at_least(1, MOST_DEVICES),
        const=1,
        metavar="DEVICES",
        help="show the trainings and their estimated time, on so many devices (1), and stop",
    )
    how("--out", type=Path, metavar="FOLDER", help="folder of the study (results/studies/...)")
    how("--resume", type=Path, metavar="FOLDER", help="continue the study in this folder")
    return parser


def _request(options: argparse.Namespace) -> StudyRequest:
    values = given(options, StudyRequest)
    return requested(options.arch or (), values, options.count, lambda archs: config_of(archs, options))


def _continued(request: StudyRequest, options: argparse.Namespace) -> StudyRequest:
    """The stored request, with the data folder of the options; other options must equal what is stored.

    Raises:
        RequestError: The options describe another study.
    """
    moved = replace(request, order=replace(request.order, data=str(options.data or request.order.data)))
    differing = moved.order.differences(changed_by(moved.order, (), options))
    differing += flags_of(StudyRequest, given(options, StudyRequest))
    differing += _given(options, ("count", "arch", "out"))
    if differing:
        raise RequestError(
            f"--resume {options.resume} continues the study as stored; leave out what differs:"
            f" {'; '.join(differing)}"
        )
    return moved


def _conclude(folder: StudyFolder, latency: LatencyConfig | None, interrupted: Callable[[], bool]) -> None:
    """Report; without the packages for it, print the command for a machine that has them."""
    try:
        conclude(folder, latency, interrupted)
    except ModuleNotFoundError as missing:
        if missing.name not in NEEDED:
            raise
        print(f"all networks are trained; the report needs {missing.name}. Where that is installed, run")
        print(f"  nas report {shlex.quote(str(folder.path))}")


def _given(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """The flags of those options that were given."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]


def _show_plan(session: Session, latency: LatencyConfig | None, threads: int | None, devices: int) -> None:
    import numpy as np
    import pandas as pd

    from nas.score import score
    from nas.show import show
    from nas.study.outcome import latencies
    from nas.study.plan import counted, planned
    from nas.train.data import all_fitted
    from nas.train.runtime import set_threads

    request, data, device = session.request, session.data, session.device
    architectures = all_fitted(request.order, data)
    with progress("counting", len(architectures)) as advance:
        rows = []
        for one in architectures:
            rows.append({"arch": str(one), **score(one)})
            advance()
    table = pd.DataFrame(rows)
    measured = latencies(table, latency)
    show(measured.columns(table) if measured else table, family=architectures[0].family)
    if measured:
        print(wrapped(measured.sentence()))
    linked = table[table["nn_mass"] > 0]
    if len(linked) > 1:
        logs = np.log(linked[["nn_mass", "params"]].to_numpy(float)).T
        of = "" if len(linked) == len(table) else f" ({len(linked)} networks with NN-Mass)"
        print(f"correlation of log NN-Mass and log params{of}: {np.corrcoef(logs)[0, 1]:.2f}")
    trainings = [len(request.order.seeds_of(row)) for row in range(1, len(architectures) + 1)]
    threads = set_threads(threads, architectures, data, request.order.values, device)
    with progress("timing the smallest and the largest network", 2) as advance:
        plan = planned(architectures, data, request.order.values, trainings, device, advance)
    by = f"{device} with {counted(threads, 'thread')}" if device.type == "cpu" else device
    print(wrapped(f"{plan} on {by}, tests and scores not counted"))
    print(wrapped(plan.at(_RATES, devices)))
