"""The folder of a training run: configuration, tables and checkpoints; networks loaded from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.arguments import checked_arguments
from nas.cells import original
from nas.files import read_whole
from nas.remote import Remote, located
from nas.runs import CHECKPOINTS, SHOWN, Folder
from nas.train.config import MOST_PROCESSES, TrainConfig
from search_spaces import RequestError
from search_spaces.errors import checked_kind, checked_path, checked_whole, listed

if TYPE_CHECKING:
    import pandas as pd

    from nas.train.distributed import Processes
    from nas.train.model import Classifier

Key = tuple[int, int]
"""Row and seed of a network in training."""
_ACCURACIES = ("top1", "top5", "best_top1", "best_top5")
_TEXTS = ("arch", "device", "compiled", "status", "reason")
_NEWER_TEXTS = ("name", "warning")
"""Columns missing from tables of earlier versions."""


class TrainFolder(Folder[TrainConfig]):
    """The folder of a training run.

    Attributes:
        trained: Path of the table with one row per network and seed.
        summary: Path of the table of means and standard deviations over seeds.
        curves: Path of the table with one row per epoch.
        threads: Number of threads of torch in the last training; None before the first.
        store: Folder or URL of the checkpoints, if they are not in the folder of the run.
    """

    request_class = TrainConfig
    kind = "training"
    module = "nas.train"
    under = Path("results/trained")
    packages = ("torch", "torchvision", "numpy")
    key = "order"

    def __init__(self, path: Path, request: TrainConfig, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.trained, self.summary = path / "trained.csv", path / "summary.csv"
        self.curves = path / "curves.csv"
        self.threads: int | None = self.fact("threads", int | None, None)
        if self.threads is not None and not 1 <= self.threads <= MOST_PROCESSES:
            raise RequestError(f"threads is {self.threads}, expected 1 to {MOST_PROCESSES}")

        self.store: str | None = self.fact("checkpoints", str | None, None)

    def facts(self) -> dict[str, Any]:
        """The number of threads, and where the checkpoints are, if they are elsewhere."""
        return {"threads": self.threads, **({"checkpoints": self.store} if self.store else {})}

    @property
    def checkpoints(self) -> Path | Remote:
        """The folder of the checkpoints.

        Raises:
            RequestError: It is at a URL that cannot be used.
        """
        return located(self.store) if self.store else self.path / CHECKPOINTS

    @contextmanager
    def locked(self, processes: Processes | None = None) -> Iterator[None]:
        """Lock the folder against other commands during a block; see `nas.runs.locked`.

        Args:
            processes: The process group: the main process locks, and its error is raised in all.
        """
        with ExitStack() as stack:
            failure = ""
            if processes is None or processes.is_main:
                try:
                    stack.enter_context(super().locked())
                except RequestError as error:
                    failure = str(error)
            if failure := processes.broadcast(failure) if processes else failure:
                raise RequestError(failure)
            yield

    def keep_checkpoints(self, store: str | None) -> None:
        """Keep the checkpoints in a folder or at a URL, before the first is written; None changes nothing.

        Raises:
            RequestError: Those of the run are elsewhere already.
        """
        if store is None or (given := str(located(store).absolute())) == self.store:
            return
        if self.store or self.status != "running" or self.threads is not None:
            raise RequestError(
                f"--checkpoints {store}: those of {self.path} are in {self.checkpoints}; leave it out"
            )
        self.store = given

    def checkpoint(self, name: str) -> Path | Remote:
        """The checkpoint of a job."""
        return self.checkpoints / f"{name}.pt"

    @property
    def finished(self) -> bool:
        """Whether the run is finished and all networks are done; nothing is written then."""
        if not super().finished:
            return False
        rows = self.rows()
        jobs = [
            (row, seed)
            for row in range(1, len(self.request.archs) + 1)
            for seed in self.request.seeds_of(row)
        ]
        return all(job in rows and rows[job]["status"] == "done" for job in jobs)

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The rows of trained.csv, unchanged; none if the file does not exist.

        Raises:
            RequestError: The file is damaged.
        """
        rows = _read(self.trained, ("epochs", "nn_mass", "flops", "macs", "params", *_ACCURACIES), _TEXTS)
        return {(row["row"], row["seed"]): row for row in rows}

    def epochs(self) -> dict[Key, list[dict[str, Any]]]:
        """The rows of curves.csv, unchanged; none if the file does not exist.

        Raises:
            RequestError: The file is damaged.
        """
        found: dict[Key, list[dict[str, Any]]] = {}
        for row in _read(self.curves, ("number", "train_loss", "top1", "seconds"), ("tested_on",)):
            found.setdefault((row["row"], row["seed"]), []).append(row)
        return found


