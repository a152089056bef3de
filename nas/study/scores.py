"""The scores of a population: the value and the seconds of every proxy of every network."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nas import proxies
from nas.files import write_whole
from nas.runs import writing
from nas.study.report import columns_of, read_table

if TYPE_CHECKING:
    from nas.proxies import Subject
    from search_spaces import Architecture


def scored(
    architectures: Sequence[Architecture],
    subject_of: Callable[[Architecture, int], Subject],
    names: Sequence[str],
    seeds: Sequence[int],
    path: Path,
    stop: Callable[[], bool] = lambda: False,
    on_network: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score networks, and write the table after each; networks in the table are not scored again.

    Args:
        architectures: Networks.
        subject_of: The subject of a network and a seed: what the proxies are computed on.
        names: Names of the proxies.
        seeds: Seeds of initialisation and batch; a score is the mean over them.
        path: CSV file of the table.
        stop: Checked before each network; returning True ends the scoring.
        on_network: Called for each network that has its scores.

    Returns:
        arch, and for each proxy its value and the column `NAME_seconds`, the mean seconds of one measurement.

    Raises:
        RequestError: The table is damaged or cannot be written, or a batch is too small for a proxy.
    """
    rows = read_table(path, columns_of(names)).to_dict("records") if path.exists() else []
    done = {row["arch"] for row in rows}
    for architecture in architectures:
        if stop():
            break
        if str(architecture) in done:
            on_network()
            continue
        subjects = [subject_of(architecture, seed) for seed in seeds]
        row: dict[Hashable, object] = {"arch": str(architecture)}
        for name in names:
            measured = [proxies.measure(name, subject) for subject in subjects]
            row[name] = statistics.mean(value for value, _ in measured)
            row[f"{name}_seconds"] = statistics.mean(seconds for _, seconds in measured)
        rows.append(row)
        with writing(path):
            write_whole(path, pd.DataFrame(rows))
        on_network()
    return pd.DataFrame(rows)
