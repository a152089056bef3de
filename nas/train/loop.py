"""The training loop: trains one network with one recipe, and resumes from any step.

The loop is plain torch: the features of a training library (devices, precision, processes) take a few lines
here, and resuming bit for bit needs control of every random number. Random numbers depend only on the seed
and the numbers of the epoch, step and process, so no random state is stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from nas.schema import check_alike
from nas.train.config import Precision, Recipe, derive_seed
from nas.train.data import Data
from nas.train.distributed import ALONE, Processes
from nas.train.images import Batch, Images, augmentation, mixing
from nas.train.job import Epoch
from nas.train.model import Classifier
from nas.train.optimizer import average_of, optimizer_of, schedule_of
from search_spaces import Architecture
from search_spaces.errors import shown
from search_spaces.modules import DenseCell

T = TypeVar("T")


class DataTimer:
    """Measures the time spent waiting for batches, on the clock of the device.

    On a GPU, events are recorded in the stream before and after each batch is fetched: the time between them
    is that of gathering the batch, plus the idle time of the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: list[tuple[Any, Any]] = []

    def timed(self, batches: Iterator[T]) -> Iterator[T]:
        """The same batches; the wait for each is measured."""
        while True:
            start = self._mark()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._spans.append((start, self._mark()))
            yield batch

    def seconds(self) -> float:
        """Total waiting time in seconds; synchronise the device first."""
        if self._device.type == "cuda":
            return float(sum(start.elapsed_time(end) for start, end in self._spans)) / 1000
        return float(sum(end - start for start, end in self._spans))

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event


@dataclass(frozen=True)
class Forward:
    """The forward pass of a model in training, compiled or not.

    Attributes:
        run: The module, from pixels to logits.
        compiled: Whether it is compiled.
        seconds: Compilation time.
        failure: Why compilation failed; empty if it did not.
    """

    run: nn.Module
    compiled: bool = False
    seconds: float = 0.0
    failure: str = ""


def compiled(model: nn.Module, one_step: Callable[[Callable[[Tensor], Tensor]], None]) -> Forward:
    """Compile a model and warm it up without changing its state; if compilation fails, use it uncompiled.

    Args:
        model: In training mode.
        one_step: Runs a forward and a backward pass of a given function on a batch of training size.
    """
    before = [buffer.clone() for buffer in model.buffers()]
    start = time.perf_counter()
    # Without a reset torch.compile silently stops compiling after a few networks of one class.
    torch.compiler.reset()
    run = cast(nn.Module, torch.compile(model))
    try:
        for _ in range(2):
            one_step(run)
    except Exception as error:  # any error: compiling is optional
        reason = str(error).strip().partition("\n")[0]
        forward = Forward(model, failure=f"{type(error).__name__}: {reason}")
    else:
        forward = Forward(run, compiled=True, seconds=time.perf_counter() - start)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
    return forward


_TEST_BATCH = 250
"""Images per batch of a test; much larger batches are slower on a CPU: their memory is allocated anew."""


class DivergedError(Exception):
    """The loss is not finite."""


