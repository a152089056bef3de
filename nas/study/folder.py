"""The folder of a study: what was asked for, the population, the training, the scores, the report."""

from __future__ import annotations

import json
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nas.files import write_whole
from nas.study.request import StudyRequest
from search_spaces import RequestError

STUDIES = Path("results/studies")


class StudyFolder:
    """One study's folder.

    Attributes:
        path: Where it is.
        request: What was asked for.
        training: The folder of its training run.
        scores: Every proxy of every network.
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

    @classmethod
    def create(cls, request: StudyRequest, path: Path | None) -> StudyFolder:
        """Make a new folder: at `path`, or one named for the request and the time.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        path = path or STUDIES / f"{datetime.now():%Y%m%d-%H%M%S}-{request.space}-{request.order.dataset}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise RequestError(f"{path} is there already; choose another --out, or --resume {path}") from None
        except OSError as error:
            raise RequestError(f"cannot write {path}: {error.strerror}") from None
        folder = cls(path, request)
        folder.save_state("begun", {})
        return folder

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The folder of an earlier study.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        file = path / "run.json"
        try:
            return cls(path, StudyRequest.of_json(json.loads(file.read_bytes())["request"]))
        except OSError as error:
            raise RequestError(f"{path} is not the folder of a study: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RequestError(f"{file} is damaged ({error!r}); start a new study") from None

    def save_state(self, status: str, facts: dict[str, Any]) -> None:
        """Write run.json."""
        packages = ("torch", "torchvision", "numpy", "pandas", "scipy")
        state = {
            "status": status,
            "request": self.request.as_json(),
            **facts,
            "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
            "machine": platform.platform(),
        }
        write_whole(self.path / "run.json", json.dumps(state, indent=2) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
