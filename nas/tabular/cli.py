"""The command `nas tabular`: judge closed-form scores on networks that others trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.cli import DONE, Parser
from nas.options import add_options, given
from nas.tabular import benchmark
from nas.tabular.request import TabularFolder, TabularRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = Parser("nas tabular", description="Judge closed-form scores on networks that others trained.")
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", help=f"one of {', '.join(benchmark.names())}; see docs/tabular.md"
    )
    add_options(parser, TabularRequest)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"folder for tables and figures ({TabularFolder.under}/...)",
    )
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("the following arguments are required: --data")
    request = TabularRequest(options.benchmark, **given(options, TabularRequest))
    from nas.tabular.judgement import judge
    from nas.tabular.outcome import show_all, write

    found = judge(request)
    folder = TabularFolder.create(request, options.out)
    with folder.locked():
        write(folder, found)
    show_all(found)
    print(f"Kept in {folder.path}")
    return DONE
