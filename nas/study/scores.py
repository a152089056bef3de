"""The scores of a population: every proxy of every network, and the seconds that each took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nas import proxies
from nas.files import write_whole
from nas.proxies import Subject
from nas.runs import writing
from nas.study.report import columns_of, read_table

if TYPE_CHECKING:
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
    on_network: Callable[[], None] = lambda: None,
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
        on_network: Called after each network that has its scores, at once where it had them before.

    Returns:
        arch, and for each proxy its value and in a column `NAME_seconds` what one measurement took.

    Raises:
        RequestError: The table is damaged, or cannot be written.
    """
    rows = read_table(path, columns_of(names)).to_dict("records") if path.exists() else []
    done = {row["arch"] for row in rows}
    for architecture in architectures:
        if stop():
            break
        if str(architecture) in done:
            on_network()
            continue
        subjects = [Subject.of_data(architecture, data, batch, seed) for seed in seeds]
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
