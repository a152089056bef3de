"""Errors of a fitted score and of boosted trees on better networks than those that they were fitted to.

A score of the first half of Accel-NASBench orders the second half at equal FLOPs. The score and the trees are
then fitted to the lower part of it, and judged on the rest.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from judge import TOP1, Trees, options, read, scored
from threadpoolctl import threadpool_limits

from nas.fit.design import bases, levels
from nas.fit.fitting import Choice, solved
from nas.fitted.link import Link

TREES = 1000
CUTS = ((0.8, (0.0, 250e6, 350e6, 450e6, 1e9)), (0.6, (0.0, 250e6, 400e6, 1e9)))
"""Parts of the networks that are fitted to, and bands of FLOPs of the others."""


def main() -> None:
    """Print the mean errors, in points: predicted minus true top-1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="anb_dataset_jsons.tar.gz")
    given = parser.parse_args()
    with threadpool_limits(1):
        top1, _ = read(given.data)
        second, space = top1.second, top1.first.space
        chosen = Choice(
            levels(space, tuple(bases(top1.first.choices)))[-1], Link("saturating", 70.36), 1.0, 0.0
        )
        population, flops = options(space, second.choices), np.log(second.flops)
        guide = scored(solved(top1.first, TOP1, chosen), space, population)
        above = guide - np.polyval(np.polyfit(flops, guide, 3), flops)
        for part, ends in CUTS:
            cut = np.quantile(above, part)
            fitted = second.take(np.flatnonzero(above < cut))
            score, trees = solved(fitted, TOP1, chosen), Trees.of(fitted, TREES)
            for least, most in pairwise(ends):
                inside = (above >= cut) & (second.flops >= least) & (second.flops < most)
                rows, true = population[inside], second.target[inside]
                errors = (scored(score, space, rows) - true).mean(), (trees(rows) - true).mean()
                name = f"best {1 - part:.0%}, {least / 1e6:g}M to {most / 1e6:g}M"
                print(f"{name}: {inside.sum()} networks, score {errors[0]:+.2f}, trees {errors[1]:+.2f}")


if __name__ == "__main__":
    main()
