"""How well NN-Mass, costs, width, depth and pairs of them fit published accuracies.

Networks are compared within their recipe: recipes share the slopes, and each has its own intercept. A layout
in several recipes is left out of all of them at once. Scores are logarithms.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

import search_spaces
from nas import proxies
from nas.columns import column
from nas.files import as_png, write_whole
from nas.proxies import Subject
from nas.statistics import Values, spearman
from nas.study.report import logarithmic
from nas.study.stats import Indices, base_of, bootstrapped
from search_spaces import Architecture

HERE = Path(__file__).parent
TERMS = ("nn_mass", "params", "flops", "width", "depth")
RANKED_BY = ("nn_mass", "params", "flops")
"""Terms used as rankings."""
MEAN = "mean"
"""Name of the fit without terms: the mean accuracy of the recipe."""
LEAST = 4
"""Minimum number of networks of a recipe for a fit of its own."""
SPARE = 2
"""Minimum number of networks in excess of coefficients for a fit."""


def published(path: Path = HERE / "networks.csv") -> pd.DataFrame:
    """The published networks with their terms, layout (spec at the default resolution) and base width.

    Args:
        path: CSV file of networks.

    Raises:
        ValueError: The number of parameters of a network differs from the published one.
    """
    table = pd.read_csv(path, dtype={"params_millions": str})
    rows = []
    for _, row in table.iterrows():
        architecture = search_spaces.parse(row["arch"])
        check_size(architecture, row["params_millions"], row["counted"])
        subject = Subject.bare(architecture)
        rows.append(
            {name: proxies.measure(name, subject).value for name in TERMS if name not in table}
            | {
                "layout": str(architecture.of_choices(architecture.choices())),
                "base": f"{architecture.family} {base_of(row['arch'])}",
                "group": f"{row['family']}, {row['recipe']}",
            }
        )
    return table.join(pd.DataFrame(rows))


def check_size(architecture: Architecture, printed: str, counted: str) -> None:
    """Compare an architecture's parameters with the published number.

    Args:
        architecture: The architecture.
        printed: Published parameters in millions, rounded or truncated.
        counted: "all", or "without batch norm".

    Raises:
        ValueError: They differ by one unit of the last printed digit or more.
    """
    ours = int(architecture.figures().params)
    if counted == "without batch norm":
        layers = [layer for layer in architecture.assemble().modules() if isinstance(layer, nn.BatchNorm2d)]
        ours -= sum(weights.numel() for layer in layers for weights in layer.parameters())
    if not matches(ours / 1e6, printed):
        raise ValueError(
            f"{architecture} has {ours:,} parameters ({counted}), not {printed}M; correct the spec"
        )


def matches(number: float, printed: str) -> bool:
    """Whether a number, rounded or truncated, is the printed one.

    >>> matches(3.505, "3.50"), matches(3.51, "3.50")
    (True, False)
    """
    return abs(number - float(printed)) < 10.0 ** -len(printed.partition(".")[2])


@dataclass(frozen=True)
class Sample:
    """Networks as arrays of one row each: recipes as numbers, logarithms of the terms, accuracies."""

    recipes: Indices
    logs: Values
    top1: Values

    @classmethod
    def of(cls, networks: pd.DataFrame, terms: Sequence[str]) -> Sample:
        """The networks of a table."""
        recipes, _ = pd.factorize(networks["group"])
        return cls(recipes, np.log(networks[list(terms)].to_numpy(float)), networks["top1"].to_numpy(float))


class Fit:
    """A least-squares fit of accuracy with an intercept for each recipe and shared slopes.

    Attributes:
        slopes: Points per e-fold of each term; None if the networks do not determine them.
        rest: Sum of squared residuals, in points squared.
    """

    def __init__(self, sample: Sample, rows: NDArray[np.bool_] | None = None) -> None:
        rows = np.ones(len(sample.top1), bool) if rows is None else rows
        known, codes = np.unique(sample.recipes[rows], return_inverse=True)
        design, top1 = np.hstack([np.eye(len(known))[codes], sample.logs[rows]]), sample.top1[rows]
        found, _, rank, _ = np.linalg.lstsq(design, top1)
        self.slopes = found[len(known) :] if rank == len(found) else None
        self.rest = float(np.square(top1 - design @ found).sum())
        self._intercepts = np.full(sample.recipes.max() + 1, np.nan)
        self._intercepts[known] = found[: len(known)]

    def predict(self, sample: Sample) -> Values:
        """Predicted accuracy of networks; nan for an unknown recipe or undetermined slopes."""
        if self.slopes is None:
            return np.full(len(sample.top1), np.nan)
        predicted: Values = self._intercepts[sample.recipes] + sample.logs @ self.slopes
        return predicted


def left_out(networks: pd.DataFrame, terms: Sequence[str]) -> pd.Series:
    """Error of the prediction from all other layouts for each network, in points."""
    sample, (layouts, every) = Sample.of(networks, terms), pd.factorize(networks["layout"])
    errors = np.full(len(networks), np.nan)
    for layout in range(len(every) if len(every) > 1 else 0):
        out = layouts == layout
        errors[out] = (Fit(sample, ~out).predict(sample) - sample.top1)[out]
    return pd.Series(errors, networks.index)


def ordered(networks: pd.DataFrame, terms: Sequence[str]) -> pd.DataFrame:
    """The predicted order of every pair of networks of one recipe with different accuracies, one row each.

    With one term, more is better. Several terms are weighted by a fit without the layouts of the pair; pairs
    without a fit are left out.

    Returns:
        first and second (rows of `networks`), layouts, same_base, and right: 1, 0, or 0.5 for a tie.
    """
    sample = Sample.of(networks, terms)
    top1, layouts, groups, bases = (networks[name].to_numpy() for name in ("top1", "layout", "group", "base"))
    slopes_without: dict[frozenset[str], Values | None] = {}
    rows = []
    for first, second in combinations(range(len(networks)), 2):
        if groups[first] != groups[second] or top1[first] == top1[second]:
            continue
        two = frozenset((layouts[first], layouts[second]))
        if two not in slopes_without:
            rest = (layouts != layouts[first]) & (layouts != layouts[second])
            slopes_without[two] = Fit(sample, rest).slopes if len(terms) > 1 else np.ones(1)
        slopes = slopes_without[two]
        if slopes is not None:
            difference = (sample.logs[first] - sample.logs[second]) @ slopes
            right = (1 + np.sign(difference) * np.sign(top1[first] - top1[second])) / 2
            rows.append((first, second, two, bases[first] == bases[second], right))
    return pd.DataFrame(rows, columns=["first", "second", "layouts", "same_base", "right"])


def samples(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Names and networks of the samples: large recipes, the pool of each family, and the pool of all.

    A recipe of one network allows no comparison and is in no pool.
    """
    for group, networks in table.groupby("group", sort=False):
        if len(networks) >= LEAST:
            yield str(group), networks
    shared = table[table.duplicated("group", keep=False)]
    for family, networks in [*shared.groupby("family", sort=False), ("all", shared)]:
        if (recipes := networks["group"].nunique()) > 1:
            yield f"{family}, {recipes} recipes", networks


