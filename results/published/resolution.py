"""What resolution and width do to MobileNetV2 on ImageNet, fitted to TF-slim's networks.

Prints the numbers of `nas.fitted.resolution.TF_SLIM` and `nas.optimize.resolution`, and writes
`resolution_rule.csv`: the resolution and width that a search by NN-Mass keeps under caps of FLOPs, and what
the published networks say of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from fit import HERE
from widths import BUDGETS, tfslim

from nas.bounds import Bound
from nas.files import write_whole
from nas.fit.resolution import fitted
from nas.fitted.resolution import TF_SLIM
from nas.optimize.resolution import BASE_FLOPS, ERROR_BY_WIDTH
from nas.optimize.width import kept_width
from nas.tabular import benchmark
from search_spaces import MobileNet, get

SIDES = (96, 128, 160, 192, 224)


def error_by_width(networks: list[MobileNet], top1: np.ndarray) -> tuple[list[float], float]:
    """Coefficients of the logarithm of the error rate at 224 pixels, in powers of log FLOPs; and an error.

    Returns:
        The coefficients, from the constant upward, and the root mean squared error of accuracies, in points,
        each network left out in turn.
    """
    flops = np.array([float(MobileNet(width_mult=one.width_mult).figures().flops) for one in networks])
    effect = np.log([TF_SLIM.factor(one.resolution) for one in networks])
    x = np.vander(np.log(flops / BASE_FLOPS), 3, increasing=True)
    y = np.log(100 - top1) - effect
    solved = np.linalg.lstsq(x, y)[0]
    left_out = (y - x @ solved) / (1 - np.diag(x @ np.linalg.pinv(x)))
    errors = np.exp(y + effect) - np.exp(y - left_out + effect)
    return solved.tolist(), float(np.sqrt(np.mean(errors**2)))


def rule(path: Path) -> pd.DataFrame:
    """What the rule keeps under caps of FLOPs.

    Returns:
        Resolution and width by the rule; the resolution that is best at equal FLOPs by curves through the
        published networks; points of the rule's below that, and above 224 pixels where there are both.
    """
    curves, rows = tfslim(path), []
    for cap in BUDGETS:
        kept = kept_width(get("mobilenet").over(SIDES), [Bound("flops", most=cap)])
        assert kept is not None  # there is a cap
        side = int(kept.chosen.base["resolution"])
        known = {each: curve.at(cap) for each, curve in curves.items() if not curve.octaves_beyond(cap)}
        best = max(known, key=known.__getitem__)
        rows.append(
            {
                "cap": cap,
                "resolution": side,
                "kept_width": kept.chosen.base["width_mult"],
                "best_resolution": best,
                "regret": known[best] - known[side] if side in known else np.nan,
                "points": known[side] - known[224] if {side, 224} <= known.keys() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the fits, and write resolution_rule.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tfslim", type=Path, required=True, metavar="CSV", help="TF-slim's 22 MobileNetV2s")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the table")
    given = parser.parse_args()
    published = benchmark.get("tfslim").read(given.tfslim)
    top1 = published.table["top1"].to_numpy(float)
    found = fitted(published.networks, top1, TF_SLIM.source, TF_SLIM.base)
    print(found, "as stored" if found == TF_SLIM else "NOT as stored")
    coefficients, error = error_by_width(published.networks, top1)
    same = np.allclose(coefficients, ERROR_BY_WIDTH, atol=5e-5)
    print(np.round(coefficients, 4), f"error {error:.2f} points", "as stored" if same else "NOT as stored")
    table = rule(given.tfslim)
    write_whole(given.out / "resolution_rule.csv", table.to_csv(index=False, float_format="%.6g"))
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
