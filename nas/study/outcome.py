"""The outcome of a study or of a comparison: write tables and figures, and print a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas.cli import progress, wrapped
from nas.files import write_whole
from nas.latency import LatencyConfig, Measured, measure
from nas.runs import create_folder
from nas.show import show
from nas.statistics import STATISTICS
from nas.study import report
from nas.study.compare import combined, lines, lines_figure
from nas.study.folder import StudyFolder
from nas.study.report import read_table
from nas.study.selection import RANDOM, SPLITS, best_by_chance, regrets
from nas.study.standing import short_spec, standing, standing_figure
from nas.study.stats import Difference, equal_mass_pairs, stratified
from nas.train.folder import warnings_of
from search_spaces import RequestError

_SHOWN = ("nn_mass", "nn_mass within a width", "params", RANDOM)
"""Rules printed in the terminal."""
_LEAST = 3
"""Minimum number of networks for a correlation."""
_FEW = 12
"""Maximum number of networks that are listed, or compared with the first one if none were sampled."""


def latencies(
    table: pd.DataFrame, latency: LatencyConfig | None, stop: Callable[[], bool] = lambda: False
) -> Measured | None:
    """Measure the networks of a table; None if latency is not requested or `stop` returned True."""
    if latency is None:
        return None
    with progress("measuring", len(table)) as advance:
        measured = measure(table["arch"], latency, stop=stop, on_network=advance)
    return None if stop() else measured


def conclude(
    folder: StudyFolder, latency: LatencyConfig | None = None, stop: Callable[[], bool] = lambda: False
) -> None:
    """Write and print the report of a trained study.

    Args:
        folder: Folder of the study.
        latency: How to measure latency; none is measured by default.
        stop: Ends the latency measurement when it returns True.

    Raises:
        RequestError: Fewer than three networks finished training.
    """
    request = folder.request
    trained = folder.outcomes()
    table = report.joined(trained, folder.scored())
    if len(table) < _LEAST:
        raise RequestError(
            f"{folder.path}: {len(table)} networks finished training; {_LEAST} are needed: try failed ones"
            f" again by {folder.resume_training}"
        )
    named = trained["arch"][trained["row"] <= request.order.named].unique().tolist()
    sampled = table[~table["arch"].isin(named)]
    of = f" of {request.space}" if request.space else ""
    title = f"{len(table)} networks{of} on {request.order.title}"
    caveat = report.caveat(table, folder.test_images)
    found = _write_statistics(folder, table, sampled if named else None, title, caveat)
    failed = sorted(set(trained["arch"][trained["status"] == "failed"]) - set(table["arch"]))
    facts: dict[str, Any] = {
        "networks": len(table),
        "failed": failed,
        "device": str(trained["device"].iloc[0]),
        "training_seconds": round(float(trained["seconds"].sum())),
    }
    folder.save_state("finished", facts)
    _measure(folder, table, latency, stop)
    if caveat:
        show(table[["arch", "top1"]].sort_values("top1", ascending=False).head(_FEW))
        print(wrapped(f"warning: {caveat}. correlations.csv is no evidence about the scores."))
    else:
        _print_correlations(table, found, request.scores)
    for line in warnings_of(trained):
        print(wrapped(line))
    if failed:
        print(wrapped(f"left out, because every training failed: {', '.join(failed)}"))
    _print_pairs(table, folder.path)
    if len(named) and (len(sampled) or len(named) <= _FEW):
        _print_standing(table, named, title, folder.path)
    _report_rules(sampled if len(sampled) else table, request.scores, folder.path, printed=not caveat)
    print(f"Kept in {folder.path}")


def _write_statistics(
    folder: StudyFolder, table: pd.DataFrame, sampled: pd.DataFrame | None, title: str, caveat: str
) -> pd.DataFrame:
    """Write how well scores predict accuracy, as tables and a figure; intervals are left out under a caveat.

    Args:
        folder: Folder of the study.
        table: All networks.
        sampled: Those of the sample, if there are others.
        title: Title of the figure.
        caveat: Why the networks are no evidence, if they are none.

    Returns:
        The correlations over all networks.
    """
    names = folder.request.scores
    checked: Callable[[pd.DataFrame], pd.DataFrame] = (
        report.without_intervals if caveat else lambda found: found
    )
    found = checked(report.correlations(table, names))
    write_whole(folder.table, table)
    write_whole(folder.correlations, found)
    write_whole(folder.path / "bands.csv", checked(stratified(table, names)))
    if sampled is not None and len(sampled) >= _LEAST:
        of_sample = checked(report.correlations(sampled, names))
        write_whole(folder.path / "correlations_drawn.csv", of_sample)
    write_whole(folder.between, report.between(table, names))
    write_whole(folder.figure, report.figure(table, found, title, caveat))
    return found


def _measure(
    folder: StudyFolder, table: pd.DataFrame, latency: LatencyConfig | None, stop: Callable[[], bool]
) -> None:
    """Add latencies to the table of networks: the requested ones, or those measured before."""
    measured = latencies(table, latency, stop)
    if measured:
        on = {"latency_device": measured.facts()["device"], "latency_threads": measured.config.threads}
        write_whole(folder.latency, measured.columns(table[["arch"]]).assign(**on))
    if folder.latency.exists():
        table = table.merge(read_table(folder.latency, ()), on="arch", how="left")
        write_whole(folder.table, table)
    if measured:
        folder.save_state("finished", {"latency": measured.facts()})
        show(report.costs(table), family=str(table["arch"].iloc[0]).partition(":")[0])
        print(wrapped(measured.sentence()))


def conclude_comparison(folders: Sequence[StudyFolder], path: Path | None) -> None:
    """Write and print the comparison of several finished studies.

    Args:
        folders: Folders of the studies.
        path: A new folder for the tables; by default one under results/studies.

    Raises:
        RequestError: The studies differ in training, or `path` exists.
    """
    table = combined(folders)
    linked = table[table["nn_mass"] > 0]
    tables = {score: lines(linked, score) for score in ("nn_mass", "params")}
    dataset = folders[0].request.order.title
    path = create_folder(path, StudyFolder.under, f"together-{dataset}")
    write_whole(path / "networks.csv", table)
    title = f"{len(linked)} networks of {len(tables['nn_mass'])} base widths on {dataset}"
    write_whole(path / "across.png", lines_figure(linked, list(tables), title))
    for score, found in tables.items():
        write_whole(path / f"across_{score}.csv", found)
        print(f"accuracy against log {score}")
        show(_readable_lines(found))
        p_one, p_parallel = found[["p_one", "p_parallel"]].iloc[0]
        print(f"one line for all: p = {p_one:.2g}; parallel lines: p = {p_parallel:.2g}\n")
    if not all(found["overlap"].all() for found in tables.values()):
        print("* outside the score range of the first base width: extrapolated")
    print("above: points above the first base width at equal score (parallel lines, ±95%)")
    if caveat := report.caveat(linked, folders[0].test_images):
        print(wrapped(f"warning: {caveat}. These lines are no evidence."))
    if len(linked) < len(table):
        print(f"left out of the lines: {len(table) - len(linked)} networks without NN-Mass")
    _print_pairs(table, path)
    print(f"Kept in {path}")


def _print_pairs(table: pd.DataFrame, path: Path) -> None:
    if not {"nn_mass", "params"} <= set(table.columns):
        return
    found = equal_mass_pairs(table)
    if len(found):
        write_whole(path / "pairs.csv", found)
        print(Difference.of(found))


def _print_standing(table: pd.DataFrame, named: Sequence[str], title: str, path: Path) -> None:
    """Write and print the rank of the named networks among the sample."""
    found = standing(table, named)
    if len(found):
        write_whole(path / "standing.csv", found)
        write_whole(path / "standing.png", standing_figure(table, found, title))
        show(_readable_standing(found))
        print("points above the first named network and the sample median, ± standard error\n")


def _print_correlations(table: pd.DataFrame, found: pd.DataFrame, names: Sequence[str]) -> None:
    show(_readable(found))
    print(f"{len(table)} networks; 95% bootstrap intervals over networks in brackets")
    for name in names:
        infinite = int(np.isinf(table[name].to_numpy(float)).sum())
        if infinite:
            print(f"{name} is infinite for {infinite} networks, which rho and tau count as ties")


def _report_rules(table: pd.DataFrame, names: Sequence[str], path: Path, printed: bool) -> None:
    """Write and print the regret of top-1 selection by each rule."""
    found = regrets(table, names)
    if not len(found):
        return
    write_whole(path / "rules.csv", found)
    if not printed:
        return
    shown = found[found["rule"].isin(_SHOWN)]
    print(f"Regret of top-1 selection on a held-out half ({SPLITS} random splits), in points:")
    show(
        pd.DataFrame(
            {
                "rule": shown["rule"],
                "regret": shown["regret"],
                "beaten": shown["beaten"],
            }
        )
    )
    rules = found[found["rule"] != RANDOM]
    best = rules.iloc[0]
    by_chance = f"the best under permuted accuracies: {best_by_chance(table, names):.2f}"
    print(wrapped(f"Best of {len(rules)} rules: {best['rule']}, {best['regret']:.2f} points; {by_chance}"))


def _margin(row: pd.Series, name: str) -> str:
    margin, error = row[name], row[f"{name}_error"]
    if np.isnan(margin):
        return "-"
    return f"{margin:+.2f}" + ("" if np.isnan(error) else f" ±{error:.2f}")


def _readable_standing(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in found.iterrows():
        rows.append(
            {
                "arch": short_spec(row["arch"]),
                "top1": row["top1"],
                "rank": f"{row['rank']}/{row['networks']}",
                "above_first": _margin(row, "above_first"),
                "above_median": _margin(row, "above_median"),
            }
        )
    return pd.DataFrame(rows)


def _readable(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in found.iterrows():
        count = {"networks": row["networks"]} if found["networks"].nunique() > 1 else {}
        statistics = {one.name: _interval(row, one.name) for one in STATISTICS}
        seconds = {} if count else {"seconds": row["seconds"]}  # both do not fit in 80 columns
        rows.append({"score": row["score"], **count, **statistics, **seconds})
    return pd.DataFrame(rows)


def _readable_lines(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in found.iterrows():
        above = f"{row['above']:+.2f} ±{row['above_half']:.2f}{'' if row['overlap'] else '*'}"
        rows.append(
            {
                "base": row["base"],
                "networks": row["networks"],
                "least": row["least"],
                "most": row["most"],
                "rho": _interval(row, "rho"),
                "slope": row["slope"],
                "above": above if row["above_half"] else "0",
            }
        )
    return pd.DataFrame(rows)


def _interval(row: pd.Series, label: str) -> str:
    if pd.isna(row[label]):
        return "-"
    if pd.isna(row[f"{label}_low"]):
        return f"{row[label]:.2f}"
    return f"{row[label]:.2f} [{row[f'{label}_low']:.2f}, {row[f'{label}_high']:.2f}]"
