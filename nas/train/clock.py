"""The share of a training's time that the device waits for data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class WaitingClock:
    """Times how long batches are waited for, by the clock of the device that waits.

    On a GPU an event is left in the queue of kernels when a batch is asked for and when it is there: what
    lies between is the gathering of the batch, and the time that the GPU has nothing to do.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: list[tuple[Any, Any]] = []

    def around(self, batches: Iterator[T]) -> Iterator[T]:
        """The same batches, timed."""
        while True:
            asked = self._mark()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._spans.append((asked, self._mark()))
            yield batch

    def seconds(self) -> float:
        """Seconds waited for so far, to be asked for when the device is done."""
        if self._device.type == "cuda":
            return float(sum(asked.elapsed_time(there) for asked, there in self._spans)) / 1000
        return float(sum(there - asked for asked, there in self._spans))

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event
