"""The outcome of a judged benchmark: tables and figures in a folder, and a summary for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nas.cli import wrapped
from nas.columns import column
from nas.figures import plain
from nas.files import as_png
from nas.show import show
from nas.study.report import logarithmic
from nas.study.selection import RANDOM
from nas.tabular.benchmark import LATENCIES
from nas.tabular.correlation import FEW, NOTHING
from nas.tabular.judgement import WITH_SKIPS, Judgement, at_equal
from nas.tabular.request import TabularFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

_PRINTED, _DRAWN = 8, 3
"""Rules printed and drawn besides those of NN-Mass and the random choice."""
_MANY = 200
"""Networks from which on a figure has means."""
_POINTS = 1500
"""Networks that a figure has points of, at most: more cover each other."""
_WIDE = 0.1
"""Rho of FLOPs within bands of equal FLOPs from which on the bands are called wide."""
_DPI = 100


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
    print(wrapped(_of_bands(found)))
    print("s: median seconds per network.\n" if found.measured is not None else "")
    regret = "Regret: points below the best network within the cap."
    percentile = (
        "Percentile: among networks within 5% of the choice's FLOPs."
        if found.has_percentiles
        else "Some choices have no other network within 5% of their FLOPs, so percentiles are left out."
    )
    print(
        wrapped(
            f"Choices, means over the caps of FLOPs under which every rule has one. {percentile} {regret}"
        )
    )
    show(_choices(found))
    best = "None is selected on a random half: choices have no other networks of equal cost there."
    if found.selected:
        rule, first, second = found.selected
        best = (
            f"{_title_of(rule)} is the best of them on a random half of the networks (percentile"
            f" {first:.0f}); on the other half its percentile is {second:.0f}."
        )
    print(wrapped(f"{found.tried} rules were tried. {best}"))


def _of_bands(found: Judgement) -> str:
    """A line about the bands of equal FLOPs, and how far FLOPs differ within them."""
    of_flops = at_equal(found.rho, "flops").set_index("score")
    if of_flops.empty:
        return f"There are too few networks for bands of equal FLOPs; at least {2 * FEW} are needed."
    line = (
        f"95% bootstrap intervals over networks; mean over {of_flops['bands'].iloc[0]} bands of equal FLOPs."
    )
    own = of_flops.loc["flops"]
    if abs(own["rho"]) >= _WIDE and own["rho_low"] * own["rho_high"] > 0:
        line += (
            f" FLOPs alone have rho {own['rho']:.2f} within them: they are wide, which helps scores that"
            " follow FLOPs."
        )
    return line


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
        table[title] = [_text(rho) for rho in rows["rho"]]
        if name == "flops":
            ends = zip(rows["rho_low"], rows["rho_high"], strict=True)
            table["interval"] = [f"[{low:.2f}, {high:.2f}]" if low <= high else "-" for low, high in ends]
            table["tau"] = [_text(tau) for tau in rows["tau"]]
            table["order"] = rows["rho"].to_numpy()
    if "seconds" in found.rho:
        table["s"] = at_equal(found.rho)["seconds"].map("{:.2g}".format).to_numpy()
    if "order" in table:
        table = table.sort_values("order", ascending=False).drop(columns="order")
    return table.assign(score=table["score"].map(_title))


def _text(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if value == value else "-"


def _title(score: str) -> str:
    return column(score).title


def _title_of(rule: str) -> str:
    """A rule by the title of its score."""
    score = rule.removesuffix(WITH_SKIPS)
    return rule if score == RANDOM else f"{_title(score)}{rule[len(score) :]}"


def _choices(found: Judgement) -> pd.DataFrame:
    """One row per rule, the best mean first: percentiles where all are known, and regrets."""
    table = _ordered(found, _PRINTED)
    columns = {"rule": table["rule"].map(_title_of)}
    if found.has_percentiles:
        low, high = (table[f"percentile_{end}"] for end in ("low", "high"))
        columns["percentile"] = table["percentile"].map("{:.0f}".format)
        columns["interval"] = low.map("[{:.0f},".format) + high.map(" {:.0f}]".format)
    columns["regret"] = table["regret"]
    if found.has_percentiles:
        columns["percentile\nof first ten"] = table["percentile_ten"].map(partial(_text, digits=0))
    columns["regret\nof ten"] = table["regret_ten"].map(_text)
    return pd.DataFrame(columns)


def _ordered(found: Judgement, best: int, with_skips: bool = True) -> pd.DataFrame:
    """The rules of NN-Mass, the best others and the random choice, the best mean first.

    Without percentiles few networks are near a cap, and a random choice under it says nothing.

    Args:
        found: The judgement.
        best: Number of other rules.
        with_skips: Whether the others may be rules with skips.
    """
    table = found.summary
    if not found.has_percentiles:
        table = table[table["rule"] != RANDOM].sort_values("regret", kind="stable")
    always = table["rule"].str.startswith("nn_mass") | (table["rule"] == RANDOM)
    others = table[~always & (with_skips | ~table["rule"].str.endswith(WITH_SKIPS))]
    return table[always | table.index.isin(others.index[:best])]


def accuracy_figure(found: Judgement) -> bytes:
    """A PNG of accuracy against NN-Mass, coloured by FLOPs, with means of networks of similar FLOPs."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    table = found.table[found.table["nn_mass"] > 0]
    many = len(table) >= _MANY
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    least, most = table["flops"].quantile([0.02, 0.98]) if len(table) else (0, 1)
    drawn = table.sample(min(len(table), _POINTS), random_state=0)
    points = axes.scatter(
        drawn["nn_mass"],
        drawn["top1"],
        c=drawn["flops"],
        vmin=least,
        vmax=most,
        s=200 / max(len(table), 1) ** 0.4,
        alpha=0.35 if many else 0.9,
        linewidths=0,
    )
    title = f"{found.benchmark.title}: {len(found.table):,} networks"
    logarithmic(axes, "nn_mass")
    if many:
        title += _rho(found)
        for axis, name in ((axes.set_xlim, "nn_mass"), (axes.set_ylim, "top1")):
            axis(*table[name].quantile([0.01, 1]) * (0.99, 1.005))
        _add_means(axes, table, points)
    axes.set_ylabel(f"{found.benchmark.accuracy}, %")
    bar = figure.colorbar(points, ax=axes, label=column("flops").label(), format=EngFormatter(sep=""))
    if bar.solids:
        bar.solids.set_alpha(1)
    axes.set_title(title, fontsize=11, loc="left")
    return as_png(figure, _DPI)