def warnings_of(trained: pd.DataFrame) -> list[str]:
    """Warnings about the networks of a table like trained.csv, one line per finding."""
    if "warning" not in trained:
        return []
    rows: dict[str, list[str]] = {}
    for row in trained[trained["warning"].map(bool) & trained["warning"].notna()].to_dict("records"):
        for finding in str(row["warning"]).split("; "):
            rows.setdefault(finding, []).append(f"{row['row']} (seed {row['seed']})")
    return [f"warning: {finding}: row {listed(places)}" for finding, places in rows.items()]


def _read(path: Path, numbers: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table written by this package, with full precision; None for missing numbers."""
    try:
        content = read_whole(path)
    except OSError:
        return []
    try:
        lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
        if not {"row", "seed", *numbers, *texts} <= set(lines.fieldnames or ()):
            raise ValueError("columns are missing")
        rows = [
            {
                name: original(text) if name in (*texts, *_NEWER_TEXTS) else _number(text)
                for name, text in line.items()
            }
            for line in lines
        ]
        kinds = [(int, ("row", "seed")), (int | float | None, numbers), (str, texts)]
        for row in rows:
            for kind, names in kinds:
                if wrong := [name for name in names if not isinstance(row[name], kind)]:
                    raise ValueError(f"{wrong[0]} is {row[wrong[0]]!r}")
    except (ValueError, TypeError, csv.Error) as error:
        hint = "move it away: results are restored from the checkpoints"
        raise RequestError(f"{path} is damaged ({str(error)[:SHOWN]}); {hint}") from None
    return rows


def _number(text: str) -> int | float | str | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


@checked_arguments
def load(folder: Path | str, row: int = 1, seed: int | None = None, best: bool = False) -> Classifier:
    """A trained network, on the CPU and in evaluation mode.

    Args:
        folder: The folder of a training run.
        row: Number of the network: the column `row` of trained.csv.
        seed: Seed of the training; the first one if not given.
        best: Load the weights with the best accuracy on the held-out images, not the last ones.

    Returns:
        A module from pixels between 0 and 1, of shape (N, C, side, side), to logits of shape (N, classes).
        It includes the normalisation; its attribute `network` is the bare network.

    Raises:
        RequestError: The folder has no such network, or its training is not finished.
        TypeError: An argument has the wrong type.
    """
    checked_path("folder", folder)
    row = checked_whole("row", row, 1)
    seed = None if seed is None else checked_whole("seed", seed)
    checked_kind("best", best, bool, "True or False")
    run = TrainFolder.open(Path(folder))
    rows = len(run.request.archs)
    if not 1 <= row <= rows:
        raise RequestError(f"{folder} has rows 1 to {rows}, not {row}")
    seeds = run.request.seeds_of(row)
    if seed is not None and seed not in seeds:
        raise RequestError(f"row {row} of {folder} has seeds {', '.join(map(str, seeds))}, not {seed}")
    if best and not run.request.val_fraction:
        raise RequestError(
            f"{folder}: no validation images were held out to select the best weights; load the last"
        )
    from nas.train.job import DONE
    from nas.train.model import Checkpoint

    seed = seeds[0] if seed is None else seed
    path = run.checkpoint(f"row{row}-seed{seed}")
    if not path.exists():
        if run.rows().get((row, seed), {}).get("status") == DONE:
            raise RequestError(
                f"{path}: row {row} is trained, but its checkpoint is missing; restore the file"
            )
        raise RequestError(f"{folder}: row {row} has not been trained; {run.resume}")
    checkpoint = Checkpoint.load(path)
    outcome = checkpoint.job_state()
    if outcome.status != DONE:
        done = f"{len(outcome.epochs)} of {checkpoint.recipe.get('epochs')} epochs"
        raise RequestError(f"{folder}: row {row} has done {done}; go on with {run.resume}")
    return checkpoint.classifier(path, best)
