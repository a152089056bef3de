"""The command `nas exact`: proven optima inside budgets, Pareto fronts, counts and uniform samples."""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas import exact
from nas.cli import BUDGETS_NOTE, DONE, FORMATS, Parser, wrapped
from nas.options import add_options, given
from nas.query import Query, with_space
from nas.values import MOST_DRAWN, MOST_ROWS, MOST_SEED, at_least
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd

_best, _estimate, _front, _sample = (
    inspect.unwrap(each) for each in (exact.best, exact.estimate, exact.front, exact.sample)
)
"""The functions themselves, whose errors name options of the command."""
_OF_LIKE = {"like", "minimize", "across_widths"}
"""Fields of a query that set another goal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    query = with_space(given(options, Query))
    space, pareto = query.pop("space"), query.pop("pareto", None)
    inside = {**query.pop("budgets", {}), **query}
    if not (pareto or options.sample or options.count):
        table = _best(space, options.top or 10, **inside)
        _print(table, options, _certainty(table, "is better than the last one"))
        return DONE
    if query.keys() & _OF_LIKE:
        raise RequestError("--like minimises a cost; leave out --pareto, --count and --sample")
    if "score" in query and not pareto:
        raise RequestError("--score ranks networks; leave out --count and --sample")
    if options.count:
        count, rounding = _estimate(space, **inside)
        print(count if not rounding else f"about {count} (sums rounded by up to {100 * rounding:.1g}%)")
    elif pareto:
        table = _front(space, pareto, **inside)
        _print(table, options, _certainty(table, "lies above the front"))
    else:
        table = _sample(space, options.sample, options.seed, **inside)
        _print(
            table, options, f"A uniform random sample of {len(table):,} of the networks inside the budgets."
        )
    return DONE


def _parser() -> Parser:
    parser = Parser("nas exact", description="Exact answers about a whole space.", epilog=BUDGETS_NOTE)
    add_options(parser, Query, exclude=("pareto",))
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--top", type=at_least(1, MOST_ROWS), metavar="K", help="the K best (10)")
    kind.add_argument(
        "--pareto",
        metavar="COST",
        help="the Pareto front of NN-Mass, or --score, against flops, macs, params or a fitted score",
    )
    kind.add_argument("--front", dest="pareto", help=argparse.SUPPRESS)  # its earlier name
    kind.add_argument("--count", action="store_true", help="the number of networks inside the budgets")
    kind.add_argument(
        "--sample", type=at_least(1, MOST_DRAWN), metavar="N", help="a uniform random sample of N networks"
    )
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=0, help="seed of the sample (0)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print the table")
    return parser


def _certainty(table: pd.DataFrame, better: str) -> str:
    gap = table.attrs["gap"]
    if gap == 0:
        return f"Proven: no other network {better}."
    if math.isinf(gap):
        return f"Not proven: other networks may be as good as these {len(table):,}."
    return f"Proven to {100 * gap:.2g}%: no other network {better} by more than that."


def _print(table: pd.DataFrame, options: argparse.Namespace, sentence: str) -> None:
    from nas.show import predictions, show

    family = table["arch"].iloc[0].partition(":")[0]
    show(table.drop(columns="front", errors="ignore"), options.format, family)
    if options.format == "table":
        for note in (sentence, *predictions(table)):
            print(wrapped(note))
