"""The outcome of a judged benchmark: tables and figures in a folder, and a summary for a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nas.cli import wrapped
from nas.columns import column
from nas.files import as_png
from nas.show import show
from nas.study.report import logarithmic
from nas.study.selection import RANDOM
from nas.tabular.benchmark import LATENCIES
from nas.tabular.correlation import NOTHING
from nas.tabular.judgement import Judgement, at_equal
from nas.tabular.request import TabularFolder

_SHOWN = 8
"""Rules printed and drawn besides those of NN-Mass and the random choice."""


def write(folder: TabularFolder, found: Judgement) -> None:
    """Write all files of the folder.

    Raises:
        RequestError: A file cannot be written.
    """
    folder.save(folder.rho, found.rho)
    folder.save(folder.rules, found.rules)
    folder.save(folder.summary, found.summary)
    folder.save(folder.accuracy, accuracy_figure(found))
    folder.save(folder.choices, choices_figure(found))
    facts: dict[str, Any] = {
        "networks": len(found.table),
        "rules_tried": found.tried,
        "notes": list(found.notes),
    }
    if found.selected:
        rule, first, second = found.selected
        best = {"rule": rule, "percentile": first, "percentile_in_second_half": second}
        facts["best_of_first_half"] = best
    folder.save_state("finished", facts)


def show_all(found: Judgement) -> None:
    """Print correlations, rules and notes."""
    chosen = found.benchmark
    print(wrapped(f"{chosen.title}: {len(found.table):,} networks, {chosen.accuracy}"))
    for note in found.notes:
        print(wrapped(note))
    print("\nSpearman's rho with accuracy, over all networks and within bands of equal cost:")
    show(_correlations(found))
    print(f"95% bootstrap intervals over networks; mean over {_bands(found)} bands of equal FLOPs.")
    print("s: median seconds per network.\n" if found.measured is not None else "")
    print(
        wrapped(
            "Choices under caps of FLOPs, means over caps. Percentile: among networks within 5% of the"
            " choice's FLOPs. Regret: points below the best network within the cap."
        )
    )
    show(_choices(found))
    best = "No choice has another network of equal cost in the first random half."
    if found.selected:
        rule, first, second = found.selected
        best = (
            f"{rule} is the best of them on a random half of the networks (percentile {first:.0f});"
            f" on the other half its percentile is {second:.0f}."
        )
    print(wrapped(f"{found.tried} rules were tried. {best}"))


def _bands(found: Judgement) -> int:
    of_flops = at_equal(found.rho, "flops")
    return int(of_flops["bands"].iloc[0]) if len(of_flops) else 0


def _correlations(found: Judgement) -> pd.DataFrame:
    """One row per score, the largest rho at equal FLOPs first."""
    held = [NOTHING, "flops", "params"]
    held += [name for name in found.rho["held_equal"].unique() if name.startswith(LATENCIES)][:1]
    table = pd.DataFrame({"score": at_equal(found.rho)["score"].to_numpy()})
    for name in held:
        rows = at_equal(found.rho, name).set_index("score").reindex(table["score"])
        if rows["rho"].isna().all():
            continue
        title = "overall" if name == NOTHING else f"equal\n{column(name).title}"
        table[title] = rows["rho"].map("{:.2f}".format).to_numpy()
        if name == "flops":
            interval = rows["rho_low"].map("[{:.2f},".format) + rows["rho_high"].map(" {:.2f}]".format)
            table["interval"] = interval.to_numpy()
            table["tau"] = rows["tau"].map("{:.2f}".format).to_numpy()
            table["order"] = rows["rho"].to_numpy()
    if "seconds" in found.rho:
        table["s"] = at_equal(found.rho)["seconds"].map("{:.2g}".format).to_numpy()
    if "order" in table:
        table = table.sort_values("order", ascending=False).drop(columns="order")
    return table.assign(score=table["score"].map(_title))


def _title(score: str) -> str:
    return column(score).title


def _choices(found: Judgement) -> pd.DataFrame:
    """One row per rule, the largest mean percentile first."""
    shown = _shown(found)
    table = found.summary[found.summary["rule"].isin(shown)]
    interval = table["percentile_low"].map("[{:.0f},".format) + table["percentile_high"].map(
        " {:.0f}]".format
    )
    return pd.DataFrame(
        {
            "rule": table["rule"],
            "percentile": table["percentile"].map("{:.0f}".format),
            "interval": interval,
            "regret": table["regret"],
            "percentile\nof first ten": table["percentile_ten"].map("{:.0f}".format),
            "regret\nof ten": table["regret_ten"].map("{:.2f}".format),
        }
    )


def _shown(found: Judgement) -> list[str]:
    """The best rules, those of NN-Mass and the random choice."""
    ordered = list(found.summary["rule"])
    always = [rule for rule in ordered if rule.startswith("nn_mass") or rule == RANDOM]
    best = [rule for rule in ordered if rule not in always][:_SHOWN]
    return [rule for rule in ordered if rule in always or rule in best]


def accuracy_figure(found: Judgement) -> bytes:
    """A PNG of accuracy against NN-Mass, coloured by FLOPs."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    table = found.table[found.table["nn_mass"] > 0]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    points = axes.scatter(table["nn_mass"], table["top1"], c=table["flops"], s=8, alpha=0.8)
    logarithmic(axes, "nn_mass")
    axes.set_ylabel(f"{found.benchmark.accuracy}, %")
    figure.colorbar(points, ax=axes, label=column("flops").label(), format=EngFormatter(sep=""))
    axes.set_title(f"{found.benchmark.title}: {len(table):,} networks", fontsize=10)
    return as_png(figure)


def choices_figure(found: Judgement) -> bytes:
    """A PNG of the percentile of each rule's choice under each cap, a line per rule."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for rule in _shown(found):
        rows = found.rules[found.rules["rule"] == rule].sort_values("cap")
        width = 2.5 if rule.startswith("nn_mass") else 1.2
        (line,) = axes.plot(rows["cap"], rows["percentile"], marker="o", ms=4, lw=width, label=rule)
        if rule == RANDOM:
            line.set(color="0.5", linestyle=":")
    axes.set_ylim(0, 102)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(f"cap of {column('flops').long_title}")
    axes.set_ylabel("percentile among networks of equal cost")
    axes.set_title(f"{found.benchmark.title}: the network that a rule chooses", fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, loc="outside right upper")
    return as_png(figure)
