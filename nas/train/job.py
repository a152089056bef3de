"""The jobs of a training run: each network with each seed, its row in the table and how it ended."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nas.score import score
from nas.train.loop import Epoch
from search_spaces import Architecture

WAITING, RUNNING, INTERRUPTED, DONE, FAILED = "waiting", "running", "interrupted", "done", "failed"


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
        """What its checkpoint is called."""
        return f"row{self.row}-seed{self.seed}"


@dataclass
class Outcome:
    """How far a job has come.

    Attributes:
        epochs: What each epoch came to.
        status: One of the words above.
        reason: Why it failed.
        test: Top-1 and top-5 on the test set at the end, where others were held out to choose by.
    """

    epochs: list[Epoch] = dataclasses.field(default_factory=list)
    status: str = WAITING
    reason: str = ""
    test: tuple[float, float] | None = None


def table(jobs: dict[Job, Outcome], dataset: str, recipe: str, device: str) -> pd.DataFrame:
    """The rows of trained.csv: a job each, its network's figures and what its last epoch came to."""
    return pd.DataFrame([_row(job, outcome, dataset, recipe, device) for job, outcome in jobs.items()])


def _row(job: Job, outcome: Outcome, dataset: str, recipe: str, device: str) -> dict[str, Any]:
    last = outcome.epochs[-1] if outcome.epochs else None
    best = max(outcome.epochs, key=lambda epoch: epoch.top1, default=None)
    held_out = outcome.test is not None
    return {
        "row": job.row,
        "arch": str(job.architecture),
        **score(job.architecture),
        "dataset": dataset,
        "recipe": recipe,
        "seed": job.seed,
        "epochs": len(outcome.epochs),
        "train_loss": last and last.train_loss,
        "top1": outcome.test[0] if outcome.test else last and last.top1,
        "top5": outcome.test[1] if outcome.test else last and last.top5,
        "held_out_top1": last.top1 if last and held_out else None,
        "held_out_best_top1": best.top1 if best and held_out else None,
        "images_per_second": last and last.images_per_second,
        "seconds": sum(epoch.seconds for epoch in outcome.epochs),
        "device": device,
        "status": outcome.status,
        "reason": outcome.reason,
    }


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the seeds of each network that was trained to the end."""
    done = trained[trained["status"] == DONE]
    groups = done.groupby(["row", "arch", "nn_mass", "flops", "macs", "params"], sort=False)
    found = groups["top1"].agg(seeds="count", top1_mean="mean", top1_std="std").reset_index()
    return found.assign(top5_mean=groups["top5"].mean().to_numpy())
