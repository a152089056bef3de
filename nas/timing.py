"""How long networks take here: timing of built networks in torch and onnxruntime, on the CPU or a GPU."""

from __future__ import annotations

import importlib.util
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nas.runs import processor
from search_spaces import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

Engine = Literal["torch", "onnxruntime"]

BATCHES = (1, 64)
_SECONDS = 1.0
"""Minimum seconds of a measurement."""
_PATIENCE = 5.0
"""Maximum seconds of a measurement, and of one run of a batch."""
_THRESHOLD = 0.1
"""A measurement ends when the interquartile range is below this fraction of the median."""
_FEW = 3
"""Minimum number of timings for quartiles."""


@dataclass(frozen=True)
class Timing:
    """How long a latency is measured, and by which clock.

    Attributes:
        seconds: Minimum seconds of a measurement.
        patience: Maximum seconds of a measurement.
        process_time: Whether the clock counts CPU time of the process alone.
    """

    seconds: float
    patience: float
    process_time: bool = False


@dataclass(frozen=True)
class Latency:
    """Measured latency of one network for one batch size.

    Attributes:
        engine: Library that runs the network.
        device: "cpu" or "cuda".
        threads: CPU threads of the engine.
        batch: Inputs in a batch.
        ms: Median time of a batch, in ms.
        low: Lower quartile, in ms; nan for fewer than three timings.
        high: Upper quartile, in ms.
        runs: Number of runs, without warm-up.
    """

    engine: Engine
    device: str
    threads: int
    batch: int
    ms: float
    low: float
    high: float
    runs: int

    @property
    def spread(self) -> float:
        """Largest distance of a quartile from the median, as a fraction of it; nan without quartiles."""
        return max(self.high - self.ms, self.ms - self.low) / self.ms

    def columns(self) -> dict[str, float]:
        """The median and the quartiles by column name.

        >>> Latency("torch", "cpu", 1, 64, 20.0, 19.0, 22.0, 50).columns()
        {'cpu_ms_64': 20.0, 'cpu_ms_64_low': 19.0, 'cpu_ms_64_high': 22.0}
        """
        what = "onnx" if self.engine == "onnxruntime" else self.device
        name = f"{what}_ms" + (f"_{self.batch}" if self.batch > 1 else "")
        return {name: self.ms, f"{name}_low": self.low, f"{name}_high": self.high}


def latencies(architecture: Architecture, device: str, threads: int) -> Iterator[Latency]:
    """Measure the latencies of a network, one for each step of the iterator.

    The weights are random, from a fixed seed; torch's random state is unchanged.

    Args:
        architecture: The network to build.
        device: "cpu" or "cuda".
        threads: CPU threads of torch and of onnxruntime.

    Yields:
        torch with a batch of 1 and of 64; on the CPU then onnxruntime with the same batches, if its packages
        are installed. A batch of 64 is left out if 64 times the latency of one input exceeds 5 s.
    """

    def pixels(batch: int) -> Tensor:
        return _pixels(architecture, batch, device)

    module = _built(architecture, device)
    engines: list[tuple[Engine, Callable[[], Callable[[Tensor], object]]]] = [("torch", lambda: module)]
    if device == "cpu" and not missing():
        engines.append(("onnxruntime", lambda: _in_onnxruntime(module, pixels(2), threads)))
    for engine, load in engines:
        run = load()
        one = _timed(run, pixels(1), engine, threads)
        yield one
        for batch in BATCHES[1:]:
            if batch * one.ms <= 1e3 * _PATIENCE:
                yield _timed(run, pixels(batch), engine, threads)


def latency_of(
    architecture: Architecture, device: str, engine: Engine, batch: int, threads: int, timing: Timing
) -> Latency:
    """Measure one latency of a network; as `latencies`.

    Args:
        architecture: The network to build.
        device: "cpu", "cuda" or "cuda:N".
        engine: Library that runs the network; onnxruntime runs on the CPU.
        batch: Inputs in a batch.
        threads: CPU threads of the engine.
        timing: How long and by which clock it is measured.
    """
    import torch

    on: AbstractContextManager[object] = nullcontext() if device == "cpu" else torch.cuda.device(device)
    with on:  # the timer synchronises the current GPU
        module = _built(architecture, device)
        run: Callable[[Tensor], object] = module
        if engine == "onnxruntime":
            run = _in_onnxruntime(module, _pixels(architecture, 2, device), threads)
        return _timed(run, _pixels(architecture, batch, device), engine, threads, timing)


def _built(architecture: Architecture, device: str) -> nn.Module:
    """A network of random weights in evaluation mode; torch's random state is unchanged."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return architecture.build().to(device).eval()


def _pixels(architecture: Architecture, batch: int, device: str) -> Tensor:
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, *architecture.input_shape, generator=generator).to(device)


def missing() -> list[str]:
    """Packages needed to measure onnxruntime that are not installed."""
    from nas.export import FORMATS

    return [package for package in FORMATS["onnx"].packages if importlib.util.find_spec(package) is None]


def _timed(
    run: Callable[[Tensor], object],
    inputs: Tensor,
    engine: Engine,
    threads: int,
    timing: Timing | None = None,
) -> Latency:
    """Time runs of one batch, without gradients, by torch's timer, which warms up and synchronises a GPU."""
    # Its import looks for a CUDA compiler, and warns if it finds one but no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import numpy as np
    import torch
    from torch.utils.benchmark import Timer
    from torch.utils.benchmark.utils.timer import timer as wall

    timing = timing or Timing(_SECONDS, _PATIENCE)
    clock: Callable[[], float] = time.process_time if timing.process_time else wall
    values = {"run": run, "inputs": inputs}
    timer = Timer("run(inputs)", timer=clock, globals=values, num_threads=threads)
    with torch.inference_mode():
        found = timer.adaptive_autorange(
            _THRESHOLD, min_run_time=timing.seconds, max_run_time=timing.patience
        )
    low, ms, high = (1e3 * np.quantile(found.times, [0.25, 0.5, 0.75])).tolist()
    if len(found.times) < _FEW:
        low = high = math.nan
    runs = len(found.times) * found.number_per_run
    return Latency(engine, inputs.device.type, threads, len(inputs), ms, low, high, runs)


def _in_onnxruntime(module: nn.Module, example: Tensor, threads: int) -> Callable[[Tensor], object]:
    """Export a module to ONNX in memory and load it in onnxruntime."""
    import onnxruntime

    from nas.export import as_onnx

    model = as_onnx(module, example).model_proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["logits"], {"pixels": batch.numpy()})


def device_name(device: str) -> str:
    """The name of the processor or GPU."""
    if device == "cpu":
        return processor()
    import torch

    return str(torch.cuda.get_device_name(device))
