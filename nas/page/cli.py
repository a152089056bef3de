"""The command `nas report`: a page of any runs, and tables and figures of studies computed again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nas.cli import DONE, Parser, wrapped
from nas.latency import LatencyConfig, latency_config
from nas.options import add_options
from nas.read import opened
from search_spaces import RequestError

USUAL = Path("report.html")
"""The page of runs other than studies, if no path is given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = Parser(
        "nas report",
        description="Write a page of runs: one HTML file with their networks, drawings, curves and evidence."
        " Without --out, tables and figures of trained studies are computed again from their CSV files.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders of searches, trainings, studies, tabular benchmarks, ...; also CSVs with a column arch,"
        " and files of nas fit",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"the page ({USUAL}; for studies none)")
    add_options(parser, LatencyConfig, exclude=("most",))
    options = parser.parse_args(arguments)
    latency, paths = latency_config(options), list(dict.fromkeys(options.folders))
    if options.out is None and not any(map(_is_no_study, paths)):
        from nas.study.results_cli import recompute

        return recompute(paths, latency)
    if latency is not None:
        raise RequestError("--latency measures the networks of studies again, without --out; leave it out")
    print(wrapped(f"Page: {report(paths, options.out or USUAL)}"))
    return DONE


def report(paths: Sequence[Path], out: Path) -> Path:
    """Write a page of some folders and files; returns its path.

    Raises:
        RequestError: One is not a run, or is damaged; or the page cannot be written.
    """
    from nas.page.render import check_writable, page_of, write
    from nas.page.runs import run_of

    check_writable(out)
    page = page_of([run_of(path) for path in paths])
    write(page, out)
    for note in page.notes:
        print(wrapped(f"note: {note}"), file=sys.stderr)
    return out


def report_of_folder(folder: Path, aside: bool) -> None:
    """Write the page of a run into its folder, and print its path.

    Args:
        aside: Whether to print on standard error, since standard output is for a program.
    """
    print(wrapped(f"Page: {report([folder], folder / USUAL)}"), file=sys.stderr if aside else sys.stdout)


def _is_no_study(path: Path) -> bool:
    """Whether a path is a table, a score or a run other than a study.

    Raises:
        RequestError: It is none of these and no study.
    """
    if path.is_file() and path.suffix in (".csv", ".json"):
        return True
    return opened(path)[0] != "study"
