"""The folder of a run: what stays on disk, each file whole at any moment."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.files import write_whole
from nas.optimize.request import DEFAULT_SCORE, Request
from nas.runs import begun, locked, read, versions, writing
from nas.schema import built

RUNS = Path("results/runs")
_FORMAT = 1
_PACKAGES = ("zero-cost-nas", "optuna", "numpy", "pandas", "torch", "fvcore")


class RunFolder:
    """One run's folder.

    Attributes:
        path: Where it is.
        request: What was asked for.
        state: The request, versions, wall time, how far it came.
        log: The Optuna study, for optuna-dashboard and for going on.
        candidates: Every architecture found that meets the bounds, best first.
        references: The space's references, ranked by the same rules.
        figure: The score against cost.
        changes: Versions that are not those that the run was begun with, in words.
        seconds: Wall time spent so far.
        trials_done: Trials that the log must have.
        status: How the run ended, or that it has not.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        self.request = request
        self.state = path / "run.json"
        self.log = path / "study.log"
        self.candidates = path / "candidates.csv"
        self.references = path / "references.csv"
        self.figure = path / ("mass.png" if request.score == DEFAULT_SCORE else "score.png")
        self.changes: list[str] = []
        self.seconds: dict[str, float] = {}
        self.trials_done = 0
        self.status = "running"

    @classmethod
    def create(cls, request: Request, path: Path | None) -> RunFolder:
        """Make a new folder: at `path`, or one named for the request and the time under `RUNS`.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        with begun(path, RUNS, request.name()) as new:
            folder = cls(new, request)
            folder.save_state("running", {})
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run.

        Raises:
            RequestError: It is not one, or is damaged.
        """

        def of_state(state: dict[str, Any]) -> RunFolder:
            if state["format"] != _FORMAT:
                raise ValueError(f"format {state['format']}")
            folder = cls(path, Request.of_json(state["request"]))
            folder.changes = _changes(dict(state["versions"]))
            progress = built(
                _Progress,
                {name: state[name] for name in ("seconds", "trials_done", "status") if name in state},
            )
            folder.seconds, folder.trials_done = progress.seconds, progress.trials_done
            folder.status = progress.status
            return folder

        return read(path, "run", of_state)

    def holds(self, request: Request) -> bool:
        """Whether the run is finished and has all the trials of a request."""
        return self.status == "finished" and self.trials_done >= request.trials

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands out while a block works in the folder; see `nas.runs.locked`."""
        return locked(self.path)

    def save_state(self, status: str, facts: Mapping[str, Any]) -> None:
        """Write run.json."""
        state = {
            "format": _FORMAT,
            "status": status,
            "command": self.command(),
            "request": self.request.as_json(),
            **facts,
            "versions": versions(_PACKAGES),
            "machine": platform.platform(),
        }
        self.save(self.state, json.dumps(state, indent=2) + "\n")

    def command(self) -> str:
        """The command that asks for this run."""
        return "python -m nas.search " + self.request.arguments()

    def save(self, file: Path, content: str | bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        with writing(self.path):
            write_whole(file, content)


@dataclass(frozen=True)
class _Progress:
    """How far a run came, as its run.json says."""

    seconds: dict[str, float] = field(default_factory=dict)
    trials_done: int = 0
    status: str = "running"


def _changes(before: Mapping[str, str]) -> list[str]:
    now = versions(_PACKAGES)
    return [
        f"{name} was {then}, is {now.get(name)}" for name, then in before.items() if then != now.get(name)
    ]
