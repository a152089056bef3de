"""The jobs of a training run: each network with each seed, how far it has come, and its row in the table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import pandas as pd

from nas.schema import built
from nas.score import score
from nas.train.data import Data
from search_spaces import Architecture, RequestError
from search_spaces.registry import reference_name

STATUSES = WAITING, RUNNING, INTERRUPTED, DONE, FAILED = "waiting", "running", "interrupted", "done", "failed"

_OF_DATA = ("resolution", "in_features", "num_classes", "stem_stride")


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Attributes:
        number: From 1.
        train_loss: Mean loss over its steps.
        tested_on: "test" or "held_out".
        top1: Share of those images whose class was named first, in percent.
        top5: Share whose class was among the first five.
        seconds: Time spent training.
        images_per_second: Training images a second.
        waiting: Share of that time spent waiting for data.
        gpu_memory_mb: Largest memory in use on a GPU, in MiB.
    """

    number: int
    train_loss: float
    tested_on: str
    top1: float
    top5: float
    seconds: float
    images_per_second: float
    waiting: float
    gpu_memory_mb: float | None


@dataclass(frozen=True)
class Job:
    """One network to be trained with one seed.

    Attributes:
        row: The network's place among those chosen, from 1.
        architecture: The network, fitted to the data.
        seed: Seed of its weights and of the order of the images.
    """

    row: int
    architecture: Architecture
    seed: int

    @property
    def name(self) -> str:
        """What its files are called.

        >>> Job(1, None, 0).name
        'row1-seed0'
        """
        return f"row{self.row}-seed{self.seed}"


def called(architecture: Architecture) -> str:
    """What figures and lines of progress call a network: the name of the reference that it is, or its spec.

    Image size, classes and stem are left out: they are the same for all networks of a run.
    """
    if name := reference_name(architecture):
        return name
    plain = {
        field.name: field.default
        for field in dataclasses.fields(architecture)
        if field.name in _OF_DATA and field.default is not dataclasses.MISSING
    }
    try:
        return str(dataclasses.replace(architecture, **plain)).partition(":")[2]
    except RequestError:  # it has no form for images of the usual size
        return str(architecture).partition(":")[2]


class Accuracy(NamedTuple):
    """Accuracy on the test set, in percent."""

    top1: float
    top5: float


@dataclass(frozen=True)
class JobState:
    """How far a job has come.

    Attributes:
        status: One of the words above.
        epochs: Results of each epoch.
        test: The test set with the last weights, where others were held out to choose by.
        best_test: The test set with the weights that did best on the held-out ones.
        compiled: Whether the network was compiled; why not, if that failed.
        reason: Why it failed.
    """

    status: str = WAITING
    epochs: tuple[Epoch, ...] = ()
    test: Accuracy | None = None
    best_test: Accuracy | None = None
    compiled: str = ""
    reason: str = ""

    @property
    def best(self) -> Epoch | None:
        """The first of the epochs with the largest accuracy."""
        return max(self.epochs, key=lambda epoch: epoch.top1, default=None)

    def after(self, epoch: Epoch) -> Self:
        """After one more epoch."""
        return dataclasses.replace(self, epochs=(*self.epochs, epoch))

    def ended(self, status: str, reason: str = "") -> Self:
        """With another status."""
        return dataclasses.replace(self, status=status, reason=" ".join(reason.split()))

    def as_values(self) -> dict[str, Any]:
        """Plain values; the inverse of `of_values`."""
        values = dataclasses.asdict(self)
        values["epochs"] = [dataclasses.asdict(epoch) for epoch in self.epochs]
        for name in ("test", "best_test"):
            values[name] = values[name] and list(values[name])
        return values

    @classmethod
    def of_values(cls, values: dict[str, Any]) -> Self:
        """What `as_values` gave.

        Raises:
            TypeError: The values are not those of an outcome.
            ValueError: They are out of range.
        """
        outcome = built(cls, values)
        shares = [share for one in outcome.epochs for share in (one.top1, one.top5)]
        shares += [*(outcome.test or ()), *(outcome.best_test or ())]
        if outcome.status not in STATUSES or not all(0 <= share <= 100 for share in shares):
            raise ValueError("a status or an accuracy is none")
        if [epoch.number for epoch in outcome.epochs] != list(range(1, len(outcome.epochs) + 1)):
            raise ValueError("epochs are missing")
        return outcome

    @classmethod
    def of_table(cls, epochs: Sequence[Mapping[str, Any]]) -> Self:
        """That of a job that is done and has no checkpoint: its epochs, as curves.csv has them."""
        names = [field.name for field in dataclasses.fields(Epoch)]
        values: list[dict[str, Any]] = [{name: epoch.get(name) for name in names} for epoch in epochs]
        return cls(DONE, tuple(Epoch(**given) for given in values))


