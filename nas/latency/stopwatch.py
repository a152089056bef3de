"""Measuring: a network is warmed up, and run until its median is steady or the time is up."""

from __future__ import annotations

import importlib.util
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nas.export import FORMATS, as_onnx
from nas.latency.measurement import Engine, Latency
from search_spaces import Architecture

if TYPE_CHECKING:
    from torch.utils.benchmark import Measurement, Timer

BATCHES = (1, 64)

_SECONDS = 1.0
"""A measurement takes at least so long, after warming up."""
_RUNS = 5
"""It has at least so many runs, if they take at most `_PATIENCE`."""
_PATIENCE = 5.0
"""Seconds after which no further run is begun."""
_FEW = 3
"""Runs that have quartiles."""
_WARMING = 1.0
"""Seconds after which warming up ends though the network was still getting faster."""
_ROUND = 0.2
"""Seconds of runs that are compared to see whether it is."""
_FASTER = 0.95


def latencies(architecture: Architecture, device: str, threads: int) -> Iterator[Latency]:
    """Measure a network, each latency when it is asked for.

    The weights are as initialised, from a fixed seed, and do not touch torch's random state.

    Args:
        architecture: What to build and measure.
        device: "cpu" or "cuda".
        threads: Threads on the processor, of torch and of onnxruntime.

    Yields:
        torch, for a batch of 1 and one of 64; on the processor then the same of onnxruntime, if what it needs
        is installed. A batch of 64 that would take more than 5 s, by the time of one input, is left out.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = architecture.build().to(device)
    inputs = partial(_inputs, architecture, device)
    yield from _of_batches(lambda batch: of_module(module, inputs(batch), threads))
    if device == "cpu" and not missing():
        run = _in_onnxruntime(module, inputs(2), threads)
        yield from _of_batches(lambda batch: _timed(run, inputs(batch), "onnxruntime", threads))


def missing() -> list[str]:
    """The packages that onnxruntime is measured with and that are not installed."""
    return [package for package in FORMATS["onnx"].packages if importlib.util.find_spec(package) is None]


def of_module(module: nn.Module, inputs: Tensor, threads: int) -> Latency:
    """Measure a module in evaluation mode, without gradients, as torch runs it when nothing is compiled.

    It warms up until rounds of 0.2 s get no faster, for a second at most; then it runs for a second and at
    least 5 times, but begins no run after 5 seconds, and times a run that takes more than 2.5 s once. On a
    GPU every timing waits until the GPU is done.

    Args:
        module: It is left in the mode that it is in.
        inputs: One batch, on the module's device.
        threads: Threads that torch uses on the processor for it; their number is set back afterwards.
    """
    with _evaluating(module), torch.inference_mode():
        return _timed(module, inputs, "torch", threads)


def _of_batches(measure: Callable[[int], Latency]) -> Iterator[Latency]:
    """One input first, then batches that should be done in time, each when it is asked for."""
    one = measure(1)
    yield one
    for batch in BATCHES[1:]:
        if batch * one.ms <= 1e3 * _PATIENCE:
            yield measure(batch)


def _inputs(architecture: Architecture, device: str, batch: int) -> Tensor:
    drawn = torch.randn(batch, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(device)


def _timed(run: Callable[[Tensor], object], inputs: Tensor, engine: Engine, threads: int) -> Latency:
    # Importing it looks for a CUDA compiler, and complains where there is one and no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils.benchmark import Timer

    timer = Timer("run(inputs)", globals={"run": run, "inputs": inputs}, num_threads=threads)
    measured = _warmed_up(timer)
    if measured.median < _PATIENCE / 2:
        enough = min(max(_SECONDS, _RUNS * measured.median), _PATIENCE)
        measured = timer.blocked_autorange(min_run_time=enough)
    ms = np.array(measured.times) * 1e3
    low, high = np.quantile(ms, [0.25, 0.75]).tolist() if len(ms) >= _FEW else (math.nan, math.nan)
    runs = len(ms) * measured.number_per_run
    device = inputs.device.type
    return Latency(engine, device, threads, len(inputs), float(np.median(ms)), low, high, runs)


def _warmed_up(timer: Timer) -> Measurement:
    """Run until that gets no faster; gives the last round, which had a run before it to warm up."""
    start, before = time.perf_counter(), math.inf
    while True:
        now = timer.blocked_autorange(min_run_time=_ROUND)
        if now.median > _FASTER * before or time.perf_counter() - start > _WARMING:
            return now
        before = now.median


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all in it into evaluation mode for a while."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _in_onnxruntime(module: nn.Module, inputs: Tensor, threads: int) -> Callable[[Tensor], object]:
    """The module exported to ONNX, in memory, and loaded by onnxruntime."""
    import onnxruntime

    with _evaluating(module):
        model = as_onnx(module, inputs).model_proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["logits"], {"pixels": batch.numpy()})
