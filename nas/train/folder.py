"""The folder of a training run: config, tables, checkpoints, and the networks loaded from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import read_whole
from nas.runs import CHECKPOINTS, SHOWN, Folder
from nas.train.config import MOST_PROCESSES, TrainConfig
from search_spaces import RequestError
from search_spaces.errors import checked_arguments, checked_kind, checked_path, checked_whole, listed

if TYPE_CHECKING:
    import pandas as pd

    from nas.train.distributed import Processes
    from nas.train.model import Classifier

Key = tuple[int, int]
"""Row and seed of a network in training."""
_ACCURACIES = ("top1", "top5", "best_top1", "best_top5")
_TEXTS = ("arch", "device", "compiled", "status", "reason")
_NEWER_TEXTS = ("name", "warning")
"""Those that tables of earlier versions lack."""


class TrainFolder(Folder[TrainConfig]):
    """One training run's folder.

    Attributes:
        trained: The table, a row a network and seed.
        summary: Mean and standard deviation over seeds.
        curves: Results of every epoch.
        threads: Of torch, with which the run was trained last; nothing before that.
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

    def facts(self) -> dict[str, Any]:
        """The threads."""
        return {"threads": self.threads}

    @contextmanager
    def locked(self, processes: Processes | None = None) -> Iterator[None]:
        """Keep other commands out while a block works in the folder; see `nas.runs.locked`.

        Args:
            processes: The process group: the first process locks, and its error is raised in all.
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

    def checkpoint(self, name: str) -> Path:
        """Where the checkpoint of a job is."""
        return self.path / CHECKPOINTS / f"{name}.pt"

    @property
    def finished(self) -> bool:
        """Whether all networks are trained to the end, as trained.csv has it: nothing is written then."""
        rows = self.rows()
        jobs = [
            (row, seed)
            for row in range(1, len(self.request.archs) + 1)
            for seed in self.request.seeds_of(row)
        ]
        return all(job in rows and rows[job]["status"] == "done" for job in jobs)

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The rows of trained.csv, as they are; none where there is no such file.

        Raises:
            RequestError: It is damaged.
        """
        rows = _read(self.trained, ("epochs", "nn_mass", "flops", "macs", "params", *_ACCURACIES), _TEXTS)
        return {(row["row"], row["seed"]): row for row in rows}

    def epochs(self) -> dict[Key, list[dict[str, Any]]]:
        """The rows of curves.csv, as they are; none where there is no such file.

        Raises:
            RequestError: It is damaged.
        """
        found: dict[Key, list[dict[str, Any]]] = {}
        for row in _read(self.curves, ("number", "train_loss", "top1", "seconds"), ("tested_on",)):
            found.setdefault((row["row"], row["seed"]), []).append(row)
        return found


def warnings_of(trained: pd.DataFrame) -> list[str]:
    """What is suspicious about the networks of a table like trained.csv, a line for each finding."""
    if "warning" not in trained:
        return []
    rows: dict[str, list[str]] = {}
    for row in trained[trained["warning"].map(bool) & trained["warning"].notna()].to_dict("records"):
        for finding in str(row["warning"]).split("; "):
            rows.setdefault(finding, []).append(f"{row['row']} (seed {row['seed']})")
    return [f"warning: {finding}: row {listed(which)}" for finding, which in rows.items()]


def _read(path: Path, numbers: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table of ours, to the last digit, without numbers that are not there."""
    try:
        content = read_whole(path)
    except OSError:
        return []
    try:
        lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
        if not {"row", "seed", *numbers, *texts} <= set(lines.fieldnames or ()):
            raise ValueError("columns are missing")
        rows = [
            {name: text if name in (*texts, *_NEWER_TEXTS) else _number(text) for name, text in line.items()}
            for line in lines
        ]
        kinds = [(int, ("row", "seed")), (int | float | None, numbers), (str, texts)]
        for row in rows:
            for kind, names in kinds:
                if wrong := [name for name in names if not isinstance(row[name], kind)]:
                    raise ValueError(f"{wrong[0]} is {row[wrong[0]]!r}")
    except (ValueError, TypeError, csv.Error) as error:
        way = "move it away: what has a checkpoint is taken from there"
        raise RequestError(f"{path} is damaged ({str(error)[:SHOWN]}); {way}") from None
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
        row: The network's number in the column `row` of its trained.csv.
        seed: The seed that it was trained with; the first one if not given.
        best: Take the weights that did best on held-out images, not the last ones.

    Returns:
        A module that takes pixels from 0 to 1, of shape (N, C, side, side), and gives logits, of shape
        (N, classes). It normalises the pixels itself; its `network` is the bare network.

    Raises:
        RequestError: There is no such network in the folder, or it has not been trained to the end.
        TypeError: An argument is of another kind.
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
        raise RequestError(f"{folder}: no images were held out to choose the best weights by; take the last")
    from nas.train.job import DONE
    from nas.train.model import Checkpoint

    seed = seeds[0] if seed is None else seed
    path = run.checkpoint(f"row{row}-seed{seed}")
    if not path.exists():
        if run.rows().get((row, seed), {}).get("status") == DONE:
            raise RequestError(
                f"{path}: row {row} is trained, but its weights are not there; bring them back"
            )
        raise RequestError(f"{folder}: row {row} has not been trained; {run.resume}")
    kept = Checkpoint.load(path)
    outcome = kept.so_far()
    if outcome.status != DONE:
        done = f"{len(outcome.epochs)} of {kept.recipe.get('epochs')} epochs"
        raise RequestError(f"{folder}: row {row} has done {done}; go on with {run.resume}")
    return kept.classifier(path, best)
