"""Measured latency: the options that ask for it, the timing, the columns and the line below a table."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import search_spaces
from nas.runs import processor, versions
from nas.values import at_least, between
from search_spaces import Architecture, RequestError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

Engine = Literal["torch", "onnxruntime"]

BATCHES = (1, 64)
_DEVICES = ("cpu", "cuda")
_MOST_THREADS = 256
"""A million crash torch."""
_SECONDS = 1.0
"""Least time of a measurement."""
_PATIENCE = 5.0
"""Most seconds of a measurement, and of one run of a batch."""
_THRESHOLD = 0.1
"""A measurement ends when the interquartile range is below this fraction of the median."""
_FEW = 3
"""Least number of timings that have quartiles."""


@dataclass(frozen=True)
class LatencyConfig:
    """Where networks are measured, and the limit they must meet.

    Attributes:
        device: "cpu" or "cuda".
        threads: Threads on the processor.
        most: Largest latency of a batch of 1 in torch, in ms.
    """

    device: str
    threads: int
    most: float = math.inf

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return not math.isinf(self.most)


def add_latency(add: argparse._ActionsContainer, most: bool = False) -> None:
    """Add the options, with `--max-latency` if `most` is set."""
    what = "measure the latency of the networks listed, in ms for a batch of 1 and of 64"
    add.add_argument("--latency", choices=_DEVICES, help=what)
    threads = at_least(1, max(_MOST_THREADS, os.cpu_count() or 1))
    add.add_argument(
        "--latency-threads",
        type=threads,
        metavar="N",
        help="threads of the measurement on a CPU (1)",
    )
    if most:
        milliseconds = between(1e-6, 1e9, "of milliseconds")
        limit = "skip networks slower than MS milliseconds for one input, in torch (--latency cpu)"
        add.add_argument("--max-latency", type=milliseconds, metavar="MS", help=limit)


def wanted(options: argparse.Namespace) -> LatencyConfig | None:
    """What the options ask for; None if they ask for no latency.

    Raises:
        RequestError: There is no such device here, or only the number of threads is given.
    """
    most: float | None = getattr(options, "max_latency", None)
    device: str | None = options.latency or ("cpu" if most else None)
    if device is None:
        if options.latency_threads:
            raise RequestError("--latency-threads says how --latency measures; give --latency cpu as well")
        return None
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise RequestError("--latency cuda: torch sees no GPU here; try --latency cpu")
    return LatencyConfig(device, options.latency_threads or 1, most or math.inf)


@dataclass(frozen=True)
class Latency:
    """Measured latency of one network for one batch size.

    Attributes:
        engine: What runs the network.
        device: "cpu" or "cuda".
        threads: Threads that the engine may use on the processor.
        batch: Inputs in a batch.
        ms: Median time of a batch, in ms.
        low: Lower quartile; nan of fewer than three timings.
        high: Upper quartile.
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
        """The median and the quartiles, under the names that they have in tables.

        >>> Latency("torch", "cpu", 1, 64, 20.0, 19.0, 22.0, 50).columns()
        {'cpu_ms_64': 20.0, 'cpu_ms_64_low': 19.0, 'cpu_ms_64_high': 22.0}
        """
        what = "onnx" if self.engine == "onnxruntime" else self.device
        name = f"{what}_ms" + (f"_{self.batch}" if self.batch > 1 else "")
        return {name: self.ms, f"{name}_low": self.low, f"{name}_high": self.high}


def latencies(architecture: Architecture, device: str, threads: int) -> Iterator[Latency]:
    """Measure a network, each latency when it is asked for.

    The weights are as initialised, from a fixed seed, and do not touch torch's random state.

    Args:
        architecture: What to build and measure.
        device: "cpu" or "cuda".
        threads: Threads on the processor, of torch and of onnxruntime.

    Yields:
        torch, for a batch of 1 and one of 64; on the processor then the same of onnxruntime, if its packages
        are installed. A batch of 64 that would take more than 5 s, by the time of one input, is left out.
    """
    import torch

    def pixels(batch: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(batch, *architecture.input_shape, generator=generator).to(device)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = architecture.build().to(device).eval()
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


def missing() -> list[str]:
    """The packages that onnxruntime is measured with and that are not installed."""
    from nas.export import FORMATS

    return [package for package in FORMATS["onnx"].packages if importlib.util.find_spec(package) is None]


def _timed(run: Callable[[Tensor], object], inputs: Tensor, engine: Engine, threads: int) -> Latency:
    """Time runs of one batch, without gradients, by torch's own timer: it warms up and waits for a GPU."""
    # Importing it looks for a CUDA compiler, and complains where there is one and no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import numpy as np
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("run(inputs)", globals={"run": run, "inputs": inputs}, num_threads=threads)
    with torch.inference_mode():
        found = timer.adaptive_autorange(_THRESHOLD, min_run_time=_SECONDS, max_run_time=_PATIENCE)
    low, ms, high = (1e3 * np.quantile(found.times, [0.25, 0.5, 0.75])).tolist()
    if len(found.times) < _FEW:
        low = high = math.nan
    runs = len(found.times) * found.number_per_run
    return Latency(engine, inputs.device.type, threads, len(inputs), ms, low, high, runs)


def _in_onnxruntime(module: nn.Module, example: Tensor, threads: int) -> Callable[[Tensor], object]:
    """The module exported to ONNX, in memory, and loaded by onnxruntime."""
    import onnxruntime

    from nas.export import as_onnx

    model = as_onnx(module, example).model_proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["logits"], {"pixels": batch.numpy()})


