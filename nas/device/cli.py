"""The command `nas latency`: measure networks on this device, and fit a score of their latency."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nas import proxies
from nas.cli import BUDGETS_NOTE, DONE, Parser, wrapped
from nas.device.request import LatencyFolder, LatencyRequest
from nas.fitted.score import SUFFIX
from nas.options import add_options, flags_of, given
from nas.query import with_space
from nas.runs import locked, writing
from nas.signals import INTERRUPTED
from search_spaces import RequestError

if TYPE_CHECKING:
    from nas.device.measurement import Sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from nas.device.measurement import Sample
    from nas.device.session import run, search_by

    with ExitStack() as held:
        if options.resume:
            folder = _continued(options, held)
            sample = Sample.drawn(folder.request)
        else:
            folder, sample = _new(options, held)
        outcome = run(folder, sample)
    if outcome is None:
        print(f"interrupted; go on with: {folder.resume}", file=sys.stderr)
        return INTERRUPTED
    from nas.fit.cli import sentence

    for line in (*outcome.sentences(folder.request), sentence(outcome.score)):
        print(wrapped(line))
    print(wrapped(f"Written to {folder.score}; the measured networks are in {folder.path}."))
    if outcome.score.useful:
        print(f"Search by it: {search_by(folder.request, folder, outcome)}")
    return DONE


def _parser() -> Parser:
    parser = Parser(
        "nas latency",
        description="Measure the latency of networks on this device, and fit a score to it, for nas search.",
        epilog=BUDGETS_NOTE,
    )
    parser.add_argument("action", metavar="measure", choices=("measure",), help="the only action")
    add_options(parser, LatencyRequest)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"file of the score, named for it ({{space}}-{{device}}{SUFFIX}, or {{space}}-blocks{SUFFIX});"
        " the folder beside it keeps the measured networks",
    )
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="continue the run in this folder")
    return parser


def _new(options: argparse.Namespace, held: ExitStack) -> tuple[LatencyFolder, Sample]:
    """The folder of a new measurement, locked, and its networks.

    Raises:
        RequestError: The request is wrong, or the folder or file cannot be written.
    """
    request = LatencyRequest(**with_space(given(options, LatencyRequest)))
    device = "blocks" if request.blocks else request.device.replace(":", "")
    default = Path(f"{request.space}-{device}{SUFFIX}")
    out: Path = options.out or default
    if out.suffix != SUFFIX:
        raise RequestError(f"--out {out}: expected a file that ends with {SUFFIX}; write {out}{SUFFIX}")
    proxies.check_new_name(out.stem)
    with writing(out):
        if out.is_dir():
            raise IsADirectoryError(21, "is a folder")
    from nas.device.measurement import Sample, check_blocks, summed

    if request.blocks:
        check_blocks(request)
    sample = Sample.drawn(request)  # its errors come before there is a folder
    if request.blocks:
        summed(request, sample.every)
    folder = LatencyFolder.create(request, out.with_suffix(""))
    held.enter_context(folder.locked())
    return folder, sample


def _continued(options: argparse.Namespace, held: ExitStack) -> LatencyFolder:
    """The folder of an earlier measurement, locked.

    Raises:
        RequestError: There is none, or the options describe another measurement.
    """
    held.enter_context(locked(options.resume))
    folder = LatencyFolder.open(options.resume)
    differing = {
        name: value
        for name, value in given(options, LatencyRequest).items()
        if getattr(folder.request, name) != value
    }
    flags = flags_of(LatencyRequest, differing) + (["--out"] if options.out else [])
    if flags:
        raise RequestError(
            f"--resume {options.resume} continues the run as stored; leave out what differs:"
            f" {'; '.join(flags)}"
        )
    if folder.changes:
        print(f"note: {'; '.join(folder.changes)}: latencies may differ", file=sys.stderr)
    return folder
