"""A trained network: normalisation, class names and weights, as a module and as a checkpoint."""

from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.files import check_regular
from nas.remote import Remote, write_at
from nas.schema import built
from nas.train.config import Recipe
from nas.train.data import Data, Normalization
from nas.train.job import DONE, Job, JobState
from search_spaces import Architecture, RequestError, parse
from search_spaces.errors import shortened, shown


class Classifier(nn.Module):
    """A network with its normalisation: from pixels to class scores.

    Attributes:
        architecture: The architecture of the network.
        network: The bare network, which takes normalised pixels.
        classes: Names of the classes, in the order of the scores.
        side: Side of the training images.

    Shape: pixels from 0 to 1, (N, C, side, side), to logits, (N, classes). C is that of the training images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, architecture: Architecture, normalization: Normalization, classes: tuple[str, ...], side: int
    ) -> None:
        super().__init__()
        self.architecture, self.classes, self.side = architecture, classes, side
        self.network = architecture.build()
        for name, values in normalization._asdict().items():
            self.register_buffer(name, values.clone()[:, None, None])
        # A network for colour images gets a grey channel three times.
        self._channels = 3 if len(architecture.input_shape) == 3 else -1

    @classmethod
    def untrained(cls, architecture: Architecture, data: Data) -> Classifier:
        """A classifier for a data set, with weights initialised from torch's random state."""
        return cls(architecture, data.normalization, data.classes, data.side)

    @property
    def normalization(self) -> Normalization:
        """The mean and standard deviation for normalisation."""
        return Normalization(self.mean.flatten(), self.deviation.flatten())

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits of images."""
        normalised = (pixels - self.mean) / self.deviation
        logits: Tensor = self.network(normalised.expand(-1, self._channels, -1, -1))
        return logits

    def example(self, images: int = 2) -> Tensor:
        """Random pixels of the input shape."""
        return torch.rand(images, len(self.mean), self.side, self.side, device=self.mean.device)


_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, MemoryError,
            ArithmeticError, AssertionError, pickle.UnpicklingError, zipfile.BadZipFile)  # fmt: skip


def damaged_checkpoint(path: Path | Remote, error: Exception) -> RequestError:
    """The error for a damaged checkpoint."""
    why = shortened(" ".join(str(error).split()), 120)
    return RequestError(
        f"{path} is damaged, or not a checkpoint of this package ({why}); restore a copy, or delete it:"
        " trained.csv keeps finished networks, and others are trained anew"
    )


@dataclass(frozen=True)
class _TrainingState:
    """The types of `nas.train.loop.Training.state`, checked before it is loaded."""

    model: dict[str, Tensor]
    average: dict[str, Any] | None
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    epoch: int
    step: int
    loss: Tensor
    seconds: float
    waited: float


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of a job.

    Attributes:
        arch: Spec of the network.
        recipe: Values of the recipe.
        classes: Names of the classes.
        side: Side of the images.
        images: Number of training images.
        outcome: The state of the job, as plain values.
        weights: State dict of the tested module.
        best: State dict of the epoch with the best validation accuracy.
        training: State of the training, needed to resume; None when the job is done.
    """

    arch: str
    recipe: dict[str, int | float | str | bool]
    classes: list[str]
    side: int
    images: int
    outcome: dict[str, Any]
    weights: dict[str, Tensor]
    best: dict[str, Tensor] | None = None
    training: dict[str, Any] | None = None

    def save(self, path: Path | Remote) -> None:
        """Write the checkpoint to a file.

        Raises:
            OSError: The file cannot be written; an older one stays unchanged.
        """
        buffer = io.BytesIO()
        torch.save({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, buffer)
        write_at(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path | Remote) -> Checkpoint:
        """Read a file written by `save`, onto the CPU.

        Raises:
            RequestError: The file is damaged, or contains other objects than tensors and plain values.
        """
        file = path if isinstance(path, Path) else io.BytesIO(path.read_bytes())
        try:
            if isinstance(file, Path):
                check_regular(file)
            with zipfile.ZipFile(file) as archive:  # torch does not check the checksums
                if part := archive.testzip():
                    raise ValueError(f"the checksum of {part} is wrong")
            if isinstance(file, io.BytesIO):
                file.seek(0)
            checkpoint = built(cls, torch.load(file, map_location="cpu", weights_only=True))
            checkpoint._check_values()
        except _DAMAGED as error:
            raise damaged_checkpoint(path, error) from None
        return checkpoint

    def _check_values(self) -> None:
        """Check that the values are consistent.

        Raises:
            ValueError: They are not.
        """
        outcome, channels = self.job_state(), self.weights["mean"].numel()
        architecture = parse(self.arch)
        expected = {
            "resolution": self.side,
            "in_features": channels * self.side**2,
            "num_classes": len(self.classes),
        }
        for name, value in architecture.constants().items():
            if expected.get(name, value) != value:
                raise ValueError(f"{name} of {self.arch} is {value}, expected {expected[name]}")
        if channels not in (1, 2, 3) or self.images < 1:  # two are points
            raise ValueError(f"{channels} channels, {self.images} images")
        with torch.device("meta"):  # needs no memory
            normalization = Normalization(torch.zeros(channels), torch.ones(channels))
            empty = Classifier(architecture, normalization, tuple(self.classes), self.side).state_dict()
        for weights in (self.weights, self.best):
            if weights is not None:
                _check_weights(weights, empty)
        if (self.training is None) != (outcome.status == DONE):
            raise ValueError(
                f"status {outcome.status}, {'without' if self.training is None else 'with'} a training state"
            )
        if self.training is not None:
            values = {field.name: self.training[field.name] for field in dataclasses.fields(_TrainingState)}
            state = built(_TrainingState, values)
            if state.epoch != len(outcome.epochs) or state.step < 0 or state.loss.ndim:
                raise ValueError(f"epoch {state.epoch}, step {state.step} after {len(outcome.epochs)} epochs")

    def check(self, path: Path | Remote, job: Job, recipe: Recipe, data: Data) -> None:
        """Check that the checkpoint is of this job, recipe and data set.

        Raises:
            RequestError: It is of another network, recipe or data set.
        """
        requested = dataclasses.asdict(recipe)
        # A checkpoint of an earlier version lacks the fields added since.
        defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
        stored = {**defaults, **Recipe.upgraded(self.recipe)}
        names = [name for name in {**requested, **stored} if requested.get(name) != stored.get(name)]
        recipes = [
            ", ".join(f"{name} {shown(values.get(name))}" for name in names) for values in (stored, requested)
        ]
        comparisons = {
            "network": (self.arch, str(job.architecture)),
            "recipe": (recipes[0], recipes[1]),
            "classes": (self.classes, list(data.classes)),
            "size of images": (self.side, data.side),
            "number of training images": (self.images, len(data.train)),
        }
        for name, (before, after) in comparisons.items():
            if before != after:
                change = f"{shortened(str(before), 120)}, now {shortened(str(after), 120)}"
                raise RequestError(f"{path} is of another {name}: {change}; start a new run")

    def job_state(self) -> JobState:
        """The state of the job."""
        return JobState.of_values(self.outcome)

    def classifier(self, path: Path | Remote, best: bool = False) -> Classifier:
        """The module in evaluation mode, with the last weights or those with the best validation accuracy.

        Args:
            path: Path of the checkpoint, for the error message.
            best: Whether to load the best weights.

        Raises:
            RequestError: A weight is not finite.
        """
        weights = self.best if best and self.best is not None else self.weights
        if bad := [name for name, value in weights.items() if not value.isfinite().all()]:
            raise RequestError(
                f"{path}: {bad[0]} is not finite: the training diverged, or the file is damaged"
            )
        normalization = Normalization(*(weights[name].flatten() for name in Normalization._fields))
        classifier = Classifier(parse(self.arch), normalization, tuple(self.classes), self.side)
        classifier.load_state_dict(weights)
        return classifier.eval()


def _check_weights(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Check the names, shapes and types of weights.

    Raises:
        ValueError: A weight is missing, unexpected, or of another shape or type.
    """
    if names := sorted(weights.keys() ^ expected.keys()):
        raise ValueError(f"weights {names[0]}")
    for name, value in weights.items():
        if (value.shape, value.dtype) != (expected[name].shape, expected[name].dtype):
            raise ValueError(f"{name} is {tuple(value.shape)}, expected {tuple(expected[name].shape)}")
