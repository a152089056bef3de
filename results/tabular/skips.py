"""What a stage without a skip connection costs, on the trained networks of Accel-NASBench.

The first block of a stage changes the number of channels, so a stage of depth 1 has no skip connection and
the second block brings the first. `gains` estimates what each further block of a stage adds to accuracy, in
points and per FLOP. `lacking` ranks networks of equal FLOPs by how many stages lack a skip connection.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray

import search_spaces
from nas.columns import column
from nas.figures import plain
from nas.files import as_png, write_whole
from nas.study.stats import Values
from nas.tabular import benchmark
from nas.tabular.choice import Judge
from nas.tabular.correlation import Resamples
from nas.tabular.frame import scored

HERE = Path(__file__).parent
STAGES = range(1, 8)
SKIPPED = range(2, 7)
"""Stages that have a skip connection in MobileNetV2."""
POOLED = "2 to 6"
EVERYTHING, EXPANDED, NEAREST = "all", "expansions >= 4", "expansions >= 4, SE in at most 2 stages"
"""Samples: all networks; large expansions in stages 2 to 7; those of them nearest to MobileNetV2."""
ANY, MOST = "any NN-Mass", "largest quarter of NN-Mass"
"""Which networks of a sample are averaged; the quarter is of the networks of equal FLOPs."""
RESAMPLES = 1000


def networks(path: Path) -> pd.DataFrame:
    """The networks of Accel-NASBench: choices, scores, costs, top1, and FLOPs of a further block per stage.

    Args:
        path: Its archive, or the folder that it unpacks to.
    """
    published = benchmark.get("accel-nasbench").read(path).averaged()
    choices = pd.DataFrame([network.choices() for network in published.networks]).astype(int)
    blocks = {
        f"block_flops_{stage}": [
            block_flops(stage, *kind)
            for kind in choices[[f"{name}_{stage}" for name in ("expansion", "kernel", "se")]].itertuples(
                index=False
            )
        ]
        for stage in STAGES
    }
    return pd.concat(
        [choices, scored(published.networks), published.table["top1"], pd.DataFrame(blocks)], axis=1
    )


@cache
def block_flops(stage: int, expansion: int, kernel: int, se: int) -> int:
    """FLOPs of a block of a stage beyond its first.

    >>> block_flops(3, 6, 3, 0)  # 240 channels inside, 28 x 28 pixels
    17561600
    """
    space = search_spaces.get("mbconv")
    kind = {f"expansion_{stage}": expansion, f"kernel_{stage}": kernel, f"se_{stage}": bool(se)}
    plain = space.first.choices()
    one, two = (space.of_choices({**plain, **kind, f"depth_{stage}": depth}).figures() for depth in (1, 2))
    return int(two.flops) - int(one.flops)


def samples(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Names and networks of the samples."""
    expanded = (table[[f"expansion_{stage}" for stage in STAGES[1:]]] >= 4).all(axis=1)
    nearest = expanded & (table[[f"se_{stage}" for stage in STAGES]].sum(axis=1) <= 2)
    yield EVERYTHING, table
    yield EXPANDED, table[expanded].reset_index(drop=True)
    yield NEAREST, table[nearest].reset_index(drop=True)


def design(table: pd.DataFrame) -> pd.DataFrame:
    """Indicators of each network: a constant, each value of each choice but the smallest, each further block.

    The columns of blocks are named (stage, block): whether the stage has a block of that number.
    """
    columns: dict[object, Values] = {"constant": np.ones(len(table))}
    for stage in STAGES:
        for name in ("expansion", "kernel", "se"):
            values = table[f"{name}_{stage}"]
            for value in np.unique(values)[1:]:
                columns[f"{name}_{stage} {value}"] = (values == value).to_numpy(float)
        for block in np.unique(table[f"depth_{stage}"])[1:]:
            columns[stage, block] = (table[f"depth_{stage}"] >= block).to_numpy(float)
    return pd.DataFrame(columns)


