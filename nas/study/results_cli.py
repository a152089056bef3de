"""The commands `nas compare` and `nas predict`, and what `nas report` does with studies."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nas.cli import DONE, Parser, wrapped
from nas.latency import LatencyConfig, latency_config
from nas.options import add_options
from nas.runs import locked, writing
from nas.signals import INTERRUPTED, interruptions
from nas.study.folder import StudyFolder
from search_spaces import RequestError

NEEDED = ("rich", "scipy", "matplotlib", "statsmodels")
"""Packages that a report needs and a training does not."""


def recompute(paths: Sequence[Path], latency: LatencyConfig | None) -> int:
    """Compute the tables and figures of trained studies again; returns the exit code.

    Args:
        paths: Different folders.
        latency: How to measure latency; None measures none.

    Raises:
        RequestError: One is not the folder of a trained study, or is damaged or in use.
    """
    with interruptions() as interrupted, ExitStack() as held:
        for path in paths:
            held.enter_context(locked(path))
        for folder in [_trained(path) for path in paths]:
            with _needed("the report"):
                conclude(folder, latency, interrupted)
            if interrupted():
                return INTERRUPTED
    return DONE


def compare(arguments: Sequence[str] | None = None) -> int:
    """`nas compare`: compare finished studies; returns the exit code."""
    what = "Compare finished studies: does accuracy follow one line across base widths?"
    parser = Parser("nas compare", description=what)
    parser.add_argument(
        "studies", nargs="+", type=Path, metavar="FOLDER", help="folders of studies with equal training"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for the tables (results/studies/...)"
    )
    options = parser.parse_args(arguments)
    with _needed("the comparison"):
        from nas.study.outcome import conclude_comparison

        conclude_comparison([StudyFolder.open(path) for path in options.studies], options.out)
    return DONE


def predict(arguments: Sequence[str] | None = None) -> int:
    """`nas predict`: predict accuracies from a finished study; returns the exit code."""
    parser = Parser("nas predict", description="Predict the accuracy of networks from a finished study.")
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="folder of the study to predict from")
    add(
        "table",
        type=Path,
        metavar="TABLE",
        help="candidates.csv of a search, or any table with a column arch",
    )
    add("--score", metavar="NAME", help="closed-form score to fit (nn_mass)")
    add_options(parser, LatencyConfig, exclude=("most",))
    with _needed("the prediction"):
        return _predict(parser.parse_args(arguments))


@contextmanager
def _needed(what: str) -> Iterator[None]:
    """Turn a missing package of `NEEDED` into a RequestError that names it."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in NEEDED:
            raise
        raise RequestError(f"{what} needs {package}; install it") from None


def conclude(folder: StudyFolder, latency: LatencyConfig | None, interrupted: Callable[[], bool]) -> None:
    """Write the tables and figures of a trained study, and print a summary.

    Args:
        folder: Folder of the study.
        latency: How to measure latency; None measures none.
        interrupted: Ends the latency measurement when it returns True.

    Raises:
        ModuleNotFoundError: One of `NEEDED` is not installed.
    """
    from nas.study import outcome

    with writing(folder.path):
        outcome.conclude(folder, latency, interrupted)


def _trained(path: Path) -> StudyFolder:
    folder = StudyFolder.open(path)
    if not folder.complete:
        raise RequestError(f"{path}: not all networks are trained and scored; go on with: {folder.resume}")
    return folder


def _predict(options: argparse.Namespace) -> int:
    from nas.show import show
    from nas.study.outcome import latencies
    from nas.study.predict import predicted
    from nas.study.report import caveat as caveat_of
    from nas.study.report import read_table
    from nas.train.config import from_table

    latency = latency_config(options)
    folder = StudyFolder.open(options.study)
    if not folder.table.exists():
        raise RequestError(f"{folder.path} is not finished; go on with: {folder.resume}")
    trained = read_table(folder.table, (), known=("top1",))
    table = predicted(from_table(options.table, None, None), trained, options.score or "nn_mass")
    caveat = caveat_of(trained, folder.test_images) if {"seeds", "top1_std"} <= set(trained) else ""
    measured = latencies(table, latency)
    family = str(table["arch"].iloc[0]).partition(":")[0]
    show(measured.columns(table) if measured else table, family=family)
    if measured:
        print(wrapped(measured.sentence()))
    if table["outside"].any():
        count = int(table["outside"].sum())
        print(f"{count} outside the scores or base widths of the fit")
    if caveat:
        print(wrapped(f"warning: {caveat}. This line is no evidence."))
    return DONE
