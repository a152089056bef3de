"""Latency of the networks shown: what is requested, the limit, table columns and the summary below."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("latency")

import argparse
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import search_spaces
from nas.options import check, documented, given, option
from nas.runs import versions
from nas.timing import Latency, device_name, latencies, missing
from nas.values import Range
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd


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
