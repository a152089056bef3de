"""The folder of a study: what was asked for, the population, the training, the scores, the report."""

from __future__ import annotations

import json
import platform
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nas.files import write_whole
from nas.folders import begun, locked, read, versions, writing
from nas.study.request import StudyRequest

STUDIES = Path("results/studies")
_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy")


class StudyFolder:
    """One study's folder.

    Attributes:
        path: Where it is.
        request: What was asked for.
        training: The folder of its training run.
        scores: Every proxy of every network.
        latency: How long every network takes, if that was measured.
        table: Scores and accuracy, a row a network.
        correlations: How well each score predicts accuracy.
        between: How well the scores agree with one another.
        figure: The same as a picture.
    """

    def __init__(self, path: Path, request: StudyRequest) -> None:
        self.path, self.request = path, request
        self.training = path / "training"
        self.scores, self.table = path / "scores.csv", path / "networks.csv"
        self.correlations, self.figure = path / "correlations.csv", path / "study.png"
        self.between = path / "between.csv"
        self.latency = path / "latency.csv"

    @classmethod
    def create(cls, request: StudyRequest, path: Path | None) -> StudyFolder:
        """Make a new folder: at `path`, or one named for the request and the time.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        with begun(path, STUDIES, f"{request.space or 'networks'}-{request.order.dataset}") as new:
            folder = cls(new, request)
            folder.save_state("begun", {})
        return folder

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The folder of an earlier study.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        return read(path, "study", lambda state: cls(path, StudyRequest.of_json(state["request"])))

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands out while a block works in the folder; see `nas.folders.locked`."""
        return locked(self.path)

    def save_state(self, status: str, facts: dict[str, Any]) -> None:
        """Write run.json."""
        state = {
            "status": status,
            "request": self.request.as_json(),
            **facts,
            "versions": versions(_PACKAGES),
            "machine": platform.platform(),
        }
        with writing(self.path):
            write_whole(self.path / "run.json", json.dumps(state, indent=2) + "\n")
