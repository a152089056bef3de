"""How well NN-Mass, costs, width, depth and every two of them fit published accuracies.

Each recipe by itself, the recipes of a family pooled, and all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from nas.study.least_squares import Trained
from nas.study.stats import Values, spearman

TERMS = ("nn_mass", "params", "flops", "width", "depth")
"""What is fitted, as logarithms."""
RANKED_BY = ("nn_mass", "params", "flops")
"""Terms that a search ranks by."""
MEAN = "mean"
"""The fit without a term: the mean accuracy of the recipe."""
LEAST = 4
"""Networks that a recipe needs to be fitted by itself."""
SPARE = 2
"""Networks more than coefficients that a fit needs."""
_RECIPE = ["family", "recipe"]


def trained(table: pd.DataFrame, terms: Sequence[str]) -> Trained:
    """A table's networks, with the logarithms of some terms."""
    logarithms: Values = np.log(table[list(terms)].to_numpy(float)).reshape(len(table), len(terms))
    recipes = table.groupby(_RECIPE, sort=False).ngroup().to_numpy()
    return Trained(logarithms, table["top1"].to_numpy(float), recipes, pd.factorize(table["layout"])[0])


def samples(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """What is fitted, by name: each recipe of enough networks; the recipes of a family pooled; all of them.

    A recipe of one network has nothing to be compared with and is in no pool.
    """
    for (family, recipe), networks in table.groupby(_RECIPE, sort=False):
        if len(networks) >= LEAST:
            yield f"{family}, {recipe}", networks
    shared = table[table.duplicated(_RECIPE, keep=False)]
    families = shared.groupby("family", sort=False)
    pools = {str(family): networks for family, networks in families}
    for pool, networks in {**pools, **({"all": shared} if len(pools) > 1 else {})}.items():
        recipes = len(networks.drop_duplicates(_RECIPE))
        if recipes > 1:
            yield f"{pool}, {recipes} recipes", networks


def fits(table: pd.DataFrame) -> pd.DataFrame:
    """A row a sample and fit: of no term, one or two.

    Returns:
        sample; terms, joined by " + "; networks, layouts, coefficients; rho with accuracy, for one term and
        one recipe; pairs of layouts of one recipe, and pairs_right, how many are told in the right
        order; base_pairs and base_pairs_right, the same of one base width; r2 within recipes; error of
        networks left out in points, with its bootstrap interval over layouts; slope and slope_2, the
        points that a doubling of each term brings, the other kept. A fit of too few networks,
        or that a network left out alone settles, has no r2, error and slopes.
    """
    each = ((), *((term,) for term in TERMS), *combinations(TERMS, 2))
    return pd.DataFrame([_fit(name, rows, terms) for name, rows in samples(table) for terms in each])


def _fit(sample: str, networks: pd.DataFrame, terms: Sequence[str]) -> dict[str, object]:
    one = trained(networks, terms)
    alone, own = len(terms) == 1, len(np.unique(one.recipes)) == 1
    row: dict[str, object] = {
        "sample": sample,
        "terms": " + ".join(terms) or MEAN,
        "networks": len(networks),
        "layouts": len(np.unique(one.layouts)),
        "coefficients": one.coefficients,
        "rho": spearman(one.terms[:, 0], one.accuracy) if alone and own else float("nan"),
    }
    slopes, error = one.slopes(), one.error_left_out()
    enough = len(networks) >= one.coefficients + SPARE and np.isfinite(error.value)
    told = one.ordered() if alone or (terms and enough) else {}
    bases = networks["base"].to_numpy()
    of_one_base = {pair: right for pair, right in told.items() if bases[pair[0]] == bases[pair[1]]}
    for label, values in (("pairs", one.by_layouts(told)), ("base_pairs", one.by_layouts(of_one_base))):
        row |= {label: len(values), f"{label}_right": sum(values.values())}
    if enough and slopes is not None:
        row |= {"r2": one.r_squared(), "error": error.value, "error_low": error.low, "error_high": error.high}
        row |= dict(zip(("slope", "slope_2"), slopes * np.log(2), strict=False))
    return row


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """A row a pair of networks of one recipe.

    Returns:
        family, recipe, better, worse, points of top-1 between them, flops_ratio of the better to the worse,
        and for NN-Mass, parameters and FLOPs whether the better has more.
    """
    said = {term: trained(table, (term,)).ordered() for term in RANKED_BY}
    rows = []
    for pair in trained(table, ()).pairs():
        worse, better = table.iloc[list(pair)].sort_values("top1").to_dict("records")
        rows.append(
            {
                **{name: better[name] for name in _RECIPE},
                "better": better["name"],
                "worse": worse["name"],
                "points": better["top1"] - worse["top1"],
                "flops_ratio": better["flops"] / worse["flops"],
                **{term: told[pair] == 1 for term, told in said.items()},
            }
        )
    return pd.DataFrame(rows)
