"""The folder of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.runs import Folder, Status
from nas.study.report import columns_of, read_table
from nas.study.request import StudyRequest
from nas.train.folder import TrainFolder
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd


class StudyFolder(Folder[StudyRequest]):
    """One study's folder.

    Attributes:
        test_images: How many images accuracies are of, where that is known.
        training: The folder of its training run.
        scores: Every proxy of every network.
        latency: How long every network takes, if that was measured.
        table: Scores and accuracy, a row a network.
        correlations: How well each score predicts accuracy.
        between: How well the scores agree with one another.
        figure: The same as a picture.
    """

    request_class = StudyRequest
    kind = "study"
    module = "nas.study"
    under = Path("results/studies")
    packages = ("torch", "torchvision", "numpy", "pandas", "scipy")

    def __init__(self, path: Path, request: StudyRequest, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.training = path / "training"
        self.scores, self.table = path / "scores.csv", path / "networks.csv"
        self.correlations, self.figure = path / "correlations.csv", path / "study.png"
        self.between = path / "between.csv"
        self.latency = path / "latency.csv"
        self.test_images: int | None = self.fact("test_images", int | None, None)
        if self.test_images is not None and self.test_images < 1:
            raise ValueError(f"test_images {self.test_images}")

    def facts(self) -> dict[str, Any]:
        """How many test images there are, where that is known."""
        return {"test_images": self.test_images} if self.test_images else {}

    @property
    def trained(self) -> bool:
        """Whether its training has ended: then nothing in it is trained, or written, again.

        Raises:
            RequestError: The training's run.json is damaged.
        """
        if self.finished:
            return True
        there = (self.training / "run.json").exists()
        return there and TrainFolder.open(self.training).status == "finished"

    @property
    def complete(self) -> bool:
        """Whether a report needs nothing but the folder: all is trained, and has its scores.

        Raises:
            RequestError: All is trained, but a table is missing, or is damaged.
        """
        if not (self.trained and self.scores.exists()):
            return False
        return set(self.outcomes()["arch"]) <= set(self.measured()["arch"])

    def outcomes(self) -> pd.DataFrame:
        """The results of its trainings: a row a network and seed, as `nas.train.job.table` gives.

        Raises:
            RequestError: The table is not there, or is damaged.
        """
        path = self.training / "trained.csv"
        table = read_table(path, ("row", "seed", "top1", "seconds"))
        missing = [name for name in ("status", "device") if name not in table]
        if missing or not len(table):
            raise RequestError(f"{path} has no {'column ' + ', '.join(missing) if missing else 'rows'}")
        return table

    def measured(self) -> pd.DataFrame:
        """Its scores: a row a network, as `nas.study.scores.scored` gives.

        Raises:
            RequestError: The table is not there, or is damaged.
        """
        return read_table(self.scores, columns_of(self.request.scores))

    def save_state(self, status: Status, facts: Mapping[str, Any] | None = None) -> None:
        """Write run.json; of a finished study what was asked for, and what it was made by, stays as it is."""
        if not self.finished:
            super().save_state(status, facts)
        elif (state := {**self.state, **self.facts(), **(facts or {})}) != self.state:
            self._write(state)
