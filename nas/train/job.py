"""The jobs of a training run: one network with one seed each, its state, and its rows in the tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self

import pandas as pd

from nas.schema import built
from nas.score import score
from nas.train.data import Data
from search_spaces import Architecture, RequestError
from search_spaces.registry import reference_name

STATUSES = WAITING, RUNNING, INTERRUPTED, DONE, FAILED = "waiting", "running", "interrupted", "done", "failed"

_SET_BY_DATA = ("resolution", "in_features", "num_classes", "stem_stride")


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Attributes:
        number: Counted from 1.
        train_loss: Mean loss over the steps.
        tested_on: "test" or "held_out".
        top1: Top-1 accuracy on these images, in percent.
        top5: Top-5 accuracy, in percent.
        seconds: Training time.
        images_per_second: Training images per second.
        waiting: Fraction of the training time spent waiting for data.
        gpu_memory_mb: Peak memory of the GPU, in MiB; None on a CPU.
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
        row: Number of the network in the run, from 1.
        architecture: The network, fitted to the data.
        seed: Seed of the weights and of the order of the images.
    """

    row: int
    architecture: Architecture
    seed: int

    @property
    def name(self) -> str:
        """The name of its files.

        >>> Job(1, None, 0).name
        'row1-seed0'
        """
        return f"row{self.row}-seed{self.seed}"


def display_name(architecture: Architecture) -> str:
    """The name of a network in plots and progress lines: its reference name, or else its spec.

    The spec omits image size, classes and stem, which are the same for all networks of a run.
    """
    if name := reference_name(architecture):
        return name
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(architecture)
        if field.name in _SET_BY_DATA and field.default is not dataclasses.MISSING
    }
    try:
        return str(dataclasses.replace(architecture, **defaults)).partition(":")[2]
    except RequestError:  # the defaults are invalid for this network
        return str(architecture).partition(":")[2]


