"""The folder of a study."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.runs import TRAINING, Folder, Status
from nas.study.report import columns_of, read_table
from nas.study.request import StudyRequest
from nas.train.folder import TrainFolder
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd


class StudyFolder(Folder[StudyRequest]):
    """The folder of one study: its request, state and files.

    Attributes:
        test_images: Number of test images, if known.
        training: Folder of the training run.
        scores: CSV of all scores, one row for each network.
        latency: CSV of measured latencies, if requested.
        table: CSV of scores and accuracy, one row for each network.
        correlations: CSV of the correlation of each score with accuracy.
        between: CSV of rank correlations between scores.
        figure: PNG of accuracy against each score.
    """

    request_class = StudyRequest
    kind = "study"
    module = "nas.study"
    under = Path("results/studies")
    packages = ("torch", "torchvision", "numpy", "pandas", "scipy")

    def __init__(self, path: Path, request: StudyRequest, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.training = path / TRAINING
        self.scores, self.table = path / "scores.csv", path / "networks.csv"
        self.correlations, self.figure = path / "correlations.csv", path / "study.png"
        self.between = path / "between.csv"
        self.latency = path / "latency.csv"
        self.test_images: int | None = self.fact("test_images", int | None, None)
        if self.test_images is not None and self.test_images < 1:
            raise ValueError(f"test_images {self.test_images}")

    def facts(self) -> dict[str, Any]:
        """Facts for run.json: the number of test images, if known."""
        return {"test_images": self.test_images} if self.test_images else {}

    @property
    def trained(self) -> bool:
        """Whether the training has finished. A finished training is never run or written again.

        Raises:
            RequestError: The training's run.json is damaged.
        """
        if self.finished:
            return True
        there = (self.training / "run.json").exists()
        return there and TrainFolder.open(self.training).status == "finished"

    @property
    def resume_training(self) -> str:
        """The command that writes the tables of the training again, and tries failed networks again."""
        return f"python -m {TrainFolder.module} --resume {shlex.quote(str(self.training))}"

    @property
    def complete(self) -> bool:
        """Whether all networks are trained and scored, so that a report needs only the folder.

        Raises:
            RequestError: The training has finished, but a table is missing or damaged.
        """
        if not (self.trained and self.scores.exists()):
            return False
        return set(self.outcomes()["arch"]) <= set(self.scored()["arch"])

    def outcomes(self) -> pd.DataFrame:
        """Results of the training, one row for each network and seed, as `nas.train.job.table` returns them.

        Raises:
            RequestError: The table is missing or damaged.
        """
        path = self.training / "trained.csv"
        if not path.exists():
            raise RequestError(f"{path}: there is no such file; write it again by {self.resume_training}")
        table = read_table(path, ("row", "seed", "top1", "seconds"))
        missing = [name for name in ("status", "device") if name not in table]
        if missing or not len(table):
            raise RequestError(f"{path} has no {'column ' + ', '.join(missing) if missing else 'rows'}")
        return table

    def scored(self) -> pd.DataFrame:
        """Scores, one row for each network, as `nas.study.scores.scored` returns them.

        Raises:
            RequestError: The table is missing or damaged.
        """
        return read_table(self.scores, columns_of(self.request.scores))

    def save_state(self, status: Status, facts: Mapping[str, Any] | None = None) -> None:
        """Write run.json; a finished study keeps its request and versions and only gains facts."""
        if not self.finished:
            super().save_state(status, facts)
        elif (state := {**self.state, **self.facts(), **(facts or {})}) != self.state:
            self._write(state)
