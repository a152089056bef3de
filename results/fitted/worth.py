"""What searching by a fitted score is worth, judged by trained networks that the fit has not seen.

A random half of Accel-NASBench gives the score, the other half gives boosted trees, the judge. Choices under
caps are compared by the judge: those of the score, of scores that need no training, of chance, of hand
designs, and of a long search for the network that the judge itself thinks best.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from choices import RANDOM, Budget, Chooser, Evolution, judges_best
from judge import LATENCY, SEED, TOP1, TREES, Halves, Trees, options, qualities, read, scored
from threadpoolctl import threadpool_limits

from nas.bounds import Bound
from nas.figures import plain
from nas.files import as_png, write_whole
from nas.fit.fitting import choose, fit, solved
from nas.fitted.score import FittedScore
from nas.tables import Population
from search_spaces import MBConv, Space

HERE = Path(__file__).parent
CAPS = (200e6, 300e6, 400e6, 500e6)
DESIGNS = {
    "EfficientNet-B0's layout": MBConv(),
    "MobileNetV2's layout": MBConv(kernels=(3,) * 7, depths=(1, 2, 3, 3, 3, 3, 1), se=(False,) * 7),
}
"""Hand designs, with the activations of the benchmark."""
MILLISECONDS = (3.0, 4.0, 5.0, 6.0)
CLOSED = ("nn_mass", "params", "root_params")
TEN, RERANKED = 10, 1000
FEW, DRAWS = (24, 48, 96, 200, 500), 20
FEW_CAPS = (300e6, 400e6, 500e6)
GENERATIONS, SEARCHES = 100, 3
OURS, EVOLVED, CHANCE = "fitted score", "best for the judge", "random"


@dataclass(frozen=True)
class Fits:
    """The scores and trees of both halves.

    Attributes:
        space: The space.
        top1, latency: The networks.
        score, fast: The scores of the first half: of accuracy, of latency.
        other: The score of accuracy of the second half.
        clock: The score of latency of the second half; more exact than trees.
        judge, judge_of_ms: The trees of the second half.
        reranker, other_of_ms: The trees of the first half.
    """

    space: Space
    top1: Halves
    latency: Halves
    score: FittedScore
    fast: FittedScore
    other: FittedScore
    clock: FittedScore
    judge: Trees
    judge_of_ms: Trees
    reranker: Trees
    other_of_ms: Trees

    @classmethod
    def of(cls, top1: Halves, latency: Halves, trees: int) -> Fits:
        """Fit all of them."""
        return cls(
            top1.first.space,
            top1,
            latency,
            fit(top1.first, TOP1, SEED),
            fit(latency.first, LATENCY, SEED),
            fit(top1.second, TOP1, SEED),
            fit(latency.second, LATENCY, SEED),
            *(Trees.of(half, trees) for half in (top1.second, latency.second, top1.first, latency.first)),
        )

    def tables(self) -> pd.DataFrame:
        """The quality of scores and trees."""
        return pd.concat(
            [
                qualities(self.top1, self.score, self.judge, self.reranker),
                qualities(self.latency, self.fast, self.judge_of_ms, self.other_of_ms),
            ],
            ignore_index=True,
        )


def population(space: Space, network: MBConv) -> Population:
    """A network as one row of option numbers."""
    return options(space, pd.DataFrame([network.choices()]))


def budgets(space: Space) -> Iterator[Budget]:
    """The caps: FLOPs, FLOPs and parameters of hand designs, predicted latency."""
    for cap in CAPS:
        yield Budget(f"{cap / 1e6:g}M FLOPs", (Bound("flops", most=cap),))
    for name, network in DESIGNS.items():
        figures = network.figures()
        flops, params = Bound("flops", most=int(figures.flops)), Bound("params", most=int(figures.params))
        yield Budget(f"FLOPs of {name}", (flops,), name)
        yield Budget(f"FLOPs and parameters of {name}", (flops, params), name)
    for cap in MILLISECONDS:
        yield Budget(f"{cap:g} ms", (Bound(LATENCY.name, most=cap),))


def choices(fits: Fits, chooser: Chooser, budget: Budget) -> pd.DataFrame:
    """What each rule chooses under caps, and what the judge thinks of it."""
    bounds, inside = budget.bounds, chooser.meets(budget.bounds)
    proven = {TOP1.name: chooser.best(TOP1.name, bounds, RERANKED)}
    proven |= {name: chooser.best(name, bounds, TEN) for name in CLOSED}
    ours, _ = proven[TOP1.name]
    chance = chooser.random(bounds, RANDOM)
    evolution = Evolution(chooser.options, fits.judge, inside, generations=GENERATIONS)
    reranked = ours[np.argsort(-fits.reranker(ours), kind="stable")]
    rules: dict[str, Population] = {OURS: ours, "fitted score, reranked by trees": reranked}
    rules |= {name: proven[name][0] for name in CLOSED}
    same = replace(evolution, judge=fits.reranker)
    rules[EVOLVED] = judges_best(evolution, chance, ours[:TEN], range(SEARCHES))
    rules["best for trees of the first half"] = judges_best(same, chance, ours[:TEN], range(SEARCHES))
    if budget.design:
        rules[budget.design] = population(fits.space, DESIGNS[budget.design])
    gaps = {OURS: proven[TOP1.name][1]} | {name: proven[name][1] for name in CLOSED}
    rows = [_row(fits, name, chosen) | {"gap": gaps.get(name)} for name, chosen in rules.items()]
    judged = fits.judge(chance)
    rows.append({"rule": CHANCE, "judged": judged.mean(), "judged_sd": judged.std(), "chosen": len(chance)})
    rows += _best_known(fits, inside)
    table = pd.DataFrame(rows).astype({"flops": "Int64", "params": "Int64"})
    table.insert(0, "budget", budget.name)
    return table


def _row(fits: Fits, rule: str, chosen: Population) -> dict[str, Any]:
    """The first network of a ranking, with the means of the first ten."""
    first, ten = chosen[:1], chosen[:TEN]
    network = fits.space.of_options(first[0].tolist())
    figures = network.figures()
    predicted = scored(fits.score, fits.space, ten)
    return {
        "rule": rule,
        "arch": str(network),
        "flops": int(figures.flops),
        "params": int(figures.params),
        "judged": fits.judge(first)[0],
        "judged_ten": fits.judge(ten).mean() if len(ten) == TEN else np.nan,
        "by_first_half": fits.reranker(first)[0],
        "by_other_ten": scored(fits.other, fits.space, ten).mean() if len(ten) == TEN else np.nan,
        "predicted": predicted[0],
        "predicted_ten": predicted.mean() if len(ten) == TEN else np.nan,
        "half": float(fits.score.half(predicted[0])),
        "expected": predicted[0] - float(fits.score.excess(predicted[0])),
        "ms_promised": scored(fits.fast, fits.space, first)[0],
        "ms_judged": scored(fits.clock, fits.space, first)[0],
        "chosen": len(chosen),
    }


def _best_known(fits: Fits, inside: Callable[[Population], Any]) -> Iterator[dict[str, Any]]:
    """The most accurate trained network of the second half that meets the caps."""
    half = fits.top1.second
    rows = options(fits.space, half.choices)
    meets = np.flatnonzero(inside(rows))
    if len(meets):
        best = meets[np.argmax(half.target[meets])]
        yield {
            "rule": "best trained network",
            "judged": fits.judge(rows[best][None])[0],
            "trained": half.target[best],
            "chosen": len(meets),
        }


def few(fits: Fits) -> pd.DataFrame:
    """The choice by fits to a few networks of the first half.

    Returns:
        One row per cap, number of networks and draw.
    """
    generator = np.random.default_rng(SEED)
    half, rows = fits.top1.first, list[dict[str, Any]]()
    for count in (*FEW, len(half.target)):
        for draw in range(DRAWS if count < len(half.target) else 1):
            some = half.take(generator.choice(len(half.target), count, replace=False))
            chosen = choose(some, TOP1, SEED)
            chooser = Chooser.of(fits.space, [solved(some, TOP1, chosen)])
            for cap in FEW_CAPS:
                best, _ = chooser.best(TOP1.name, (Bound("flops", most=cap),))
                judged = fits.judge(best)[0]
                row = {"cap": int(cap), "networks": count, "draw": draw, "judged": judged}
                rows.append(row | {"terms": chosen.level.name, "link": chosen.link.kind})
    return pd.DataFrame(rows)


def summed(draws: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Draws of few networks, summed up per cap and number of networks, against choices without training."""
    rows = []
    for (cap, count), group in draws.groupby(["cap", "networks"]):
        known = table[table["budget"] == f"{cap / 1e6:g}M FLOPs"].set_index("rule")["judged"]
        judged = group["judged"]
        row = {"cap": cap, "networks": count, "draws": len(group), "judged": judged.mean()}
        row |= {"sd": judged.std(ddof=1) if len(group) > 1 else 0.0, "least": judged.min()}
        for rule in ("nn_mass", "root_params"):
            row |= {
                f"above_{rule}": (judged - known[rule]).mean(),
                f"better_than_{rule}": (judged > known[rule]).mean(),
            }
        rows.append(row | {"below_best": known[EVOLVED] - judged.mean()})
    return pd.DataFrame(rows)


