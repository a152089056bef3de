"""The scores of a population: every proxy of every network, and the seconds that each took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import pandas as pd

from nas import proxies
from nas.files import write_whole
from nas.proxies import Subject
from nas.study.tables import read_table
from nas.train.data import Data
from search_spaces import Architecture


def scored(
    architectures: Sequence[Architecture],
    data: Data,
    names: Sequence[str],
    batch: int,
    seeds: Sequence[int],
    path: Path,
    stop: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Score networks, and keep the table after each; those in it already are not scored again.

    Args:
        architectures: Fitted to the data.
        data: Where the batch comes from that some proxies look at.
        names: The proxies.
        batch: Images in it.
        seeds: A network is initialised, and its batch drawn, with each of these; its score is the mean.
        path: The table.
        stop: Asked after each network.

    Returns:
        arch, and for each proxy its value and in a column `NAME_seconds` what one measurement took.
    """
    columns = [column for name in names for column in (name, f"{name}_seconds")]
    rows = read_table(path, columns).to_dict("records") if path.exists() else []
    done = {row["arch"] for row in rows}
    for architecture in architectures:
        if stop():
            break
        if str(architecture) in done:
            continue
        subjects = [Subject.of_data(architecture, data, batch, seed) for seed in seeds]
        row: dict[Hashable, object] = {"arch": str(architecture)}
        for name in names:
            measured = [proxies.measure(name, subject) for subject in subjects]
            row[name] = statistics.mean(value for value, _ in measured)
            row[f"{name}_seconds"] = statistics.mean(seconds for _, seconds in measured)
        rows.append(row)
        write_whole(path, pd.DataFrame(rows).to_csv(index=False))
    return pd.DataFrame(rows)
