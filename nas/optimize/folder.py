"""The folder of a search."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.optimize.request import Request
from nas.query import DEFAULT_SCORE
from nas.runs import Folder


class RunFolder(Folder[Request]):
    """The folder of a search.

    Attributes:
        log: Path of the Optuna study, for resuming and for optuna-dashboard.
        candidates: Path of the table of architectures found inside the bounds, best first.
        references: Path of the table of references, with their ranks.
        figure: Path of the plot of score against cost.
        seconds: Wall time by part.
        trials_done: Number of trials that the study must contain.
        storage: URL of the storage of the study, without a password; empty if it is in the folder.
        study: Name of the study there.
    """

    request_class = Request
    kind = "search"
    module = "nas.search"
    under = Path("results/runs")
    packages = ("zero-cost-nas", "optuna", "numpy", "pandas", "torch", "fvcore")

    def __init__(self, path: Path, request: Request, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.log = path / "study.log"
        self.candidates = path / "candidates.csv"
        self.references = path / "references.csv"
        self.figure = path / ("mass.png" if request.score == DEFAULT_SCORE else "score.png")
        self.seconds: dict[str, float] = self.fact("seconds", dict[str, float], {})
        self.trials_done: int = self.fact("trials_done", int, 0)
        self.storage: str = self.fact("storage", str, "")
        self.study: str = self.fact("study", str, "")

    def holds(self, request: Request) -> bool:
        """Whether the run is finished and has all trials of a request."""
        return self.finished and self.trials_done >= request.trials

    def facts(self) -> dict[str, Any]:
        """The command of the run, and where its study is."""
        command = f"python -m {self.module} {self.request.arguments()}"
        if not self.storage:
            return {"command": command}
        where = shlex.join(["--storage", self.storage, "--study", self.study])
        return {"command": f"{command} {where}", "storage": self.storage, "study": self.study}
