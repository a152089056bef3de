"""A study as it was asked for, and the folder that it is kept in."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nas.files import write_whole
from nas.runs import begun, read, versions, writing
from nas.schema import Stored
from nas.study.population import Draw
from nas.study.report import columns_of, read_table
from nas.train.config import TrainConfig
from search_spaces import RequestError
from search_spaces.architecture import Value

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class StudyRequest(Stored):
    """A study as it was asked for.

    Attributes:
        space: Name of the space, or nothing where the networks were given by hand.
        draw: How.
        seed: Seed of the draws.
        budgets: By cost.
        fix: Choices that are pinned.
        scores: Proxies to compare.
        batch: Images that some of them look at.
        order: How the networks are trained, with their specs and how many of them were given by hand.
        initialisations: Over how many the scores are means, with the seeds from 0 on; 0 takes `seeds`
            of the order.
    """

    space: str
    draw: Draw
    seed: int
    budgets: dict[str, str]
    fix: dict[str, Value]
    scores: tuple[str, ...]
    batch: int
    order: TrainConfig
    initialisations: int = 0

    def __post_init__(self) -> None:
        if self.draw not in get_args(Draw):
            raise RequestError(f"--draw {self.draw}: expected one of {', '.join(get_args(Draw))}")
        if self.initialisations < 0:
            raise RequestError(f"--initialisations {self.initialisations}: expected at least 1")
        if len(self.order.archs) < 3:
            raise RequestError(
                f"{len(self.order.archs)} networks: expected at least 3 to correlate; name more by --arch, or"
                " draw some with --space and --count"
            )

    @property
    def score_seeds(self) -> tuple[int, ...]:
        """Seeds of the initialisations over which scores are means."""
        return tuple(range(self.initialisations)) or self.order.seeds

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values under the names of today, whatever version wrote them."""
        kept = dict(super().upgraded(values))
        kept.pop("count", None)  # of earlier versions, in which the order did not know how many were named
        if "named" in kept:
            kept["order"] = {**kept["order"], "named": kept.pop("named")}
        return kept


STUDIES = Path("results/studies")
FINISHED = "finished"
_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy")


class StudyFolder:
    """One study's folder.

    Attributes:
        path: Where it is.
        request: What was asked for.
        state: What run.json holds.
        test_images: How many images accuracies are of, where that is known.
        training: The folder of its training run.
        scores: Every proxy of every network.
        latency: How long every network takes, if that was measured.
        table: Scores and accuracy, a row a network.
        correlations: How well each score predicts accuracy.
        between: How well the scores agree with one another.
        figure: The same as a picture.
    """

    def __init__(self, path: Path, request: StudyRequest, state: dict[str, Any] | None = None) -> None:
        self.path, self.request, self.state = path, request, state or {}
        self.test_images: int | None = self.state.get("test_images")
        if self.test_images is not None and not (type(self.test_images) is int and self.test_images > 0):
            raise ValueError(f"test_images {self.test_images!r}")
        self.training = path / "training"
        self.scores, self.table = path / "scores.csv", path / "networks.csv"
        self.correlations, self.figure = path / "correlations.csv", path / "study.png"
        self.between = path / "between.csv"
        self.latency = path / "latency.csv"

    @classmethod
    def create(cls, request: StudyRequest, path: Path | None, test_images: int) -> StudyFolder:
        """Make a new folder: at `path`, or one named for the request and the time.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        with begun(path, STUDIES, f"{request.space or 'networks'}-{request.order.dataset}") as new:
            folder = cls(new, request)
            folder.test_images = test_images
            folder.save_state("begun", {})
        return folder

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The folder of an earlier study.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        return read(path, "study", lambda state: cls(path, StudyRequest.of_json(state["request"]), state))

    @property
    def finished(self) -> bool:
        """Whether it has been reported on."""
        return bool(self.state.get("status") == FINISHED)

    @property
    def trained(self) -> bool:
        """Whether its training has ended: then nothing in it is trained, or written, again.

        Raises:
            RequestError: The training's run.json is damaged.
        """
        if self.finished:
            return True
        if not (self.training / "run.json").exists():
            return False
        return read(self.training, "training", lambda state: bool(state["status"] == FINISHED))

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

    def save_state(self, status: str, facts: dict[str, Any]) -> None:
        """Write run.json; of a finished study what was asked for, and what it was made by, stays as it is."""
        if self.test_images:
            facts = {"test_images": self.test_images, **facts}
        if self.finished:
            state = {**self.state, **facts}
        else:
            state = {
                "status": status,
                "request": self.request.as_json(),
                **facts,
                "versions": versions(_PACKAGES),
                "machine": platform.platform(),
            }
        if state != self.state:
            with writing(self.path):
                write_whole(self.path / "run.json", json.dumps(state, indent=2) + "\n")
            self.state = state
