"""Depth against width, and resolution against width, at equal FLOPs, in published MobileNetV2s.

The accuracy of MobileNetV2 at the FLOPs of another network is interpolated between published MobileNetV2s of
one recipe, linearly in the logarithm of FLOPs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from fit import HERE, check_size, matches

import search_spaces
from nas import proxies
from nas.columns import column
from nas.files import as_png, write_whole
from nas.proxies import Subject
from nas.study.report import logarithmic
from nas.study.stats import Values
from search_spaces import Architecture, MobileNet
from search_spaces.mobilenet import DEPTHS

RESOLUTION = 224
WIDTHS = tuple(step / 20 for step in range(7, 61))
"""The widths of the space, continued in its steps, so that its largest width limits no comparison."""
BUDGETS = (25e6, 50e6, 75e6, 100e6, 125e6, 150e6, 200e6, 230e6, 300e6)
"""FLOPs of the table of resolutions."""
SHOWN_FLOPS, SHOWN_TOP1 = (170e6, 2e9), (67.5, 78.5)
"""Limits of the figure of widths, around the deeper networks."""
STEPS = 1000
"""Budgets between the smallest and the largest, for the best resolution of each and for figures."""
UNITS = {"M": 1e6, "G": 1e9}
_PADDLECLAS = (1.0, 2.0)
"""Widths of the MobileNetV2s of PaddleClas that are networks of the space."""


@dataclass(frozen=True)
class Curve:
    """Accuracy of networks of one recipe against FLOPs, linear in log FLOPs between two neighbours.

    Attributes:
        flops: FLOPs of the networks, ascending.
        top1: Their accuracies.
    """

    flops: Values
    top1: Values

    @classmethod
    def of(cls, networks: pd.DataFrame) -> Curve:
        """The curve through the networks of a table."""
        ascending = networks.sort_values("flops")
        return cls(ascending["flops"].to_numpy(float), ascending["top1"].to_numpy(float))

    def at(self, flops: float) -> float:
        """Accuracy at some FLOPs; beyond the ends of two or more networks the last segment goes on."""
        if not self.octaves_beyond(flops):
            return float(np.interp(np.log(flops), np.log(self.flops), self.top1))
        end = slice(-2, None) if flops > self.flops[-1] else slice(0, 2)
        (from_, to), (low, high) = np.log(self.flops[end]), self.top1[end]
        return float(low + (high - low) * (np.log(flops) - from_) / (to - from_))

    def octaves_beyond(self, flops: float) -> float:
        """Distance from the nearest end in doublings of FLOPs; 0 between the ends."""
        return float(max(0.0, np.log2(flops / self.flops[-1]), np.log2(self.flops[0] / flops)))

    def without(self, index: int) -> Curve:
        """The curve through the other networks."""
        return Curve(np.delete(self.flops, index), np.delete(self.top1, index))


def check_printed(architecture: Architecture, printed: str, counted: str) -> None:
    """Compare a cost of an architecture with the published one.

    Args:
        architecture: The architecture.
        printed: Published value with its unit, such as "1.2G", rounded or truncated.
        counted: Name of the cost.

    Raises:
        ValueError: They differ by one unit of the last printed digit or more.
    """
    ours = float(getattr(architecture.figures(), counted))
    if not matches(ours / UNITS[printed[-1]], printed[:-1]):
        raise ValueError(f"{architecture} has {ours:,.0f} {counted}, not {printed}; correct the spec")


def published(folder: Path = HERE) -> pd.DataFrame:
    """The published MobileNetV2s and variants of both tables, with FLOPs, depth and resolution.

    Raises:
        ValueError: A cost of a network differs from the published one.
    """
    first = pd.read_csv(folder / "networks.csv", dtype={"params_millions": str})
    first = first[first["family"] == "mobilenetv2"]
    second = pd.read_csv(folder / "equal_flops.csv", dtype={"printed": str})
    for row in first.itertuples():
        check_size(search_spaces.parse(row.arch), row.params_millions, row.counted)
    for row in second.itertuples():
        check_printed(search_spaces.parse(row.arch), row.printed, row.counted)
    shared = [name for name in first if name in second]
    table = pd.concat([first[shared], second[shared]], ignore_index=True)
    architectures = [search_spaces.parse(arch) for arch in table["arch"]]
    return table.assign(
        flops=[float(architecture.figures().flops) for architecture in architectures],
        depth=[proxies.measure("depth", Subject.bare(architecture)).value for architecture in architectures],
        deeper=[architecture.depths != DEPTHS for architecture in architectures],
        resolution=[architecture.resolution for architecture in architectures],
    )


def baselines(table: pd.DataFrame) -> dict[str, Curve]:
    """The curve of MobileNetV2 at 224 pixels for each recipe with at least two widths."""
    chosen = table[~table["deeper"] & (table["resolution"] == RESOLUTION)]
    return {
        str(recipe): Curve.of(some) for recipe, some in chosen.groupby("recipe", sort=False) if len(some) > 1
    }


@cache
def _flops_of_widths(resolution: int) -> Values:
    networks = (MobileNet(width_mult=width, resolution=resolution) for width in WIDTHS)
    return np.array([float(network.figures().flops) for network in networks])


def kept_width(flops: float, resolution: int = RESOLUTION) -> float:
    """The largest width at which MobileNetV2 meets a budget; nan if none does.

    >>> kept_width(400e6), kept_width(314_193_216), kept_width(314_193_215)
    (1.1, 1.0, 0.95)
    """
    meeting = int(np.searchsorted(_flops_of_widths(resolution), flops, side="right"))
    return WIDTHS[meeting - 1] if meeting else np.nan


def _nn_mass(architecture: Architecture) -> float:
    return float(proxies.measure("nn_mass", Subject.bare(architecture)).value)


def widths(table: pd.DataFrame) -> pd.DataFrame:
    """Deeper networks against MobileNetV2 at equal FLOPs, one row each.

    A network of a recipe without MobileNetV2s is compared with every recipe that has them on both sides.

    Returns:
        The network; the width that the rule keeps at its FLOPs; its NN-Mass, also relative to that of
        MobileNetV2 at the kept width (`nn_mass_ratio`); the recipe of the MobileNetV2s (`baseline`); the
        doublings of FLOPs beyond them (`octaves`); their accuracy at equal FLOPs (`baseline_top1`); and the
        points that the network is above it.
    """
    curves, rows = baselines(table), []
    for row in table[table["deeper"]].itertuples():
        around = [recipe for recipe, curve in curves.items() if not curve.octaves_beyond(row.flops)]
        for recipe in [row.recipe] if row.recipe in curves else around:
            expected = curves[recipe].at(row.flops)
            rows.append(
                {
                    "recipe": row.recipe,
                    "name": row.name,
                    "arch": row.arch,
                    "flops": row.flops,
                    "depth": row.depth,
                    "width": row.width,
                    "kept_width": (width := kept_width(row.flops)),
                    "nn_mass": (mass := _nn_mass(search_spaces.parse(row.arch))),
                    "nn_mass_ratio": mass / _nn_mass(MobileNet(width_mult=width)),
                    "top1": row.top1,
                    "baseline": recipe,
                    "octaves": curves[recipe].octaves_beyond(row.flops),
                    "baseline_top1": expected,
                    "points": row.top1 - expected,
                }
            )
    return pd.DataFrame(rows)


def interpolation_errors(curves: Mapping[str, Curve]) -> pd.DataFrame:
    """Errors in points at networks that a curve leaves out, one row each; the ends are extrapolated."""
    rows = []
    for name, curve in curves.items():
        for index in range(len(curve.flops) if len(curve.flops) > 2 else 0):
            flops, rest = curve.flops[index], curve.without(index)
            rows.append((name, flops, rest.octaves_beyond(flops), rest.at(flops) - curve.top1[index]))
    return pd.DataFrame(rows, columns=["curve", "flops", "octaves", "error"])


def tfslim(path: Path) -> dict[int, Curve]:
    """The curves of MobileNetV2 of TF-slim, by resolution.

    Args:
        path: CSV file with the columns width, resolution, macs_M and top1.

    Raises:
        ValueError: MACs of a network differ from the published ones.
    """
    table = pd.read_csv(path, dtype={"macs_M": str})
    flops = []
    for row in table.itertuples():
        network = MobileNet(width_mult=row.width, resolution=row.resolution)
        check_printed(network, f"{row.macs_M}M", "macs")
        flops.append(float(network.figures().flops))
    return {int(side): Curve.of(some) for side, some in table.assign(flops=flops).groupby("resolution")}


def paddleclas(path: Path) -> pd.DataFrame:
    """PaddleClas's MobileNetV2s of widths 1.0 and 2.0, in rows as those of `published`.

    At its other widths PaddleClas does not round channels to multiples of 8, so those are other networks: its
    numbers of parameters, which include the statistics of batch normalisation, agree only without rounding.

    Args:
        path: PaddleClas's list of models, docs/en/algorithm_introduction/ImageNet_models_en.md.

    Raises:
        ValueError: A network is missing, or its number of parameters differs from the published one.
    """
    found = re.findall(r"^\|\s*MobileNetV2(?:_<br>x2_0)?\s*\|(.*)$", path.read_text(), re.MULTILINE)
    if len(found) != len(_PADDLECLAS):
        raise ValueError(f"{path} has {len(found)} MobileNetV2s of widths 1.0 and 2.0, expected one of each")
    rows = []
    for width, cells in zip(_PADDLECLAS, found, strict=True):
        top1, *_, params, _, _, _, _ = map(str.strip, cells.split("|"))
        network = MobileNet(width_mult=width)
        ours = sum(weights.numel() for weights in network.assemble().state_dict().values() if weights.ndim)
        if not matches(ours / 1e6, params):
            raise ValueError(f"{network} has {ours:,} parameters and statistics, not {params}M")
        rows.append((str(network), 100 * float(top1), float(network.figures().flops), False, RESOLUTION))
    table = pd.DataFrame(rows, columns=["arch", "top1", "flops", "deeper", "resolution"])
    return table.assign(recipe="paddleclas")


def resolutions(curves: Mapping[int, Curve], recipe: str, budgets: Sequence[float] = BUDGETS) -> pd.DataFrame:
    """Accuracy at equal FLOPs, one row for each budget and each resolution that has networks around it.

    Returns:
        Width that the rule keeps, interpolated accuracy, and points relative to the best resolution.
    """
    rows = [
        (recipe, budget, side, kept_width(budget, side), curve.at(budget))
        for budget in budgets
        for side, curve in sorted(curves.items(), reverse=True)
        if not curve.octaves_beyond(budget)
    ]
    table = pd.DataFrame(rows, columns=["recipe", "cap", "resolution", "kept_width", "top1"])
    return table.assign(points=table["top1"] - table.groupby("cap")["top1"].transform("max"))


def leaders(curves: Mapping[int, Curve]) -> pd.DataFrame:
    """The best resolution of every budget, one row for each range of FLOPs with the same best resolution.

    Returns:
        Ends of the range, best resolution, and the resolutions that have networks around its lower end.
    """
    ends = {float(curve.flops[end]) for curve in curves.values() for end in (0, -1)}
    budgets = np.unique([*ends, *np.geomspace(min(ends), max(ends), STEPS)])
    top1 = resolutions(curves, "", list(budgets)).pivot(index="cap", columns="resolution", values="top1")
    best = top1.idxmax(axis=1)
    first, last = best.ne(best.shift()), best.ne(best.shift(-1))
    table = pd.DataFrame({"least": best.index[first], "most": best.index[last], "resolution": best[first]})
    compared = top1[first].apply(lambda row: ", ".join(map(str, row.index[row.notna()])), axis=1)
    return table.assign(compared=compared).reset_index(drop=True)


def lower_resolutions(table: pd.DataFrame, recipe: str = "d-li14") -> pd.DataFrame:
    """Networks at lower resolutions against MobileNetV2 at 224 pixels, in rows as those of `resolutions`."""
    lower = table[(table["recipe"] == recipe) & (table["resolution"] < RESOLUTION)]
    wide = baselines(table)[recipe]
    each = [
        resolutions(
            {RESOLUTION: wide, row.resolution: Curve(np.array([row.flops]), np.array([row.top1]))},
            recipe,
            [row.flops],
        )
        for row in lower.itertuples()
    ]
    return pd.concat(each, ignore_index=True)


def widths_figure(table: pd.DataFrame) -> bytes:
    """A PNG of accuracy against FLOPs: lines of MobileNetV2s, and a star for each deeper network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    panel = figure.subplots()
    curves = baselines(table)
    for number, recipe in enumerate(table["recipe"].unique()):
        colour = f"C{number}"
        if recipe in curves:
            panel.plot(curves[recipe].flops, curves[recipe].top1, "o-", color=colour, label=recipe)
        deeper = table[table["deeper"] & (table["recipe"] == recipe)]
        label = None if recipe in curves else recipe
        panel.plot(deeper["flops"], deeper["top1"], "*", markersize=14, color=colour, label=label)
        for row in deeper.itertuples():
            text = f"{row.name}\nwidth {row.width:g}, rule {kept_width(row.flops):g}"
            # The line of the own recipe passes below; elsewhere lines of other recipes pass close by.
            shift, ha, va = ((-6, 4), "right", "bottom") if recipe in curves else ((6, -28), "left", "top")
            panel.annotate(
                text,
                (row.flops, row.top1),
                xytext=shift,
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=8,
            )
    panel.set(xlim=SHOWN_FLOPS, ylim=SHOWN_TOP1)
    logarithmic(panel, "flops")
    panel.set_ylabel(column("top1").label("on ImageNet"))
    panel.set_title("MobileNetV2 (lines) and deeper networks (stars), by recipe")
    panel.legend(loc="lower right")
    return as_png(figure, dpi=110)


