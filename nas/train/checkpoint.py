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
from nas.train.data import Spread
from nas.train.job import Outcome
from search_spaces import RequestError, parse


@dataclass(frozen=True)
class Checkpoint:
    """A job as it is kept.

    Attributes:
        arch: Spec of its network.
        recipe: Values of its recipe.
        classes: Names of the classes.
        side: Side of the images.
        outcome: How far it has come.
        weights: State of the module that is tested.
        best: That of the epoch that did best on held-out images.
        training: What going on needs; nothing at the end.
    """

    arch: str
    recipe: dict[str, Any]
    classes: list[str]
    side: int
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
    def load(cls, path: Path, device: torch.device) -> Checkpoint:
        """Read what `save` wrote.

        Raises:
            RequestError: The file is damaged, or holds more than tensors and plain values.
        """
        try:
            return cls(**torch.load(path, map_location=device, weights_only=True))
        except (OSError, RuntimeError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise RequestError(f"{path} is no checkpoint of ours ({reason})") from None

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