class Training:
    """The training of a network.

    Attributes:
        model: The module with its current weights.
        forward: Its forward pass.
        epoch: Number of finished epochs.
        step: Number of finished steps of the current epoch.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: Data,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        processes: Processes = ALONE,
        compiling: bool = False,
    ) -> None:
        processes.check(recipe.batch_size, len(data.train))
        self.recipe, self.seed, self.device, self._processes = recipe, seed, device, processes
        torch.manual_seed(seed)
        self.model = Classifier.untrained(architecture, data).to(device)
        self._layout = _memory_format(self.model, device)
        self.model.to(memory_format=self._layout)
        self._train, self._test = data.train, data.test
        self._tested_on = data.held_out or data.test
        self._augment = augmentation(recipe)
        self._mix = mixing(recipe, len(data.classes))
        self._criterion = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
        self._optimizer = optimizer_of(self.model, recipe, device)
        self._schedule = schedule_of(self._optimizer, recipe, self.steps)
        self._average = average_of(self.model, recipe.average) if recipe.average else None
        self.epoch, self.step = 0, 0
        self._loss, self._seconds, self._waited = torch.zeros((), device=device), 0.0, 0.0
        self.forward = self._forward(compiling)

    @property
    def steps(self) -> int:
        """Steps per epoch; an incomplete last batch is dropped."""
        return len(self._train) // self.recipe.batch_size

    @property
    def tested(self) -> Classifier:
        """The model to test and save: the moving average of the weights, if the recipe has one."""
        return self.model if self._average is None else cast(Classifier, self._average.module)

    def run_epoch(
        self, pause: Callable[[], bool] = lambda: False, tick: Callable[[], None] = lambda: None
    ) -> Epoch | None:
        """Train to the end of the current epoch, then test.

        Args:
            pause: Polled after each step; True pauses the epoch, except at its last step.
            tick: Called after each batch of the test.

        Returns:
            The results of the epoch; None if it was paused. Call again to continue.

        Raises:
            DivergedError: The loss is not finite.
            nas.train.images.DataError: An image cannot be read.
        """
        loss = self.train_epoch(pause)
        if loss is None:
            return None
        seconds, waited = self._seconds, self._waited
        self.epoch, self.step = self.epoch + 1, 0
        self._loss, self._seconds, self._waited = torch.zeros((), device=self.device), 0.0, 0.0
        top1, top5 = self.test(self._tested_on, tick)
        return Epoch(
            number=self.epoch,
            train_loss=loss,
            tested_on="test" if self._tested_on is self._test else "held_out",
            top1=top1,
            top5=top5,
            seconds=seconds,
            images_per_second=self.steps * self.recipe.batch_size / seconds,
            waiting=waited / seconds,
            gpu_memory_mb=_memory(self.device),
        )

    def train_epoch(self, pause: Callable[[], bool] = lambda: False) -> float | None:
        """Train to the end of the current epoch, without a test: the first half of `run_epoch`.

        The epoch is not counted. Called alone, this times the steps of a training that is then discarded.

        Args:
            pause: Polled after each step; True pauses the epoch, except at its last step.

        Returns:
            Mean loss over the steps; None if the epoch was paused.

        Raises:
            DivergedError: The loss is not finite.
            nas.train.images.DataError: An image cannot be read.
        """
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        start, clock = time.perf_counter(), DataTimer(self.device)
        self.model.train()
        for pixels, labels in clock.timed(self._batches()):
            self._loss += self._step(pixels, labels)
            self.step += 1
            if pause() and self.step < self.steps:
                self._add_time(start, clock)
                self._check_loss(self._loss.item())
                return None
        loss: float = (self._processes.sum(self._loss) / self._processes.count).item() / self.steps
        self._add_time(start, clock)
        self._check_loss(loss)
        self._synchronize()
        return loss

    def test(self, images: Images, tick: Callable[[], None] = lambda: None) -> tuple[float, float]:
        """Top-1 and top-5 accuracy on images, in percent; `tick` is called after each batch."""
        return accuracy(self.tested, images, self.device, self._processes, tick)

    def state(self) -> dict[str, Any]:
        """All that is needed to resume, as tensors and plain values; call it in all processes."""
        self._synchronize()
        return {
            "model": self.model.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss": self._loss,
            "seconds": self._seconds,
            "waited": self._waited,
        }

    def _synchronize(self) -> None:
        """Average over the processes what differs between them: batch norm statistics and loss."""
        self._processes.average([*self.model.buffers(), *self.tested.buffers(), self._loss])

    def load_state(self, state: dict[str, Any]) -> None:
        """Resume from a result of `state`.

        Raises:
            ValueError: The state is not of a training like this one.
        """
        fresh = self.state()
        check_alike(state, fresh)
        self.model.load_state_dict(state["model"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        for group, before in zip(
            self._optimizer.param_groups, fresh["optimizer"]["param_groups"], strict=True
        ):
            if missing := before.keys() - group.keys():
                raise ValueError(f"the optimiser has no {missing.pop()}")
        for parameter, buffers in self._optimizer.state.items():
            for name, value in buffers.items():
                if not (isinstance(value, Tensor) and value.shape in (parameter.shape, torch.Size())):
                    raise ValueError(f"{name} of the optimiser is {shown(value)}")
        self.epoch, self.step = state["epoch"], state["step"]
        self._loss = state["loss"].to(self.device)
        self._seconds, self._waited = state["seconds"], state["waited"]

    def _batches(self) -> Iterator[Batch]:
        """The part of the remaining batches of the current epoch for this process."""
        seed = derive_seed(self.seed, self.epoch)
        order = torch.randperm(len(self._train), generator=torch.Generator().manual_seed(seed))
        each = self.recipe.batch_size // self._processes.count
        remaining = self._processes.shard(order, self.recipe.batch_size)[self.step * each :]
        return self._train.batches(remaining, each, self._augment, seed)

    def _step(self, pixels: Tensor, labels: Tensor) -> Tensor:
        _seed_device(derive_seed(self.seed, self.epoch, self.step, self._processes.rank), self.device)
        inputs, targets = _scaled(pixels, self._layout), labels
        if self._mix is not None:
            inputs, targets = self._mix(inputs, targets)
        with _autocast(self.device, self.recipe.precision):
            loss: Tensor = self._criterion(self.forward.run(inputs), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        return loss.detach()

    def _forward(self, compiling: bool) -> Forward:
        self.model.train()
        forward = self._compiled() if compiling else Forward(self.model)
        if self._processes.any(bool(forward.failure)):
            forward = Forward(self.model, failure=forward.failure or "in another process")
        return replace(forward, run=self._processes.wrap_ddp(forward.run, self.device))

    def _compiled(self) -> Forward:
        pixels = self.model.example(self.recipe.batch_size // self._processes.count)
        labels = torch.zeros(len(pixels), dtype=torch.long, device=self.device)

        def one_step(run: Callable[[Tensor], Tensor]) -> None:
            with _autocast(self.device, self.recipe.precision):
                loss = self._criterion(run(pixels.to(memory_format=self._layout)), labels)
            loss.backward()

        return compiled(self.model, one_step)

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss} in epoch {self.epoch + 1}; try a smaller lr")

    def _add_time(self, start: float, clock: DataTimer) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._seconds += time.perf_counter() - start
        self._waited += clock.seconds()


def accuracy(
    model: nn.Module,
    images: Images,
    device: torch.device,
    processes: Processes = ALONE,
    tick: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Top-1 and top-5 accuracy of a model from pixels between 0 and 1, in percent; computed in float32.

    `tick` is called after each batch.
    """
    model.eval()
    layout = _memory_format(model, device)
    hits = torch.zeros(2, dtype=torch.long, device=device)
    part = torch.arange(processes.rank, len(images), processes.count)
    with torch.no_grad():
        for pixels, labels in images.batches(part, _TEST_BATCH):
            logits = model(_scaled(pixels, layout))
            ranks = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
            hits += torch.stack([ranks[:, 0].sum(), ranks.sum()])
            tick()
    top1, top5 = (100 * processes.sum(hits) / len(images)).tolist()
    return top1, top5


def _scaled(pixels: Tensor, layout: torch.memory_format) -> Tensor:
    """Pixels from 0 to 1."""
    return pixels.to(memory_format=layout).float() / 255


def _seed_device(seed: int, device: torch.device) -> None:
    """Seed one device; torch.manual_seed would also queue a call for each absent kind, at every step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _autocast(device: torch.device, precision: Precision) -> torch.autocast:
    lower = device.type == "cuda" if precision == "auto" else precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=lower)


def _memory_format(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, except for DenseNet cells on a CPU: they index channels, faster with channels first."""
    indexes = any(isinstance(module, DenseCell) for module in model.modules())
    return torch.contiguous_format if indexes and device.type == "cpu" else torch.channels_last


def _memory(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
