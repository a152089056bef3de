"""Measured latency: command-line options, timing, table columns and the summary below a table."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("latency")

import argparse
import importlib.util
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import search_spaces
from nas.options import check, documented, given, option
from nas.runs import processor, versions
from nas.values import Range
from search_spaces import Architecture, RequestError

if TYPE_CHECKING:
    import pandas as pd
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


THREADS = Range(1, max(256, os.cpu_count() or 1))
"""torch crashes with very many threads."""


@documented
@dataclass(frozen=True)
class LatencyConfig:
    """How latency is measured, and the limit that networks must meet.

    Raises:
        RequestError: A number is out of range, or there is no such device.
        TypeError: A value has a wrong type.
    """

    device: Literal["cpu", "cuda"] = option(
        "measure latency of the networks shown, in ms for batches of 1 and 64", flags=("--latency",)
    )
    threads: int = option("CPU threads for --latency", default=1, range=THREADS, flags=("--latency-threads",))
    most: float | None = option(
        "show only networks within this latency for one input in torch (--latency cpu)",
        default=None,
        range=Range(1e-6, 1e9, unit="of milliseconds"),
        flags=("--max-latency",),
        metavar="MS",
    )

    def __post_init__(self) -> None:
        check(self)


def latency_config(options: argparse.Namespace) -> LatencyConfig | None:
    """The configuration that the options request; None without `--latency` and `--max-latency`.

    Raises:
        RequestError: The device is not available, or only the number of threads is given.
    """
    values = given(options, LatencyConfig)
    if values.keys() == {"threads"}:
        raise RequestError("--latency-threads needs --latency; give --latency cpu as well")
    if not values:
        return None
    config = LatencyConfig(**{"device": "cpu", **values})
    if config.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise RequestError("--latency cuda: torch sees no GPU here; try --latency cpu")
    return config


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


@dataclass(frozen=True)
class Measured:
    """Measured latencies of networks, by spec.

    Attributes:
        config: How they were measured.
        kept: All latencies of networks that meet the limit, in ranking order.
        slow: For networks that exceed the limit, the latency that does.
        compared: All latencies of the baselines, to which the limit does not apply.
    """

    config: LatencyConfig
    kept: Mapping[str, list[Latency]]
    slow: Mapping[str, Latency] = field(default_factory=dict)
    compared: Mapping[str, list[Latency]] = field(default_factory=dict)

    def columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with latency columns appended; nan where an `arch` was not measured."""
        import pandas as pd

        rows = [
            {"arch": arch} | {name: value for one in found for name, value in one.columns().items()}
            for arch, found in {**self.compared, **self.kept}.items()
        ]
        return table.merge(pd.DataFrame(rows), on="arch", how="left")

    def sentence(self) -> str:
        """One paragraph for users: engines, hardware, batch sizes, spread and networks left out."""
        facts = self.facts()
        engines = " and ".join(f"{name} {version}" for name, version in facts["engines"].items())
        batches = " and of ".join(map(str, facts["batches"]))
        threads = f"{self.config.threads} thread{'s' * (self.config.threads > 1)} of "
        within = "" if facts["spread"] is None else f", quartiles within {facts['spread']:.0%} of them"
        return (
            f"ms: {engines} on {threads * (self.config.device == 'cpu')}{facts['device']}, for a batch of"
            f" {batches}; medians{within}.{self._absent()}{self._left_out()}"
        )

    def facts(self) -> dict[str, Any]:
        """Engines, hardware, batch sizes and largest spread, as values that JSON can hold."""
        every = [one for found in (*self.kept.values(), *self.compared.values()) for one in found]
        spreads = [latency.spread for latency in every if not math.isnan(latency.spread)]
        engines = versions(sorted({latency.engine for latency in every}, reverse=True))
        most = self.config.most
        limited = {} if most is None else {"max_ms": most, "too_slow": len(self.slow)}
        return {
            "device": device_name(self.config.device),
            "threads": self.config.threads,
            "engines": {name: version for name, version in engines.items() if name != "python"},
            "batches": sorted({latency.batch for latency in every}),
            "spread": round(max(spreads), 4) if spreads else None,
            "measured": len(self.kept) + len(self.slow),
            **limited,
        }

    def _absent(self) -> str:
        absent = missing() if self.config.device == "cpu" else []
        way = "pip install 'zero-cost-nas[export]'"
        return f" onnxruntime is left out: {', '.join(absent)} not installed; {way}." if absent else ""

    def _left_out(self) -> str:
        if self.config.most is None:
            return ""
        measured, slow = len(self.kept) + len(self.slow), len(self.slow)
        took = f"took more than {self.config.most:g} ms (torch, batch of 1)"
        which = f"{slow} {took} and are left out" if slow else f"none {took}"
        return f" Of the first {measured}, {which}."


def measure(
    ranking: Iterable[str],
    config: LatencyConfig,
    top: int | None = None,
    compared: Iterable[str] = (),
    stop: Callable[[], bool] = lambda: False,
    on_network: Callable[[], None] = lambda: None,
) -> Measured:
    """Measure networks in ranking order until enough of them meet the limit.

    Args:
        ranking: Specs, best first. Of a network above the limit only the first latency is measured.
        config: Device, threads and limit.
        top: Number of networks to find; all by default.
        compared: Specs of baselines, to which the limit does not apply.
        stop: Checked before each network; returning True ends the measurement.
        on_network: Called after each network that is measured completely.

    Raises:
        RequestError: No network meets the limit.
    """
    limit = math.inf if config.most is None else config.most
    kept: dict[str, list[Latency]] = {}
    slow: dict[str, Latency] = {}
    others: dict[str, list[Latency]] = {}

    def try_one(arch: str, most: float, found: dict[str, list[Latency]]) -> None:
        times = latencies(search_spaces.parse(arch), config.device, config.threads)
        first = next(times)
        if first.ms <= most:
            found[arch] = [first, *times]
            on_network()
        else:
            slow[arch] = first

    for arch in dict.fromkeys(ranking):
        if stop() or len(kept) == top:
            break
        try_one(arch, limit, kept)
    if slow and not kept and not stop():
        raise _too_slow(slow, limit)
    for arch in compared:
        if stop():
            break
        if arch in kept:
            others[arch] = kept[arch]
        else:
            try_one(arch, math.inf, others)
    return Measured(config, kept, slow, others)


def _too_slow(slow: Mapping[str, Latency], limit: float) -> RequestError:
    arch, fastest = min(slow.items(), key=lambda item: item[1].ms)
    return RequestError(
        f"--max-latency {limit:g}: none of the first {len(slow)} meets it for a batch of 1 in torch"
        f" on {fastest.device}; the fastest is {arch} with {fastest.ms:.4g} ms: raise the limit, or"
        " give a smaller budget"
    )


def device_name(device: str) -> str:
    """The name of the processor or GPU."""
    if device == "cpu":
        return processor()
    import torch

    return str(torch.cuda.get_device_name(device))
