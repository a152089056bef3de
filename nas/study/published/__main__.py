"""The command `python -m nas.study.published`: fit the accuracies of a table of published networks."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.signals import guard

    guard()  # before the slow imports

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli import DONE, Parser, run
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd

_TITLES = {
    "mean": "mean",
    "nn_mass": "NN-Mass",
    "params": "parameters",
    "flops": "FLOPs",
    "width": "width",
    "depth": "depth",
    "two": "two",
}
_TWO = "two"
_NEAR = 1.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the table, fit it, keep the fits and show them; returns the exit code."""
    parser = Parser(
        "python -m nas.study.published",
        description="How well NN-Mass, costs, width and depth fit published accuracies.",
    )
    parser.add_argument("table", type=Path, help="the networks, as results/published/networks.csv")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to keep the fits (with the table)")
    options = parser.parse_args(arguments)

    from nas.files import write_whole
    from nas.runs import writing
    from nas.study.published.figure import figure
    from nas.study.published.fits import LEAST, fits, pairs
    from nas.study.published.networks import published

    table = published(options.table)
    found, told = fits(table), pairs(table)
    if found.empty:
        raise RequestError(f"{options.table}: no recipe has {LEAST} networks, nor are there two to pool")
    folder = options.out or options.table.parent
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "fits.csv", found.to_csv(index=False, float_format="%.6g"))
        write_whole(folder / "pairs.csv", told.to_csv(index=False, float_format="%.6g"))
        write_whole(folder / "published.png", figure(table))
    _say(table, found, told)
    print(f"Kept in {folder}")
    return DONE


def _say(table: pd.DataFrame, found: pd.DataFrame, told: pd.DataFrame) -> None:
    import pandas as pd

    from nas.show import show
    from nas.study.published.fits import MEAN, RANKED_BY, SPARE, TERMS

    recipes = len(table.drop_duplicates(["family", "recipe"]))
    layouts = table["layout"].nunique()
    print(f"{len(table)} networks, {layouts} layouts, {recipes} recipes; all of the published size")
    errors, orders = [], []
    for sample, rows in found.groupby("sample", sort=False):
        by_terms = rows.set_index("terms")
        error, right = by_terms["error"], by_terms["pairs_right"] / by_terms["pairs"]
        best = {**error[[MEAN, *TERMS]], _TWO: error.drop([MEAN, *TERMS]).min()}
        networks, pairs = by_terms.loc[TERMS[0], ["networks", "pairs"]].astype(int)
        errors.append({"name": sample, "n": networks, **_written(best, ".2f")})
        orders.append({"name": sample, "pairs": pairs, **_written({**right[list(TERMS)]}, ".0%")})
    print("\nError in points of networks whose layout is left out of the fit:")
    show(pd.DataFrame(errors))
    print("mean: without a term; two: the two terms of least error. None where there are")
    print(f"not {SPARE} networks more than coefficients, or one left out alone settles a slope.")
    print("\nPairs of layouts of one recipe in the right order, if more is better:")
    show(pd.DataFrame(orders))
    print("\nPairs of networks on which NN-Mass, parameters and FLOPs differ:")
    rows = told[told[list(RANKED_BY)].nunique(axis=1) > 1]
    shown = pd.DataFrame({"name": rows["recipe"] + ": " + rows["better"] + " over " + rows["worse"]})
    shown["points"] = rows["points"].map("{:.2f}".format)
    for term in RANKED_BY:
        shown[_TITLES[term]] = rows[term].map({True: "right", False: "wrong"})
    show(shown)
    near = told[told["flops_ratio"].between(1 / _NEAR, _NEAR)]
    counts = ", ".join(f"{_TITLES[term]} {int(near[term].sum())}" for term in RANKED_BY)
    print(f"{len(near)} pairs have FLOPs within a tenth of one another.\nRight there: {counts}")


def _written(numbers: Mapping[Any, float], form: str) -> dict[str, str]:
    """Numbers by title as they are shown; nothing where there is none."""
    return {_TITLES[term]: "" if number != number else f"{number:{form}}" for term, number in numbers.items()}


if __name__ == "__main__":
    run(main)
