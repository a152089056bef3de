"""The folder of a training run: what was asked for, the table, the curves, the checkpoints."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from nas.files import write_whole
from nas.folders import made, read, versions, writing
from nas.train.order import Order

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("results/trained")


class TrainFolder:
    """One training run's folder.

    Attributes:
        path: Where it is.
        order: What was asked for.
        trained: The table, a row a network and seed.
        summary: Mean and standard deviation over seeds.
        curves: What every epoch came to.
    """

    def __init__(self, path: Path, order: Order) -> None:
        self.path, self.order = path, order
        self.trained, self.summary = path / "trained.csv", path / "summary.csv"
        self.curves = path / "curves.csv"

    @classmethod
    def create(cls, order: Order, path: Path | None) -> TrainFolder:
        """Make a new folder: at `path`, or one named for the order and the time.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        path = made(path, RUNS, f"{order.dataset}-{order.recipe}")
        with writing(path):
            (path / "checkpoints").mkdir()
        folder = cls(path, order)
        folder.save_state("running")
        return folder

    @classmethod
    def open(cls, path: Path) -> TrainFolder:
        """The folder of an earlier run.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        return read(path, "training", lambda state: cls(path, Order.of_json(state["order"])))

    def checkpoint(self, name: str) -> Path:
        """Where the checkpoint of a job is."""
        return self.path / "checkpoints" / f"{name}.pt"

    def failures(self) -> dict[tuple[int, int], str]:
        """Why networks failed, by row and seed, as the table of an earlier part of the run says."""
        import pandas as pd

        try:
            table = pd.read_csv(self.trained)
            failed = table[table["status"] == "failed"]
            jobs = zip(failed["row"].astype(int), failed["seed"].astype(int), strict=True)
            return dict(zip(jobs, failed["reason"].astype(str), strict=True))
        except (OSError, ValueError, KeyError):
            return {}

    def save_state(self, status: str) -> None:
        """Write run.json."""
        state = {
            "status": status,
            "order": self.order.as_json(),
            "versions": versions(("torch", "torchvision", "numpy")),
            "machine": platform.platform(),
        }
        write_whole(self.path / "run.json", json.dumps(state, indent=2) + "\n")

    def save(self, file: Path, table: pd.DataFrame) -> None:
        """Write a table."""
        write_whole(file, table.to_csv(index=False))
