"""The command `nas fit`: a score fitted to trained networks, written as a file of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.cli import DONE, Parser, wrapped
from nas.files import check_target, write_whole
from nas.fit.request import FitRequest
from nas.fitted.score import SUFFIX, FittedScore
from nas.options import add_options, given
from nas.runs import writing
from nas.tabular import benchmark


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    request = FitRequest(options.table, **given(options, FitRequest))
    out = options.out or Path(f"{request.target}{SUFFIX}")
    check_target("--out", out, SUFFIX)
    request.aim(out.stem)  # its errors come before the networks are read
    trained = request.trained()
    for note in trained.notes:
        print(wrapped(note))
    score = request.fitted(out.stem, trained)
    with writing(out):
        write_whole(out, score.written())
    print(wrapped(sentence(score)))
    by_it = f" Search by it: nas search --space {trained.space.name} --score {out}" if score.useful else ""
    print(wrapped(f"Written to {out}.{by_it}"))
    return DONE


def sentence(score: FittedScore) -> str:
    """A fit in words: what it predicts, by which terms, and its quality on held-out networks."""
    found = score.quality
    assert found is not None  # every fit measures it
    caution = "" if score.useful else " Caution: chance ranks as well; do not search by it."
    within = "" if found.equal_flops is None else f", {found.equal_flops:.3f} at equal FLOPs"
    better = "more is better" if score.more_is_better else "less is better"
    return (
        f"Fitted {score.name}: {score.target} of {score.networks:,} networks ({better}), by {score.terms},"
        f" {score.link}."
        f" On held-out networks ({found.folds} folds): R² {found.r2:.4f},"
        f" error {found.rmse:.3g}{score.unit_of_errors}, rank correlation {found.rho:.3f}{within};"
        f" 90% intervals contain {100 * found.coverage:.1f}%. Networks"
        " chosen as the best under a budget are worse than predicted by"
        f" {score.optimism_text()}.{caution}"
    )


def _parser() -> Parser:
    parser = Parser(
        "nas fit", description="Fit a score to trained networks: a sum of terms of stages, for nas search."
    )
    names = ", ".join(benchmark.names())
    parser.add_argument(
        "table",
        metavar="TABLE",
        help="a CSV with columns arch and the target, the folder of a training or study, or a tabular"
        f" benchmark: one of {names}",
    )
    add_options(parser, FitRequest)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"file of the score, named for it ({{target}}{SUFFIX})"
    )
    return parser
