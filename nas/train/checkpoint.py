"""Checkpoints: written whole or not at all, and read without running anything that is in them."""

from __future__ import annotations

import dataclasses
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.files import write_whole
from nas.train.classifier import Classifier
from nas.train.data import Data, Spread
from nas.train.job import Job, Outcome
from nas.train.recipe import Recipe
from search_spaces import RequestError, parse

_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError,
            pickle.UnpicklingError)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A job as it is kept.

    Attributes:
        arch: Spec of its network.
        recipe: Values of its recipe.
        classes: Names of the classes.
        side: Side of the images.
        images: How many are trained on.
        outcome: How far it has come.
        weights: State of the module that is tested.
        best: That of the epoch that did best on held-out images.
        training: What going on needs; nothing at the end.
    """

    arch: str
    recipe: dict[str, Any]
    classes: list[str]
    side: int
    images: int
    outcome: dict[str, Any]
    weights: dict[str, Tensor]
    best: dict[str, Tensor] | None = None
    training: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Write it.

        Raises:
            OSError: It cannot be written; an older one is left as it was.
        """
        buffer = io.BytesIO()
        torch.save({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, buffer)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote, into the memory of the CPU.

        Raises:
            RequestError: The file is damaged, or holds more than tensors and plain values.
        """
        try:
            kept = cls(**torch.load(path, map_location="cpu", weights_only=True))
            kept.so_far()
        except _DAMAGED:
            raise RequestError(
                f"{path} is damaged, or no checkpoint of ours; delete it: a network that is done stays so in"
                " trained.csv, another is trained anew"
            ) from None
        return kept

    def check(self, path: Path, job: Job, recipe: Recipe, data: Data) -> None:
        """Check that a job would go on as it began.

        Raises:
            RequestError: It is of another network, recipe or data set.
        """
        now = {
            "network": (self.arch, str(job.architecture)),
            "recipe": (self.recipe, dataclasses.asdict(recipe)),
            "classes": (self.classes, list(data.classes)),
            "size of images": (self.side, data.side),
            "number of training images": (self.images, len(data.train)),
        }
        for name, (before, after) in now.items():
            if before != after:
                raise RequestError(f"{path} is of another {name}: {before}, now {after}; start a new run")

    def so_far(self) -> Outcome:
        """How far the job has come."""
        return Outcome.of_values(self.outcome)

    def classifier(self, best: bool = False) -> Classifier:
        """The module in evaluation mode, with the last weights or those that did best on held-out images."""
        weights = self.best if best and self.best is not None else self.weights
        spread = Spread(*(weights[name].flatten() for name in Spread._fields))
        classifier = Classifier(parse(self.arch), spread, tuple(self.classes), self.side)
        classifier.load_state_dict(weights)
        return classifier.eval()
