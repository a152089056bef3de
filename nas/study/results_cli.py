"""The commands `nas report`, `nas compare` and `nas predict`, which read finished studies."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nas.cli import DONE, Parser
from nas.latency import LatencyConfig, add_latency, wanted
from nas.runs import locked, writing
from nas.signals import INTERRUPTED, interruptions
from nas.study.folder import StudyFolder
from search_spaces import RequestError

NEEDED = ("rich", "scipy", "matplotlib", "statsmodels")
"""Packages that a report needs, and a training does not."""


def report(arguments: Sequence[str] | None = None) -> int:
    """Report on finished studies again, from their own tables; returns the exit code."""
    parser = Parser("nas report", description="Recompute the tables and figures of studies from their CSVs.")
    parser.add_argument("studies", nargs="+", type=Path, metavar="FOLDER", help="studies that are trained")
    add_latency(parser)
    options = parser.parse_args(arguments)
    asked = wanted(options)
    with interruptions() as interrupted, ExitStack() as held:
        for path in dict.fromkeys(options.studies):
            held.enter_context(locked(path))
        folders = [_trained(path) for path in dict.fromkeys(options.studies)]
        for folder in folders:
            with _needed("the report"):
                conclude(folder, asked, interrupted)
            if interrupted():
                return INTERRUPTED
    return DONE


def compare(arguments: Sequence[str] | None = None) -> int:
    """Put finished studies together; returns the exit code."""
    what = "Put finished studies together: is accuracy one line across base widths?"
    parser = Parser("nas compare", description=what)
    parser.add_argument("studies", nargs="+", type=Path, metavar="FOLDER", help="studies that trained alike")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to keep the tables (results/studies/...)"
    )
    options = parser.parse_args(arguments)
    with _needed("the comparison"):
        from nas.study.outcome import conclude_together

        conclude_together([StudyFolder.open(path) for path in options.studies], options.out)
    return DONE


def predict(arguments: Sequence[str] | None = None) -> int:
    """Predict accuracies from a finished study; returns the exit code."""
    parser = Parser("nas predict", description="Predict the accuracy of networks from a finished study.")
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="folder of the study to predict from")
    add(
        "table",
        type=Path,
        metavar="TABLE",
        help="candidates.csv of a search, or any table with a column arch",
    )
    add("--score", metavar="NAME", help="closed-form score to predict by (nn_mass)")
    add_latency(parser)
    with _needed("the prediction"):
        return _predict(parser.parse_args(arguments))


@contextmanager
def _needed(what: str) -> Iterator[None]:
    """Name a package of `NEEDED` that is missing in one line."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in NEEDED:
            raise
        raise RequestError(f"{what} needs {package}; install it") from None


def conclude(folder: StudyFolder, asked: LatencyConfig | None, interrupted: Callable[[], bool]) -> None:
    """Write the tables and figures of a trained study, and print what they say.

    Raises:
        ModuleNotFoundError: One of `NEEDED` is not installed.
    """
    from nas.study import outcome

    with writing(folder.path):
        outcome.conclude(folder, asked, interrupted)


def _trained(path: Path) -> StudyFolder:
    folder = StudyFolder.open(path)
    if not folder.complete:
        raise RequestError(f"{path}: networks are left to score or to train; go on with: {folder.resume}")
    return folder


def _predict(options: argparse.Namespace) -> int:
    from nas.show import rendered, show
    from nas.study.outcome import latencies
    from nas.study.predict import predicted
    from nas.study.report import read_table, reservation
    from nas.train.config import from_table

    asked = wanted(options)
    folder = StudyFolder.open(options.study)
    if not folder.table.exists():
        raise RequestError(f"{folder.path} is not finished; go on with: {folder.resume}")
    known = read_table(folder.table, (), known=("top1",))
    table = predicted(from_table(options.table, None, None), known, options.score or "nn_mass")
    doubt = reservation(known, folder.test_images) if {"seeds", "top1_std"} <= set(known) else ""
    measured = latencies(table, asked)
    family = str(table["arch"].iloc[0]).partition(":")[0]
    show(measured.columns(table) if measured else table, family=family)
    if measured:
        print(rendered(measured.sentence()), end="")
    if table["outside"].any():
        count = int(table["outside"].sum())
        print(f"{count} lie outside the scores, or the base widths, that the line was fitted on")
    if doubt:
        print(rendered(f"warning: {doubt}. Nothing follows from this line."), end="")
    return DONE