def figure(table: pd.DataFrame, learned: pd.DataFrame) -> bytes:
    """A PNG: accuracy of the choices against the cap, and of fits against the number of trained networks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [f"{cap / 1e6:g}M FLOPs" for cap in CAPS]
    shown = (
        (EVOLVED, "0.2", ":", "best for the judge (evolution)"),
        (OURS, "C0", "-", "fitted score"),
        ("root_params", "C2", "--", "root_params"),
        ("params", "C4", "--", "parameters"),
        ("nn_mass", "C1", "--", "NN-Mass"),
        (CHANCE, "0.6", "-", "random"),
    )
    of = table.set_index(["rule", "budget"])["judged"]
    for rule, colour, style, label in shown:
        values = [of[rule, name] for name in names]
        left.plot(np.array(CAPS) / 1e6, values, style, marker="o", ms=4, lw=2, color=colour, label=label)
    for (name, network), marker in zip(DESIGNS.items(), "D^", strict=False):
        judged = of[name, f"FLOPs of {name}"]
        left.plot(float(network.figures().flops) / 1e6, judged, marker, ms=8, color="C3", label=name)
    left.set_xlabel("cap, M FLOPs")
    left.set_ylabel("top-1 by the judge, %")
    left.set_title("The choice of each rule")
    left.set_ylim(of[[(rule, name) for rule, *_ in shown for name in names]].min() - 4)
    left.legend(frameon=False, fontsize=9, loc="lower right", ncols=2)
    for place, cap in enumerate(FEW_CAPS):
        colour = ("C0", "C2", "C4")[place]
        rows = learned[learned["cap"] == cap]
        name = f"{cap / 1e6:g}M FLOPs"
        right.errorbar(
            rows["networks"] * (1 + 0.03 * (place - 1)),
            rows["above_nn_mass"],
            rows["sd"],
            fmt="o-",
            ms=4,
            lw=2,
            capsize=3,
            color=colour,
            label=name,
        )
        right.axhline(of["root_params", name] - of["nn_mass", name], color=colour, ls="--", lw=1)
    right.axhline(0, color="C1", lw=2, label="NN-Mass, no trained network")
    right.plot([], [], "--", color="0.4", lw=1, label="root_params, no trained network")
    right.set_xscale("log")
    counts = sorted(learned["networks"].unique())
    right.set_xticks(counts, [f"{count:,}" for count in counts])
    right.minorticks_off()
    right.set_xlabel("trained networks of the fit")
    right.set_ylabel("points of top-1 above the choice by NN-Mass")
    right.set_title("Fits to few networks: mean and standard deviation")
    right.set_ylim(-1.5)
    right.legend(frameon=False, fontsize=9, loc="lower right", ncols=2)
    plain(left, right)
    return as_png(figure, dpi=100)


def main() -> None:
    """Write halves.csv, choices.csv, few.csv and worth.png, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="anb_dataset_jsons.tar.gz")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="for the tables and figure")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):
        fits = Fits.of(*read(given.data), TREES)
        halves = fits.tables()
        _write(given.out, "halves", halves)
        chooser = Chooser.of(fits.space, [fits.score, fits.fast], ["root_params"])
        table = pd.concat([choices(fits, chooser, one) for one in budgets(fits.space)], ignore_index=True)
        _write(given.out, "choices", table)
        learned = summed(few(fits), table)
        _write(given.out, "few", learned)
    write_whole(given.out / "worth.png", figure(table, learned))


def _write(out: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table, and print it without its longest column."""
    write_whole(out / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    print(f"\n{name}.csv:\n{table.drop(columns='arch', errors='ignore').round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