def _rho(found: Judgement) -> str:
    """The correlation of NN-Mass with accuracy at equal FLOPs, as the second line of a title."""
    rows = at_equal(found.rho, "flops")
    row = rows[rows["score"] == "nn_mass"].iloc[0]
    interval = f"{row['rho_low']:.2f}, {row['rho_high']:.2f}"
    return f"\nrho of NN-Mass and accuracy at equal FLOPs: {row['rho']:.2f} [{interval}]"


def _add_means(axes: Axes, table: pd.DataFrame, points: PathCollection) -> None:
    """A line of the mean accuracy in fifths of NN-Mass for each quarter of FLOPs, with their median."""
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import EngFormatter

    ends = {}
    for _, rows in table.groupby(_parts(table["flops"], 4)):
        means = rows.groupby(_parts(rows["nn_mass"], 5))[["nn_mass", "top1"]].mean()
        flops = float(rows["flops"].median())
        colour = points.to_rgba(np.array([flops]))[0]
        outline = [withStroke(linewidth=5, foreground="white")]
        axes.plot(means["nn_mass"], means["top1"], color=colour, lw=3, path_effects=outline)
        x, y = means.iloc[-1]
        ends[f"{EngFormatter(places=0, sep='')(flops)} FLOPs"] = (float(x), float(y), "black")
    _label_ends(axes, ends)


def _parts(values: pd.Series, count: int) -> pd.Series:
    """Quantile groups of equal size, from 0."""
    return (values.rank(method="first") - 1) * count // len(values)


def choices_figure(found: Judgement) -> bytes:
    """A PNG of what each rule chooses under each cap: percentiles, or regrets where they are unknown."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    value = "percentile" if found.has_percentiles else "regret"
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    ends = {}
    drawn = _ordered(found, _DRAWN, with_skips=False)
    for number, rule in enumerate(sorted(drawn["rule"], key=_place)):
        rows = found.rules[found.rules["rule"] == rule].sort_values("cap")
        colour = "0.5" if rule == RANDOM else f"C{number}"
        style = ":" if rule == RANDOM else "--" if rule.endswith(WITH_SKIPS) else "-"
        width = 3 if rule.startswith("nn_mass") else 1.5
        axes.plot(rows["cap"], rows[value], marker="o", ms=5, lw=width, ls=style, color=colour)
        known = rows.dropna(subset=value)
        if len(known):
            x, y = known[["cap", value]].iloc[-1]
            ends[_title_of(rule)] = (float(x), float(y), colour)
    if value == "percentile":
        axes.set_ylim(0, 102)
    _label_ends(axes, ends)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(f"cap of {column('flops').long_title}")
    axes.set_ylabel(column(value).label())
    axes.set_title(
        f"{found.benchmark.title}\nthe network of the largest score within each cap", fontsize=11, loc="left"
    )
    plain(axes)
    return as_png(figure, _DPI)


def _place(rule: str) -> tuple[bool, bool, str]:
    """Where a rule is in the order of colours: those of NN-Mass first, the random choice last."""
    return rule == RANDOM, not rule.startswith("nn_mass"), rule


def _label_ends(axes: Axes, ends: Mapping[str, tuple[float, float, object]]) -> None:
    """Label lines at their right ends, a line of text apart.

    Args:
        axes: Axes with the lines.
        ends: Position and colour of each line's end, by label.
    """
    from matplotlib.patheffects import withStroke

    low, high = axes.get_ylim()
    gap = 0.06 * (high - low)
    ordered = sorted(ends.items(), key=lambda end: end[1][1], reverse=True)
    place = high + gap / 2
    for number, (label, (x, y, colour)) in enumerate(ordered):
        below = gap * (len(ordered) - number - 1)
        place = max(min(y, place - gap), low + below)
        axes.annotate(
            label,
            (x, place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
