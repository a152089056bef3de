"""How often 95% bootstrap intervals of rho contain what they estimate, on samples of Accel-NASBench.

What the interval of a sample estimates is the mean of the rank correlation over all samples of its size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from nas.files import write_whole
from nas.tabular import benchmark
from nas.tabular.correlation import Resamples, correlated
from nas.tabular.frame import scored

HERE = Path(__file__).parent
SIZES = (240, 600)
"""Networks of a sample; 240 are those on which proxies are measured."""
SAMPLES = 400
RESAMPLES = 400
SCORES = ("nn_mass", "params", "depth")


def of_samples(table: pd.DataFrame, size: int, samples: int, resamples: int) -> pd.DataFrame:
    """The correlations of random samples of a table, as `correlated` returns them, one below the other.

    Args:
        table: SCORES, flops and top1 of each network.
        size: Networks of a sample.
        samples: Number of samples.
        resamples: Bootstrap resamples of each.
    """
    found = []
    for seed in range(samples):
        sample = table.sample(size, random_state=seed)
        scores = {name: sample[name].to_numpy(float) for name in SCORES}
        costs = {"flops": sample["flops"].to_numpy(float)}
        drawn = Resamples.of(size, resamples, seed)
        found.append(correlated(scores, sample["top1"].to_numpy(float), costs, drawn))
    return pd.concat(found, ignore_index=True)


def coverage(found: pd.DataFrame) -> pd.DataFrame:
    """How many intervals contain the mean of rho, and how many lie below and above it, in percent.

    Args:
        found: Correlations of samples, as `of_samples` returns them.

    Returns:
        One row per score and cost: score, held_equal, n, samples, rho (the mean), contain, too_low and
        too_high.
    """
    rows = []
    for (score, held, n), group in found.groupby(["score", "held_equal", "n"], sort=False):
        mean = group["rho"].mean()
        below, above = 100 * np.mean(group["rho_high"] < mean), 100 * np.mean(group["rho_low"] > mean)
        rows.append(
            {"score": score, "held_equal": held, "n": n, "samples": len(group), "rho": mean,
             "contain": 100 - below - above, "too_low": below, "too_high": above}
        )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Write intervals.csv, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="anb_dataset_jsons.tar.gz")
    parser.add_argument("--samples", type=int, default=SAMPLES, metavar="N", help="samples of each size")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the table")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    published = benchmark.get("accel-nasbench").read(options.data).averaged()
    table = pd.concat([scored(published.networks), published.table["top1"]], axis=1)
    found = pd.concat(
        [coverage(of_samples(table, size, options.samples, RESAMPLES)) for size in SIZES], ignore_index=True
    )
    write_whole(options.out / "intervals.csv", found.to_csv(index=False, float_format="%.6g"))
    print(found.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