class Accuracy(NamedTuple):
    """Accuracy on the test set, in percent."""

    top1: float
    top5: float


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    Attributes:
        status: One of `STATUSES`.
        epochs: Results of the epochs so far.
        test: Test accuracy of the last weights, if validation images were held out.
        best_test: Test accuracy of the weights with the best validation accuracy.
        compiled: "yes", "failed: " and the reason, or empty.
        reason: Why the job failed.
    """

    status: str = WAITING
    epochs: tuple[Epoch, ...] = ()
    test: Accuracy | None = None
    best_test: Accuracy | None = None
    compiled: str = ""
    reason: str = ""

    @property
    def best(self) -> Epoch | None:
        """The epoch with the largest accuracy; the first of equals."""
        return max(self.epochs, key=lambda epoch: epoch.top1, default=None)

    def with_epoch(self, epoch: Epoch) -> Self:
        """The state after one more epoch."""
        return dataclasses.replace(self, epochs=(*self.epochs, epoch))

    def with_status(self, status: str, reason: str = "") -> Self:
        """The state with another status."""
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
        """The inverse of `as_values`.

        Raises:
            TypeError: The values are not those of a state.
            ValueError: A value is out of range.
        """
        outcome = built(cls, values)
        accuracies = [value for epoch in outcome.epochs for value in (epoch.top1, epoch.top5)]
        accuracies += [*(outcome.test or ()), *(outcome.best_test or ())]
        if outcome.status not in STATUSES or not all(0 <= value <= 100 for value in accuracies):
            raise ValueError("a status is unknown, or an accuracy is not between 0 and 100")
        if [epoch.number for epoch in outcome.epochs] != list(range(1, len(outcome.epochs) + 1)):
            raise ValueError("epochs are missing")
        return outcome

    @classmethod
    def of_table(cls, epochs: Sequence[Mapping[str, Any]]) -> Self:
        """The state of a finished job without a checkpoint, from its rows of curves.csv."""
        names = [field.name for field in dataclasses.fields(Epoch)]
        values: list[dict[str, Any]] = [{name: epoch.get(name) for name in names} for epoch in epochs]
        return cls(DONE, tuple(Epoch(**given) for given in values))


@dataclass(frozen=True)
class ChanceLevel:
    """The accuracy of always guessing the most frequent class.

    Attributes:
        classes: Number of classes.
        top1: Accuracy on the test set, in percent.
        images: Size of the test set.
    """

    classes: int
    top1: float
    images: int

    @classmethod
    def of(cls, data: Data) -> Self:
        """The chance level on a data set."""
        labels = data.test.labels
        return cls(len(data.classes), 100 * int(labels.bincount().max()) / len(labels), len(labels))

    def warning(self, outcome: JobState) -> str:
        """Suspicious results of a finished training; empty if there are none."""
        if outcome.status != DONE or not outcome.epochs:
            return ""
        first, last = outcome.epochs[0].train_loss, outcome.epochs[-1].train_loss
        top1 = outcome.test.top1 if outcome.test else outcome.epochs[-1].top1
        # Two standard deviations of the accuracy of guessing.
        noise = 2 * math.sqrt(self.top1 * (100 - self.top1) / self.images)
        found = {
            f"top-1 within noise of guessing ({self.top1:.1f}%)": top1 <= self.top1 + noise,
            f"training loss above that of guessing ({math.log(self.classes):.2f})": last
            > math.log(self.classes),
            "training loss larger than in epoch 1": last > first,
        }
        return "; ".join(text for text, holds in found.items() if holds)


def table(
    outcomes: Mapping[Job, JobState],
    setting: Mapping[str, Any],
    chance: ChanceLevel,
    kept: Mapping[Job, dict[str, Any]] | None = None,
) -> pd.DataFrame:
    """The rows of trained.csv, one per job: costs of the network and results of its last epoch.

    Args:
        outcomes: The state of each job.
        setting: The columns with one value for all rows: dataset, recipe, device, threads.
        chance: Chance level on the data.
        kept: Rows of jobs finished in an earlier part of the run; they stay unchanged.
    """
    rows = [(kept or {}).get(job) or _row(job, outcome, setting, chance) for job, outcome in outcomes.items()]
    # Else the epochs would be written as 15.0 while other jobs wait, and stay so in the rows that are kept.
    return pd.DataFrame(rows).astype({"best_epoch": "Int64"})


@cache
def _costs(architecture: Architecture) -> dict[str, float]:
    """NN-Mass and costs, counted once: the tables of a run are written often."""
    return score(architecture)


def _row(job: Job, outcome: JobState, setting: Mapping[str, Any], chance: ChanceLevel) -> dict[str, Any]:
    last = outcome.epochs[-1] if outcome.epochs else None
    held_out = last is not None and last.tested_on == "held_out"
    chosen = outcome.best if held_out else None
    shown = outcome.test if held_out else last and Accuracy(last.top1, last.top5)
    memory = [epoch.gpu_memory_mb for epoch in outcome.epochs if epoch.gpu_memory_mb is not None]
    return {
        "row": job.row,
        "arch": str(job.architecture),
        "name": reference_name(job.architecture),
        **_costs(job.architecture),
        "dataset": setting["dataset"],
        "recipe": setting["recipe"],
        "seed": job.seed,
        "epochs": len(outcome.epochs),
        "train_loss": last and last.train_loss,
        "top1": shown and shown.top1,
        "top5": shown and shown.top5,
        "held_out_top1": last.top1 if last and held_out else None,
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
        "warning": chance.warning(outcome),
    }


def curves(outcomes: Mapping[Job, JobState]) -> pd.DataFrame:
    """The rows of curves.csv, one per epoch of each job."""
    columns = ["row", "seed", *(field.name for field in dataclasses.fields(Epoch))]
    rows = [
        {"row": job.row, "seed": job.seed, **vars(epoch)}
        for job, outcome in outcomes.items()
        for epoch in outcome.epochs
    ]
    return pd.DataFrame(rows, columns=columns)


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the seeds of each network, of finished jobs only."""
    done = trained[trained["status"] == DONE]
    # dropna=False: torchvision baselines have no NN-Mass.
    groups = done.groupby(["row", "arch", "nn_mass", "flops", "macs", "params"], sort=False, dropna=False)
    of_seeds = {
        f"{name}_{how}": (name, how) for name in ("top1", "top5", "best_top1") for how in ("mean", "std")
    }
    found = groups.agg(seeds=("seed", "count"), **of_seeds)
    return found.reset_index()