def gains(table: pd.DataFrame, resamples: Resamples) -> pd.DataFrame:
    """What each further block of a stage adds to accuracy: least squares with all choices as covariates.

    Returns:
        One row per stage and block: points of top-1; mean FLOPs of the block; per_10m, points per 10M FLOPs;
        ratio, per_10m divided by that of the third blocks of stages 2 to 6 together. Stage `POOLED` has the
        means over stages 2 to 6. Each with its bootstrap interval over networks.
    """
    terms = design(table)
    blocks = [name for name in terms if isinstance(name, tuple)]
    costs = table[[f"block_flops_{stage}" for stage in STAGES]].to_numpy(float)
    points = _coefficients(terms, table["top1"].to_numpy(float), resamples, blocks)
    flops = resamples.weights.T @ costs / resamples.weights.sum(axis=0)[:, None]
    added = {name: (points[:, place], flops[:, name[0] - 1]) for place, name in enumerate(blocks)}
    for block in (2, 3):
        pooled = np.array([added[stage, block] for stage in SKIPPED]).mean(axis=0)
        added[POOLED, block] = (pooled[0], pooled[1])
    further = np.divide(*added[POOLED, 3])
    rows = []
    for (stage, block), (gain, cost) in added.items():
        values = {"points": gain, "per_10m": 1e7 * gain / cost, "ratio": gain / cost / further}
        row = {"stage": str(stage), "block": int(block), "flops": cost[0]}
        for name, each in values.items():
            row |= _with_interval(resamples, name, each)
        rows.append(row)
    return pd.DataFrame(rows)


def _coefficients(
    terms: pd.DataFrame, top1: Values, resamples: Resamples, names: list[tuple[int, int]]
) -> NDArray[np.float64]:
    """Coefficients of some terms, shape (columns of weights, names); nan where they are not determined."""
    places = [terms.columns.get_loc(name) for name in names]
    found = np.full((resamples.weights.shape[1], len(names)), np.nan)
    for place, weights in enumerate(resamples.weights.T):
        there = weights > 0
        model = sm.WLS(top1[there], terms.to_numpy()[there], weights[there])
        if np.linalg.matrix_rank(model.exog) == terms.shape[1]:
            found[place] = model.fit().params[places]
    return found


def _with_interval(resamples: Resamples, name: str, values: Values) -> dict[str, float]:
    found = resamples.row(name, values)
    return {key: found[key] for key in (name, f"{name}_low", f"{name}_high")}


def lacking(table: pd.DataFrame, resamples: Resamples) -> pd.DataFrame:
    """Mean accuracy percentile, among networks within 5% of the FLOPs, by the stages that lack a skip.

    Returns:
        Rows for `ANY` and `MOST` networks: lacking (how many of the stages 2 to 6, or which stage), networks,
        percentile with its bootstrap interval over networks.
    """
    flops = table["flops"].to_numpy(float)
    percentiles, of_mass = (
        _percentiles(Judge(flops, table[name].to_numpy(float), resamples)) for name in ("top1", "nn_mass")
    )
    without = (table[[f"depth_{stage}" for stage in SKIPPED]] == 1).to_numpy()
    count = without.sum(axis=1)
    groups = {str(number): count == number for number in range(len(SKIPPED) + 1)}
    groups["1 to 5"] = count > 0
    groups |= {f"stage {stage}": without[:, place] for place, stage in enumerate(SKIPPED)}
    rows = []
    for among, kept in ((ANY, np.ones(len(table), bool)), (MOST, of_mass[:, 0] >= 75)):
        for name, members in groups.items():
            chosen = members & kept & np.isfinite(percentiles[:, 0])
            if chosen.any():
                means = _mean(percentiles[chosen], resamples.weights[chosen])
                row = {"among": among, "lacking": name, "networks": int(chosen.sum())}
                rows.append(row | _with_interval(resamples, "percentile", means))
    return pd.DataFrame(rows)