def fits(table: pd.DataFrame) -> pd.DataFrame:
    """Fits of zero, one and two terms to each sample, one row each, as README.md describes."""
    each = ((), *((term,) for term in TERMS), *combinations(TERMS, 2))
    return pd.DataFrame([_row(name, networks, terms) for name, networks in samples(table) for terms in each])


def _row(sample: str, networks: pd.DataFrame, terms: Sequence[str]) -> dict[str, object]:
    alone, recipes = len(terms) == 1, networks["group"].nunique()
    coefficients = len(terms) + recipes
    row: dict[str, object] = {
        "sample": sample,
        "terms": " + ".join(terms) or MEAN,
        "networks": len(networks),
        "layouts": networks["layout"].nunique(),
        "coefficients": coefficients,
        "rho": spearman(*networks[[*terms, "top1"]].to_numpy(float).T) if alone and recipes == 1 else np.nan,
    }
    errors = left_out(networks, terms)
    enough = len(networks) >= coefficients + SPARE and errors.notna().all()
    ordered_pairs = ordered(networks if alone or (terms and enough) else networks.iloc[:0], terms)
    for label, some in (
        ("pairs", ordered_pairs),
        ("base_pairs", ordered_pairs[ordered_pairs["same_base"].astype(bool)]),
    ):
        right = some.groupby("layouts")["right"].mean()
        row |= {label: len(right), f"{label}_right": right.sum()}
    fit = Fit(Sample.of(networks, terms))
    if enough and fit.slopes is not None:
        row |= {"r2": 1 - fit.rest / Fit(Sample.of(networks, ())).rest, **_error(errors, networks["layout"])}
        row |= dict(zip(("slope", "slope_2"), fit.slopes * np.log(2), strict=False))
    return row