@dataclass(frozen=True)
class Guess:
    """What a network reaches that has learnt nothing but which class is the most frequent.

    Attributes:
        classes: Their number.
        top1: Its accuracy on the test set, in percent.
        images: Of the test set.
    """

    classes: int
    top1: float
    images: int

    @classmethod
    def of(cls, data: Data) -> Self:
        """On some data."""
        labels = data.test.labels
        return cls(len(data.classes), 100 * int(labels.bincount().max()) / len(labels), len(labels))

    def warning(self, outcome: JobState) -> str:
        """What is suspicious about a network trained to the end; nothing if all looks well."""
        if outcome.status != DONE or not outcome.epochs:
            return ""
        first, last = outcome.epochs[0].train_loss, outcome.epochs[-1].train_loss
        reached = outcome.test.top1 if outcome.test else outcome.epochs[-1].top1
        # Two standard deviations of the share of hits among so many images.
        noise = 2 * math.sqrt(self.top1 * (100 - self.top1) / self.images)
        found = {
            f"top-1 within noise of guessing ({self.top1:.1f}%)": reached <= self.top1 + noise,
            f"training loss above that of guessing ({math.log(self.classes):.2f})": last
            > math.log(self.classes),
            "training loss larger than in epoch 1": last > first,
        }
        return "; ".join(text for text, holds in found.items() if holds)


def table(
    outcomes: Mapping[Job, JobState],
    setting: Mapping[str, Any],
    guess: Guess,
    kept: Mapping[Job, dict[str, Any]] | None = None,
) -> pd.DataFrame:
    """The rows of trained.csv: a job each, its network's figures and the results of its last epoch.

    Args:
        setting: Its columns that are the same in all rows: dataset, recipe, device, threads.
        guess: What a network reaches that has learnt nothing.
        kept: Rows of an earlier part of the run, which stay as they are.
    """
    rows = [(kept or {}).get(job) or _row(job, outcome, setting, guess) for job, outcome in outcomes.items()]
    return pd.DataFrame(rows)


def _row(job: Job, outcome: JobState, setting: Mapping[str, Any], guess: Guess) -> dict[str, Any]:
    last = outcome.epochs[-1] if outcome.epochs else None
    chosen = outcome.best if outcome.best_test else None
    shown = outcome.test or (last and Accuracy(last.top1, last.top5))
    memory = [epoch.gpu_memory_mb for epoch in outcome.epochs if epoch.gpu_memory_mb is not None]
    return {
        "row": job.row,
        "arch": str(job.architecture),
        "name": reference_name(job.architecture),
        **score(job.architecture),
        "dataset": setting["dataset"],
        "recipe": setting["recipe"],
        "seed": job.seed,
        "epochs": len(outcome.epochs),
        "train_loss": last and last.train_loss,
        "top1": shown and shown.top1,
        "top5": shown and shown.top5,
        "held_out_top1": last.top1 if last and outcome.test else None,
        "best_epoch": chosen and chosen.number,
        "best_held_out_top1": chosen and chosen.top1,
        "best_top1": outcome.best_test and outcome.best_test.top1,
        "best_top5": outcome.best_test and outcome.best_test.top5,
        "images_per_second": last and last.images_per_second,
        "waiting": last and last.waiting,
        "gpu_memory_mb": max(memory, default=None),
        "seconds": sum(epoch.seconds for epoch in outcome.epochs),
        "device": setting["device"],
        "threads": setting["threads"],
        "compiled": outcome.compiled,
        "status": outcome.status,
        "reason": outcome.reason,
        "warning": guess.warning(outcome),
    }


def curves(outcomes: Mapping[Job, JobState]) -> pd.DataFrame:
    """The rows of curves.csv: an epoch of a job each."""
    columns = ["row", "seed", *(field.name for field in dataclasses.fields(Epoch))]
    rows = [
        {"row": job.row, "seed": job.seed, **dataclasses.asdict(epoch)}
        for job, outcome in outcomes.items()
        for epoch in outcome.epochs
    ]
    return pd.DataFrame(rows, columns=columns)


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the seeds of each network that was trained to the end."""
    done = trained[trained["status"] == DONE]
    # Known networks have no NN-Mass, and count all the same.
    groups = done.groupby(["row", "arch", "nn_mass", "flops", "macs", "params"], sort=False, dropna=False)
    of_seeds = {
        f"{name}_{how}": (name, how) for name in ("top1", "top5", "best_top1") for how in ("mean", "std")
    }
    found = groups.agg(seeds=("seed", "count"), **of_seeds)
    return found.reset_index()
