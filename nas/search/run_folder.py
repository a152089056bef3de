"""The folder of a run: what stays on disk, each file whole at any moment."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from nas.files import write_whole
from nas.search.request import Request
from search_spaces import RequestError

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
        figure: NN-Mass against cost.
        changes: Versions that are not those that the run was begun with, in words.
        seconds: Wall time spent so far.
        trials_done: Trials that the log must have.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        self.request = request
        self.state = path / "run.json"
        self.log = path / "study.log"
        self.candidates = path / "candidates.csv"
        self.references = path / "references.csv"
        self.figure = path / "mass.png"
        self.changes: list[str] = []
        self.seconds: dict[str, float] = {}
        self.trials_done = 0

    @classmethod
    def create(cls, request: Request, path: Path | None) -> RunFolder:
        """Make a new folder: at `path`, or one named for the request and the time under `RUNS`.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        if path is None:
            path = _new_folder(RUNS, f"{datetime.now():%Y%m%d-%H%M%S}-{request.name()}")
        with _written(path):
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RequestError(
                    f"{path} is not empty; choose another --out, or go on with --resume {path}"
                )
        folder = cls(path, request)
        folder.save_state("running", {})
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        file = path / "run.json"
        try:
            content = file.read_bytes()
        except OSError as error:
            raise RequestError(f"{path} is not the folder of a run: run.json: {error.strerror}") from None
        try:
            state = json.loads(content)
            if state["format"] != _FORMAT:
                raise ValueError(f"format {state['format']}")
            folder = cls(path, Request.of_json(state["request"]))
            folder.changes = _changes(dict(state["versions"]))
            folder.seconds = {str(name): float(spent) for name, spent in state.get("seconds", {}).items()}
            folder.trials_done = int(state.get("trials_done", 0))
            return folder
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RequestError(f"{file} is damaged ({error!r}); start a new run") from None

    def save_state(self, status: str, facts: Mapping[str, Any]) -> None:
        """Write run.json."""
        state = {
            "format": _FORMAT,
            "status": status,
            "command": self.command(),
            "request": self.request.as_json(),
            **facts,
            "versions": _versions(),
            "machine": platform.platform(),
        }
        self.save(self.state, json.dumps(state, indent=2) + "\n")

    def command(self) -> str:
        """The command that asks for this run."""
        return "python -m nas.search " + self.request.arguments()

    def save(self, file: Path, content: str | bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        with _written(self.path):
            write_whole(file, content)


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder of that name, or of that name and a number where others have it."""
    with _written(parent):
        for number in count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir(parents=True)
                return path
    raise AssertionError("there is always another number")


def _changes(versions: Mapping[str, str]) -> list[str]:
    now = _versions()
    return [
        f"{name} was {then}, is {now.get(name)}" for name, then in versions.items() if then != now.get(name)
    ]


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a request error."""
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror or error}") from None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
