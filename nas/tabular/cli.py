"""The command `nas tabular`: judge scores on networks that others trained."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from nas.cli import DONE, Parser
from nas.options import add_options, flags_of, given
from nas.runs import locked
from nas.signals import INTERRUPTED
from nas.tabular import benchmark
from nas.tabular.request import TabularFolder, TabularRequest
from nas.tasks import Cluster, cluster_of
from search_spaces import RequestError

_MOVED = ("data", "image_folder")
"""Fields that may differ where a run is resumed: its files have been moved."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from nas.tabular.outcome import show_all
    from nas.tabular.session import Session

    with ExitStack() as held:
        folder = None
        if options.resume:
            held.enter_context(locked(options.resume))
            folder = TabularFolder.open(options.resume)
            if folder.changes:
                changes = "; ".join(folder.changes)
                print(f"note: {changes}: measured scores may differ in rounding", file=sys.stderr)
        request = _continued(folder.request, options) if folder else _request(options)
        folder, found = Session.prepared(request, cluster_of(options)).run(folder, options.out)
    if found is None:
        print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
        return INTERRUPTED
    show_all(found)
    print(f"Kept in {folder.path}")
    return DONE


def _parser() -> Parser:
    parser = Parser("nas tabular", description="Judge scores on networks that others trained.")
    names = ", ".join(benchmark.names())
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", nargs="?", help=f"one of {names}; see docs/tabular.md"
    )
    add_options(parser, TabularRequest)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"folder for tables and figures ({TabularFolder.under}/...)",
    )
    add_options(parser, Cluster)
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="continue the run in this folder")
    return parser


def _request(options: argparse.Namespace) -> TabularRequest:
    missing = [
        name for name, value in (("BENCHMARK", options.benchmark), ("--data", options.data)) if not value
    ]
    if missing:
        _parser().error(f"the following arguments are required: {', '.join(missing)}")
    return TabularRequest(options.benchmark, **given(options, TabularRequest))


def _continued(request: TabularRequest, options: argparse.Namespace) -> TabularRequest:
    """The stored request, with the files of the options; other options must equal what is stored.

    Raises:
        RequestError: The options describe another run.
    """
    values = given(options, TabularRequest)
    moved = {name: values.pop(name) for name in _MOVED if name in values}
    differing = [name for name, value in values.items() if getattr(request, name) != value]
    flags = flags_of(TabularRequest, {name: values[name] for name in differing})
    flags += ["--out"] if options.out else []
    flags += [options.benchmark] if options.benchmark not in (None, request.benchmark) else []
    if flags:
        raise RequestError(
            f"--resume {options.resume} continues the run as stored; leave out what differs:"
            f" {'; '.join(flags)}"
        )
    return replace(request, **moved)
