"""The scores of a population: the value and the seconds of every proxy of every network."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nas import proxies
from nas.files import write_whole
from nas.runs import Paced, writing
from nas.study.report import columns_of, read_table
from nas.tasks import Here, Launcher, Lost, Place, Post
from search_spaces import Architecture, RequestError

if TYPE_CHECKING:
    from nas.proxies import Subject
    from nas.train.config import TrainConfig
    from nas.train.data import Data

Subjects = Callable[[Architecture, int], "Subject"]
"""Gives the subject of a network and a seed: what the proxies are computed on."""


@dataclass(frozen=True)
class Measuring:
    """The work of measuring networks.

    Attributes:
        subjects: Loads the images, and returns what gives the subjects; a function of a module, or a partial
            one, so that it can be sent to other processes.
        names: Names of the proxies.
        seeds: Seeds of initialisation and batch; a score is the mean over them.
        threads: Threads of torch; unchanged if not given.
        needed: Called on each machine of a cluster; raises an error if the images are missing.
    """

    subjects: Callable[[], Subjects]
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    threads: int | None = None
    needed: Callable[[], None] | None = None

    def check(self) -> None:
        """Check that the images are here.

        Raises:
            RequestError: They are missing.
        """
        if self.needed is not None:
            self.needed()

    def prepared(self, place: Place) -> Callable[[Architecture, Post], dict[Hashable, object]]:
        """Load the images; the task of a network returns its row of the table."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        subject_of = self.subjects()

        def row(network: Architecture, post: Post) -> dict[Hashable, object]:
            subjects = [subject_of(network, seed) for seed in self.seeds]
            found: dict[Hashable, object] = {"arch": str(network)}
            for name in self.names:
                measured = [proxies.measure(name, subject) for subject in subjects]
                found[name] = statistics.mean(value for value, _ in measured)
                found[f"{name}_seconds"] = statistics.mean(seconds for _, seconds in measured)
            return found

        return row


def of_data(data: Data, batch: int) -> Subjects:
    """Subjects with batches of a data set."""
    from nas.proxies import Subject

    return lambda network, seed: Subject.of_data(network, data, batch, seed)


def of_config(config: TrainConfig, batch: int) -> Subjects:
    """Subjects with batches of the data set of a training.

    Raises:
        RequestError: The data set is missing or damaged.
    """
    from nas.train.data import load_for

    return of_data(load_for(replace(config, cache="disk")), batch)


def scored(
    architectures: Sequence[Architecture],
    measuring: Measuring,
    path: Path,
    stop: Callable[[], bool] = lambda: False,
    on_network: Callable[[], None] = lambda: None,
    launcher: Launcher | None = None,
) -> pd.DataFrame:
    """Score networks, and write the table as they come; networks in the table are not scored again.

    Args:
        architectures: Networks.
        measuring: How they are measured.
        path: CSV file of the table.
        stop: Checked before each network; returning True ends the scoring.
        on_network: Called for each network that has its scores.
        launcher: What measures; this process by default.

    Returns:
        arch, and for each proxy its value and the column `NAME_seconds`, the mean seconds of one measurement;
        in the order of the networks.

    Raises:
        RequestError: The table is damaged or cannot be written, a batch is too small for a proxy, or a
            machine lacks something or lost a network.
    """
    rows = read_table(path, columns_of(measuring.names)).to_dict("records") if path.exists() else []
    done: dict[str, dict[Hashable, Any]] = {str(row["arch"]): row for row in rows}
    remaining = [network for network in architectures if str(network) not in done]
    for _ in range(len(architectures) - len(remaining)):
        on_network()
    order = {str(network): number for number, network in enumerate(architectures)}

    def table() -> pd.DataFrame:
        return pd.DataFrame([done[arch] for arch in sorted(done, key=lambda arch: order.get(arch, -1))])

    def write() -> None:
        with writing(path):
            write_whole(path, table())

    written = Paced(write)
    try:
        measured = (launcher or Here(Place())).run(measuring, remaining, stop, lambda network, report: None)
        for network, row in measured:
            if isinstance(row, Lost):
                raise RequestError(f"{network} was not measured: {row.reason}")
            done[str(network)] = row
            written.later()
            on_network()
    finally:
        written.close()
    return table()