def _percentiles(judge: Judge) -> NDArray[np.float64]:
    """Percentile of each network, shape (networks, columns of weights)."""
    return np.stack([judge.percentile(network) for network in range(len(judge.cost))])


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Values:
    """Weighted mean of the known values, for each column of weights."""
    weights = np.where(np.isfinite(values), weights, 0)
    with np.errstate(invalid="ignore"):
        means: Values = (np.nan_to_num(values) * weights).sum(axis=0) / weights.sum(axis=0)
    return means


def figure(gained: pd.DataFrame, ranked: pd.DataFrame) -> bytes:
    """A PNG: points per 10M FLOPs of second and third blocks, and percentiles by stages without a skip."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    of = gained[(gained["sample"] == EXPANDED) & gained["stage"].isin([str(stage) for stage in SKIPPED])]
    for block, colour, label in ((2, "C0", "second block: the first skip"), (3, "0.5", "third block")):
        rows = of[of["block"] == block]
        x = np.arange(len(rows)) + 0.12 * (2 * block - 5)
        ends = np.abs(rows[["per_10m_low", "per_10m_high"]].to_numpy().T - rows["per_10m"].to_numpy())
        left.errorbar(x, rows["per_10m"], ends, fmt="o", ms=7, lw=2, color=colour, label=label)
    together = gained[(gained["sample"] == EXPANDED) & (gained["stage"] == POOLED) & (gained["block"] == 3)]
    left.axhline(together["per_10m"].iloc[0], color="0.5", ls=":", label="third blocks together")
    left.set_xticks(range(len(SKIPPED)), [f"stage {stage}" for stage in SKIPPED])
    left.set_ylabel(column("per_10m").label())
    left.set_title("The first skip of a stage against a further block,\nexpansions of at least 4")
    left.set_ylim(0)
    left.legend(loc="upper left", frameon=False)
    for number, (sample, rows) in enumerate(ranked[ranked["among"] == ANY].groupby("sample", sort=False)):
        rows = rows[rows["lacking"].str.isdigit() & (rows["networks"] >= 8)]
        numbers = rows["lacking"].astype(int)
        colour = ("0.5", "C0", "C1")[number]
        right.fill_between(numbers, rows["percentile_low"], rows["percentile_high"], color=colour, alpha=0.15)
        right.plot(numbers, rows["percentile"], "o-", lw=2, color=colour, label=sample)
    right.axhline(50, color="0.8", lw=1, zorder=0)
    right.set_xticks(range(len(SKIPPED) + 1))
    right.set_xlabel("stages of 2 to 6 without a skip connection")
    right.set_ylabel("mean percentile of top-1 at equal FLOPs")
    right.set_title("Networks of equal FLOPs")
    right.legend(loc="lower left", frameon=False)
    plain(left, right)
    return as_png(figure, dpi=100)


def main() -> None:
    """Write skips.csv, lacking.csv and skips.png, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="anb_dataset_jsons.tar.gz")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the tables and figure")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    gained: list[pd.DataFrame] = []
    ranked: list[pd.DataFrame] = []
    for name, sample in samples(networks(options.data)):
        resamples = Resamples.of(len(sample), RESAMPLES)
        for tables, table in ((gained, gains(sample, resamples)), (ranked, lacking(sample, resamples))):
            table.insert(0, "sample", name)
            table.insert(1, "n", len(sample))
            tables.append(table)
    all_gained, all_ranked = (pd.concat(tables, ignore_index=True) for tables in (gained, ranked))
    for name, table in (("skips", all_gained), ("lacking", all_ranked)):
        write_whole(options.out / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    write_whole(options.out / "skips.png", figure(all_gained, all_ranked))
    print("Accuracy per FLOP of a block, third blocks of stages 2 to 6 = 1:")
    print(all_gained.pivot_table("ratio", ["stage", "block"], "sample", sort=False).round(2).to_string())
    print("\nMean percentile of top-1 at equal FLOPs, by the stages of 2 to 6 without a skip:")
    print(
        all_ranked.pivot_table("percentile", ["among", "lacking"], "sample", sort=False).round().to_string()
    )


if __name__ == "__main__":
    main()