def resolution_figure(curves: Mapping[int, Curve], table: pd.DataFrame) -> bytes:
    """A PNG of accuracy against FLOPs for each resolution, and of the gain over 224 pixels at equal FLOPs.

    Args:
        curves: The curves of TF-slim.
        table: The published networks; those at lower resolutions are diamonds.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), layout="constrained")
    accuracy, gain = figure.subplots(1, 2)
    found = lower_resolutions(table)
    at_224 = found[found["resolution"] == RESOLUTION].set_index("cap")["top1"]
    for number, (side, curve) in enumerate(sorted(curves.items(), reverse=True)):
        colour = f"C{number}"
        accuracy.plot(curve.flops, curve.top1, "o-", color=colour, label=f"{side} pixels")
        if side == RESOLUTION:
            continue
        least = max(curve.flops[0], curves[RESOLUTION].flops[0])
        own = curve.flops[curve.flops >= least]
        budgets = np.unique([*np.geomspace(least, own[-1], STEPS), *own]) if len(own) else own
        over = [curve.at(budget) - curves[RESOLUTION].at(budget) for budget in budgets]
        gain.plot(budgets, over, "o-", color=colour, markevery=list(np.flatnonzero(np.isin(budgets, own))))
        other = found[found["resolution"] == side]
        over = other["top1"].to_numpy() - at_224[other["cap"]].to_numpy()
        gain.plot(other["cap"], over, "D", color=colour, markerfacecolor="none")
    gain.axhline(0, color="black", linewidth=0.8)
    for panel in (accuracy, gain):
        logarithmic(panel, "flops")
    accuracy.set_ylabel(column("top1").label("on ImageNet"))
    accuracy.set_title("TF-slim: MobileNetV2 of several widths at each resolution")
    accuracy.legend(loc="lower right")
    gain.set_ylabel("points above 224 pixels at equal FLOPs")
    gain.set_title("lines: TF-slim, dots: its networks; diamonds: d-li14, width 1.0")
    return as_png(figure, dpi=110)


def main() -> None:
    """Write widths.csv and widths.png, with --tfslim also those of resolution, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the tables and figures")
    parser.add_argument("--tfslim", type=Path, metavar="CSV", help="accuracies of TF-slim's 22 MobileNetV2s")
    parser.add_argument("--paddleclas", type=Path, metavar="MD", help="PaddleClas's list of models")
    arguments = parser.parse_args()
    folder, table = arguments.out, published()
    folder.mkdir(parents=True, exist_ok=True)
    written = {"widths.csv": widths(table)}
    images = {"widths.png": widths_figure(table)}
    printed = {
        "Deeper networks against MobileNetV2 at equal FLOPs": written["widths.csv"].drop(columns="arch"),
        "Errors of curves at a network that they leave out": interpolation_errors(baselines(table)),
    }
    if arguments.paddleclas:
        found = widths(pd.concat([table, paddleclas(arguments.paddleclas)], ignore_index=True))
        rows = found[found["baseline"] == "paddleclas"].drop(columns="arch")
        printed["Deeper networks against PaddleClas's MobileNetV2s at equal FLOPs"] = rows
    if arguments.tfslim:
        curves = tfslim(arguments.tfslim)
        both = [resolutions(curves, "slim"), lower_resolutions(table)]
        written["resolution.csv"] = printed["Resolutions at equal FLOPs"] = pd.concat(both, ignore_index=True)
        images["resolution.png"] = resolution_figure(curves, table)
        printed["The same errors by resolution"] = interpolation_errors(curves)
        printed["The best resolution of each budget"] = leaders(curves)
    for name, rows in written.items():
        write_whole(folder / name, rows.to_csv(index=False, float_format="%.6g"))
    for name, image in images.items():
        write_whole(folder / name, image)
    for title, rows in printed.items():
        print(f"\n{title}:\n{rows.round(2).to_string(index=False)}")


if __name__ == "__main__":
    main()
