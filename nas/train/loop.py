"""The loop: one network trained by one recipe, step by step, from any step on.

The loop is written out, in plain torch: what a library for it would add (devices, precision, processes) is a
few lines here, and a state that can be taken up bit for bit needs its hands on every random number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nas.train.augment import augmentation, mixing
from nas.train.data import Data, Images
from nas.train.recipe import Recipe
from search_spaces import Architecture

_TESTED_AT_ONCE = 1000


class DivergedError(Exception):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        number: From 1.
        train_loss: Mean loss over its steps.
        top1: Share of the tested images whose class was named first, in percent.
        top5: Share whose class was among the first five.
        seconds: Time spent training.
        images_per_second: Training images a second.
    """

    number: int
    train_loss: float
    top1: float
    top5: float
    seconds: float
    images_per_second: float


class Training:
    """A network being trained.

    Attributes:
        model: The module, with the weights so far.
        epoch: Epochs done.
        step: Steps done in the epoch under way.
    """

    def __init__(
        self, architecture: Architecture, data: Data, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        torch.manual_seed(seed)
        grey = len(architecture.input_shape) == 3 and data.channels == 1
        self._channels = 3 if grey else data.channels
        self.model = architecture.build().to(device)
        self.model.to(memory_format=torch.channels_last)
        self._train = data.train.to(device)
        self._test = (data.held_out or data.test).to(device)
        self._mean, self._deviation = _spread(self._train)
        self._augment = augmentation(recipe, data.side)
        self._mix = mixing(recipe, len(data.classes))
        self._criterion = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
        self._optimizer = torch.optim.SGD(
            _groups(self.model, recipe.weight_decay),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            fused=device.type == "cuda",
        )
        self._schedule = _schedule(self._optimizer, recipe, self.steps)
        self._average = (
            AveragedModel(self.model, multi_avg_fn=_moving(recipe.average), use_buffers=True)
            if recipe.average
            else None
        )
        self.epoch, self.step = 0, 0
        self._loss, self._seconds = torch.zeros((), device=device), 0.0

    @property
    def steps(self) -> int:
        """Steps an epoch: the last images of an order that do not fill a batch are left out."""
        return max(len(self._train) // self.recipe.batch, 1)

    @property
    def tested(self) -> nn.Module:
        """What is tested and kept: the moving average of the weights, if there is one."""
        return self.model if self._average is None else self._average.module

    def run_epoch(self, stop: Callable[[], bool] = lambda: False) -> Epoch | None:
        """Train to the end of the epoch under way, then test.

        Args:
            stop: Asked after each step.

        Returns:
            What the epoch came to; nothing if it was stopped before its end.

        Raises:
            DivergedError: The loss is not finite.
        """
        start, before = time.perf_counter(), self._seconds
        if self.step == 0:
            torch.manual_seed(_derived(self.seed, self.epoch))
        self.model.train()
        for images, labels in self._batches():
            self._loss += self._step(images, labels)
            self.step += 1
            self._seconds = before + time.perf_counter() - start
            if stop() and self.step < self.steps:
                return None
        loss = self._loss.item() / self.steps
        self._seconds = before + time.perf_counter() - start
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss} in epoch {self.epoch + 1}; try a smaller lr")
        seconds = self._seconds
        self.epoch, self.step = self.epoch + 1, 0
        self._loss, self._seconds = torch.zeros((), device=self.device), 0.0
        images_done = self.steps * min(self.recipe.batch, len(self._train))
        return Epoch(self.epoch, loss, *self.test(self._test), seconds, images_done / seconds)

    def test(self, images: Images) -> tuple[float, float]:
        """Top-1 and top-5 accuracy on some images, in percent."""
        model = self.tested.eval()
        hits = torch.zeros(2, dtype=torch.long, device=self.device)
        with torch.no_grad():
            for start in range(0, len(images), _TESTED_AT_ONCE):
                pixels = images.pixels[start : start + _TESTED_AT_ONCE].to(self.device)
                labels = images.labels[start : start + _TESTED_AT_ONCE].to(self.device)
                with self._autocast():
                    logits = model(self._normalised(pixels))
                ranks = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
                hits += torch.stack([ranks[:, 0].sum(), ranks.sum()])
        top1, top5 = (100 * hits / len(images)).tolist()
        return top1, top5

    def state(self) -> dict[str, Any]:
        """Everything that going on needs, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss": self._loss,
            "seconds": self._seconds,
            "random": torch.get_rng_state(),
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.model.load_state_dict(state["model"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.epoch, self.step = state["epoch"], state["step"]
        self._loss, self._seconds = state["loss"].to(self.device), state["seconds"]
        torch.set_rng_state(state["random"])

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the epoch under way that are still to come."""
        generator = torch.Generator().manual_seed(_derived(self.seed, self.epoch))
        order = torch.randperm(len(self._train), generator=generator).to(self.device)
        for step in range(self.step, self.steps):
            which = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            yield self._train.pixels[which], self._train.labels[which]

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        inputs, targets = self._normalised(self._augment(images)), labels
        if self._mix is not None:
            inputs, targets = self._mix(inputs, targets)
        with self._autocast():
            loss: Tensor = self._criterion(self.model(inputs), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        return loss.detach()

    def _normalised(self, images: Tensor) -> Tensor:
        images = ((images.float() - self._mean) / self._deviation).to(memory_format=torch.channels_last)
        return images.expand(-1, self._channels, -1, -1)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")


def _spread(images: Images) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the training images."""
    count = images.pixels.numel() / images.pixels.shape[1]
    mean, variance = torch.zeros(2, 1, images.pixels.shape[1], 1, 1, device=images.pixels.device)
    chunks = torch.split(images.pixels, _TESTED_AT_ONCE)
    for chunk in chunks:
        mean += chunk.float().sum((0, 2, 3), keepdim=True) / count
    for chunk in chunks:
        variance += (chunk.float() - mean).square().sum((0, 2, 3), keepdim=True) / count
    return mean, variance.sqrt().clamp(min=1)


def _moving(decay: float) -> Any:
    return get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters that decay, and those that do not: norms and biases."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """Linear warm-up, then a cosine to 0 at the last step."""
    warm = round(min(recipe.warmup, recipe.epochs) * steps)
    cosine = CosineAnnealingLR(optimizer, max(recipe.epochs * steps - warm, 1))
    if not warm:
        return cosine
    return SequentialLR(optimizer, [LinearLR(optimizer, 1 / (warm + 1), total_iters=warm), cosine], [warm])


def _derived(seed: int, epoch: int) -> int:
    """A seed for one epoch."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
