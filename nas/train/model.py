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

from nas.files import check_regular, write_whole
from nas.schema import built
from nas.train.config import Recipe
from nas.train.data import Data, Normalization
from nas.train.job import DONE, Job, JobState
from search_spaces import Architecture, RequestError, parse
from search_spaces.errors import shortened, shown


class Classifier(nn.Module):
    """A network that takes images as they are and has a score for each class.

    Attributes:
        architecture: What the network is.
        network: The network itself, which takes normalised pixels.
        classes: Names of the classes, in the order of the scores.
        side: Side of the images it was trained on.

    Shape: pixels from 0 to 1, (N, C, side, side), to logits, (N, classes). C is 3, or 1 if it was trained on
    grey images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, architecture: Architecture, spread: Normalization, classes: tuple[str, ...], side: int
    ) -> None:
        super().__init__()
        self.architecture, self.classes, self.side = architecture, classes, side
        self.network = architecture.build()
        for name, values in spread._asdict().items():
            self.register_buffer(name, values.clone()[:, None, None])
        # A network made for colour images is shown grey ones thrice.
        self._channels = 3 if len(architecture.input_shape) == 3 else -1

    @classmethod
    def untrained(cls, architecture: Architecture, data: Data) -> Classifier:
        """For some data, with weights from torch's random state."""
        return cls(architecture, data.spread, data.classes, data.side)

    @property
    def spread(self) -> Normalization:
        """Mean and standard deviation that normalise pixels."""
        return Normalization(self.mean.flatten(), self.deviation.flatten())

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits of some images."""
        normalised = (pixels - self.mean) / self.deviation
        logits: Tensor = self.network(normalised.expand(-1, self._channels, -1, -1))
        return logits

    def example(self, images: int = 2) -> Tensor:
        """Random pixels of its input shape."""
        return torch.rand(images, len(self.mean), self.side, self.side, device=self.mean.device)


_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, MemoryError,
            ArithmeticError, AssertionError, pickle.UnpicklingError, zipfile.BadZipFile)  # fmt: skip


def damaged(path: Path, error: Exception) -> RequestError:
    """What to say of a checkpoint that is not as it was written."""
    why = shortened(" ".join(str(error).split()), 120)
    return RequestError(
        f"{path} is damaged, or no checkpoint of ours ({why}); delete it: a network that is done stays so in"
        " trained.csv, another is trained anew"
    )


@dataclass(frozen=True)
class _UnderWay:
    """What `nas.train.loop.Training.state` gives, as far as it is checked before it is taken up."""

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
    recipe: dict[str, int | float | str | bool]
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
            check_regular(path)
            with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
                if part := archive.testzip():
                    raise ValueError(f"the checksum of {part} is wrong")
            kept = built(cls, torch.load(path, map_location="cpu", weights_only=True))
            kept._check_values()
        except _DAMAGED as error:
            raise damaged(path, error) from None
        return kept

    def _check_values(self) -> None:
        """Check that the values belong together.

        Raises:
            ValueError: They do not.
        """
        outcome, channels = self.so_far(), self.weights["mean"].numel()
        architecture = parse(self.arch)
        asked = {
            "resolution": self.side,
            "in_features": channels * self.side**2,
            "num_classes": len(self.classes),
        }
        for name, value in architecture.constants().items():
            if asked.get(name, value) != value:
                raise ValueError(f"{name} of {self.arch} is {value}, and not {asked[name]}")
        if channels not in (1, 3) or self.images < 1:
            raise ValueError(f"{channels} channels, {self.images} images")
        with torch.device("meta"):  # a network of any size costs nothing there
            spread = Normalization(torch.zeros(channels), torch.ones(channels))
            empty = Classifier(architecture, spread, tuple(self.classes), self.side).state_dict()
        for weights in (self.weights, self.best):
            if weights is not None:
                _check_weights(weights, empty)
        if (self.training is None) != (outcome.status == DONE):
            raise ValueError(
                f"it is {outcome.status}, with {'nothing' if self.training is None else 'more'} to do"
            )
        if self.training is not None:
            there = {field.name: self.training[field.name] for field in dataclasses.fields(_UnderWay)}
            way = built(_UnderWay, there)
            if way.epoch != len(outcome.epochs) or way.step < 0 or way.loss.ndim:
                raise ValueError(f"epoch {way.epoch}, step {way.step} after {len(outcome.epochs)} epochs")

    def check(self, path: Path, job: Job, recipe: Recipe, data: Data) -> None:
        """Check that a job would go on as it began.

        Raises:
            RequestError: It is of another network, recipe or data set.
        """
        asked = dataclasses.asdict(recipe)
        # A checkpoint of an earlier version lacks the fields that were added since.
        defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
        kept = {**defaults, **Recipe.upgraded(self.recipe)}
        names = [name for name in {**asked, **kept} if asked.get(name) != kept.get(name)]
        recipes = [", ".join(f"{name} {shown(of.get(name))}" for name in names) for of in (kept, asked)]
        now = {
            "network": (self.arch, str(job.architecture)),
            "recipe": (recipes[0], recipes[1]),
            "classes": (self.classes, list(data.classes)),
            "size of images": (self.side, data.side),
            "number of training images": (self.images, len(data.train)),
        }
        for name, (before, after) in now.items():
            if before != after:
                change = f"{shortened(str(before), 120)}, now {shortened(str(after), 120)}"
                raise RequestError(f"{path} is of another {name}: {change}; start a new run")

    def so_far(self) -> JobState:
        """How far the job has come."""
        return JobState.of_values(self.outcome)

    def classifier(self, path: Path, best: bool = False) -> Classifier:
        """The module in evaluation mode, with the last weights or those that did best on held-out images.

        Raises:
            RequestError: The weights, of the checkpoint at `path`, are no numbers.
        """
        weights = self.best if best and self.best is not None else self.weights
        if lost := [name for name, value in weights.items() if not value.isfinite().all()]:
            raise RequestError(
                f"{path}: {lost[0]} is not finite: the training diverged, or the file is damaged"
            )
        spread = Normalization(*(weights[name].flatten() for name in Normalization._fields))
        classifier = Classifier(parse(self.arch), spread, tuple(self.classes), self.side)
        classifier.load_state_dict(weights)
        return classifier.eval()


def _check_weights(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Check names, shapes and kinds of weights.

    Raises:
        ValueError: One is not as expected.
    """
    if odd := sorted(weights.keys() ^ expected.keys()):
        raise ValueError(f"weights {odd[0]}")
    for name, value in weights.items():
        if (value.shape, value.dtype) != (expected[name].shape, expected[name].dtype):
            raise ValueError(f"{name} is {tuple(value.shape)}, and not {tuple(expected[name].shape)}")