@dataclass(frozen=True)
class Measured:
    """The networks that were measured, by spec.

    Attributes:
        wanted: What was asked for.
        kept: All latencies of those that meet the limit, in the order of the ranking.
        slow: Of the others, the one latency that exceeds it.
        compared: All latencies of further networks, however slow.
    """

    wanted: LatencyConfig
    kept: Mapping[str, list[Latency]]
    slow: Mapping[str, Latency] = field(default_factory=dict)
    compared: Mapping[str, list[Latency]] = field(default_factory=dict)

    def columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with the latencies as further columns, missing where its `arch` was not measured."""
        import pandas as pd

        rows = [
            {"arch": arch} | {name: value for one in found for name, value in one.columns().items()}
            for arch, found in {**self.compared, **self.kept}.items()
        ]
        return table.merge(pd.DataFrame(rows), on="arch", how="left")

    def sentence(self) -> str:
        """What was measured, on what, and how far runs differ."""
        facts = self.facts()
        engines = " and ".join(f"{name} {version}" for name, version in facts["engines"].items())
        batches = " and of ".join(map(str, facts["batches"]))
        threads = f"{self.wanted.threads} thread{'s' * (self.wanted.threads > 1)} of "
        within = "" if facts["spread"] is None else f", quartiles within {facts['spread']:.0%} of them"
        return (
            f"ms: {engines} on {threads * (self.wanted.device == 'cpu')}{facts['device']}, for a batch of"
            f" {batches}; medians{within}.{self._absent()}{self._left_out()}"
        )

    def facts(self) -> dict[str, Any]:
        """What was measured, on what, and how far runs differ at most, as plain values."""
        every = [one for found in (*self.kept.values(), *self.compared.values()) for one in found]
        spreads = [latency.spread for latency in every if not math.isnan(latency.spread)]
        engines = versions(sorted({latency.engine for latency in every}, reverse=True))
        limited = {"max_ms": self.wanted.most, "too_slow": len(self.slow)} if self.wanted.limited else {}
        return {
            "device": _name(self.wanted.device),
            "threads": self.wanted.threads,
            "engines": {name: version for name, version in engines.items() if name != "python"},
            "batches": sorted({latency.batch for latency in every}),
            "spread": round(max(spreads), 4) if spreads else None,
            "measured": len(self.kept) + len(self.slow),
            **limited,
        }

    def _absent(self) -> str:
        absent = missing() if self.wanted.device == "cpu" else []
        way = "pip install 'zero-cost-nas[export]'"
        return f" onnxruntime is left out: {', '.join(absent)} not installed; {way}." if absent else ""

    def _left_out(self) -> str:
        if not self.wanted.limited:
            return ""
        measured, slow = len(self.kept) + len(self.slow), len(self.slow)
        took = f"took more than {self.wanted.most:g} ms (torch, batch of 1)"
        which = f"{slow} {took} and are left out" if slow else f"none {took}"
        return f" Of the first {measured}, {which}."


def measure(
    ranking: Iterable[str],
    wanted: LatencyConfig,
    top: int | None = None,
    compared: Iterable[str] = (),
    stop: Callable[[], bool] = lambda: False,
    on_network: Callable[[], None] = lambda: None,
) -> Measured:
    """Measure networks down a ranking, until enough of them meet the limit.

    Args:
        ranking: Specs; one that is too slow is measured no further than it takes to see that.
        wanted: Where, and the limit.
        top: How many are enough; without it, all.
        compared: Specs of further networks.
        stop: Asked before each network.
        on_network: Called after each network that is measured to the end.

    Raises:
        RequestError: None meets the limit.
    """
    kept: dict[str, list[Latency]] = {}
    slow: dict[str, Latency] = {}
    others: dict[str, list[Latency]] = {}

    def try_one(arch: str, most: float, found: dict[str, list[Latency]]) -> None:
        times = latencies(search_spaces.parse(arch), wanted.device, wanted.threads)
        first = next(times)
        if first.ms <= most:
            found[arch] = [first, *times]
            on_network()
        else:
            slow[arch] = first

    for arch in dict.fromkeys(ranking):
        if stop() or len(kept) == top:
            break
        try_one(arch, wanted.most, kept)
    if slow and not kept and not stop():
        raise _too_slow(slow, wanted)
    for arch in compared:
        if stop():
            break
        if arch in kept:
            others[arch] = kept[arch]
        else:
            try_one(arch, math.inf, others)
    return Measured(wanted, kept, slow, others)


def _too_slow(slow: Mapping[str, Latency], wanted: LatencyConfig) -> RequestError:
    fastest = min(slow, key=lambda arch: slow[arch].ms)
    return RequestError(
        f"--max-latency {wanted.most:g}: none of the first {len(slow)} is so fast for a batch of 1 in torch"
        f" on {wanted.device}; the fastest is {fastest} with {slow[fastest].ms:.4g} ms: allow more, or ask"
        " for a smaller budget"
    )


def _name(device: str) -> str:
    if device == "cpu":
        return processor()
    import torch

    return str(torch.cuda.get_device_name())
