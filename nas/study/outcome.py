"""The outcome of a study, or of several together: tables and figures written, and said in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nas.command_line import progress
from nas.files import write_whole
from nas.folders import made
from nas.latency.arguments import Wanted
from nas.latency.table import Measured, measure
from nas.show import rendered, show
from nas.study import across, report
from nas.study.folder import STUDIES, StudyFolder
from nas.study.pairs import Difference, paired
from search_spaces import RequestError


def latencies(table: pd.DataFrame, asked: Wanted | None) -> Measured | None:
    """How long the networks of a table take, if that is asked for."""
    if asked is None:
        return None
    with progress("measuring", len(table)) as advance:
        return measure(table["arch"], asked, on_network=advance)


def conclude(folder: StudyFolder, asked: Wanted | None = None) -> None:
    """Report on a study whose networks are trained.

    Args:
        folder: The study's.
        asked: The latencies to measure besides.

    Raises:
        RequestError: Fewer than three were trained to the end.
    """
    request = folder.request
    trained = pd.read_csv(folder.training / "trained.csv")
    table = report.joined(trained, pd.read_csv(folder.scores))
    if len(table) < 3:
        raise RequestError(f"{folder.path}: {len(table)} networks were trained to the end; 3 are needed")
    measured = latencies(table, asked)
    if measured:
        on = {"latency_device": measured.facts()["device"], "latency_threads": measured.wanted.threads}
        write_whole(folder.latency, measured.columns(table[["arch"]]).assign(**on).to_csv(index=False))
    if folder.latency.exists():
        table = table.merge(pd.read_csv(folder.latency), on="arch", how="left")
    found = report.correlations(table, request.scores)
    write_whole(folder.table, table.to_csv(index=False))
    write_whole(folder.correlations, found.to_csv(index=False))
    write_whole(folder.between, report.between(table, request.scores).to_csv(index=False))
    of = f" of {request.space}" if request.space else ""
    title = f"{len(table)} networks{of} on {request.order.dataset}"
    write_whole(folder.figure, report.figure(table, found, title))
    failed = sorted(set(trained["arch"][trained["status"] == "failed"]) - set(table["arch"]))
    facts: dict[str, Any] = {
        "networks": len(table),
        "failed": failed,
        "device": str(trained["device"].iloc[0]),
        "training_seconds": round(float(trained["seconds"].sum())),
    }
    if measured:
        facts["latency"] = measured.facts()
    folder.save_state("finished", facts)
    if measured:
        show(report.costs(table), family=str(table["arch"].iloc[0]).partition(":")[0])
        print(rendered(measured.sentence()))
    show(_readable(found))
    print(f"{len(table)} networks; in brackets 95% bootstrap intervals over networks")
    if failed:
        print(f"left out, for no training of them came to its end: {', '.join(failed)}")
    _tell_pairs(table, folder.path)
    print(f"Kept in {folder.path}")


def conclude_together(folders: Sequence[StudyFolder], path: Path | None) -> None:
    """Report on several finished studies together.

    Raises:
        RequestError: They cannot be put together, or `path` is taken.
    """
    table = across.together(folders)
    tables = {score: across.lines(table, score) for score in ("nn_mass", "params")}
    dataset = folders[0].request.order.dataset
    path = made(path, STUDIES, f"together-{dataset}")
    write_whole(path / "networks.csv", table.to_csv(index=False))
    title = f"{len(table)} networks of {len(tables['nn_mass'])} base widths on {dataset}"
    write_whole(path / "across.png", across.figure(table, list(tables), title))
    for score, found in tables.items():
        write_whole(path / f"across_{score}.csv", found.to_csv(index=False))
        print(f"accuracy against log {score}")
        show(_readable_lines(found))
        print(f"one line for all base widths: p = {found['p'].iloc[0]:.2g}\n")
    _tell_pairs(table, path)
    print(f"Kept in {path}")


def _tell_pairs(table: pd.DataFrame, path: Path) -> None:
    if not {"nn_mass", "params"} <= set(table.columns):
        return
    found = paired(table)
    if len(found):
        write_whole(path / "pairs.csv", found.to_csv(index=False))
        print(Difference.of(found))


def _readable(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in found.iterrows():
        of = {"of": row["networks"]} if found["networks"].nunique() > 1 else {}
        said = {label: _interval(row, label) for label in ("rho", "tau", "r2")}
        rows.append({"score": row["score"], **of, **said, "s": f"{row['seconds']:.3f}"})
    return pd.DataFrame(rows)


def _readable_lines(found: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in found.iterrows():
        above = f"{row['above']:+.2f} ±{row['above_half']:.2f}" if row["above_half"] else "0"
        rows.append(
            {
                "base": row["base"],
                "networks": row["networks"],
                "from": f"{row['least']:.4g}",
                "to": f"{row['most']:.4g}",
                "rho": _interval(row, "rho"),
                "points above": above,
            }
        )
    return pd.DataFrame(rows)


def _interval(row: pd.Series, label: str) -> str:
    if pd.isna(row[label]):
        return "-"
    return f"{row[label]:.2f} [{row[f'{label}_low']:.2f}, {row[f'{label}_high']:.2f}]"