def _error(errors: pd.Series, layouts: pd.Series) -> dict[str, float]:
    """Root of the mean squared error, and its bootstrap interval over layouts."""
    squared = errors.pow(2).groupby(layouts, sort=False).agg(["sum", "size"]).to_numpy(float)

    def root_of_mean(which: Indices) -> float:
        total, count = squared[which].sum(axis=0)
        return float(np.sqrt(total / count))

    found = bootstrapped(root_of_mean, len(squared), least=1)
    return {"error": found.value, "error_low": found.low, "error_high": found.high}


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Pairs of networks of one recipe, one row each: difference in points, and which terms order them."""
    right = {term: ordered(table, (term,))["right"] == 1 for term in RANKED_BY}
    rows = []
    for pair in ordered(table, RANKED_BY[:1]).itertuples():
        worse, better = table.iloc[[pair.first, pair.second]].sort_values("top1").to_dict("records")
        rows.append(
            {
                "family": better["family"],
                "recipe": better["recipe"],
                "better": better["name"],
                "worse": worse["name"],
                "points": better["top1"] - worse["top1"],
                "flops_ratio": better["flops"] / worse["flops"],
            }
        )
    return pd.DataFrame(rows).assign(**right)


def figure(table: pd.DataFrame) -> bytes:
    """A PNG with a row for each family, a column for each score and a colour for each recipe.

    Each layout is labelled once, at its leftmost point.
    """
    from matplotlib.figure import Figure

    families = table["family"].unique()
    figure = Figure(figsize=(14, 5 * len(families)), layout="constrained")
    panels = figure.subplots(len(families), len(RANKED_BY), squeeze=False, sharey="row")
    for row, family in zip(panels, families, strict=True):
        networks = table[table["family"] == family]
        for panel, score in zip(row, RANKED_BY, strict=True):
            for number, (recipe, of_recipe) in enumerate(networks.groupby("recipe", sort=False)):
                panel.scatter(of_recipe[score], of_recipe["top1"], s=18, color=f"C{number}", label=recipe)
            named = networks.sort_values([score, "top1"], ascending=[True, False]).drop_duplicates("layout")
            for x, top1, name in zip(named[score], named["top1"], named["name"], strict=True):
                panel.annotate(
                    name, (x, top1), xytext=(1, 4), textcoords="offset points", rotation=35, fontsize=7
                )
            logarithmic(panel, score)
        row[0].set_ylabel(f"{family}: {column('top1').label('on ImageNet')}")
        row[-1].legend(fontsize=7, loc="lower right")
    return as_png(figure, dpi=110)


def main() -> None:
    """Write fits.csv, pairs.csv and published.png, and print the errors and the pairs in the right order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the tables and figure")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    table = published()
    fitted, ordered_pairs = fits(table), pairs(table)
    write_whole(folder / "fits.csv", fitted.to_csv(index=False, float_format="%.6g"))
    write_whole(folder / "pairs.csv", ordered_pairs.to_csv(index=False, float_format="%.6g"))
    write_whole(folder / "published.png", figure(table))
    fitted["right"] = fitted["pairs_right"] / fitted["pairs"]
    for title, shown in (
        ("Error in points, leaving layouts out", "error"),
        ("Pairs in the right order", "right"),
    ):
        wide = fitted[fitted["terms"].isin([MEAN, *TERMS])].pivot_table(shown, "sample", "terms", sort=False)
        print(f"\n{title}:\n{wide.round(2).to_string()}")


if __name__ == "__main__":
    main()
