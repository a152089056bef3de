"""Latencies of several networks: measured down a ranking, as columns of a table, and in a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

import search_spaces
from nas.latency.arguments import LatencyConfig
from nas.latency.measurement import Latency
from nas.runs import processor, versions
from search_spaces import RequestError


@dataclass(frozen=True)
class Measured:
    """The networks that were measured, by spec.

    Attributes:
        wanted: What was asked for.
        kept: All latencies of those that are fast enough, in the order of the ranking.
        slow: Of the others, the one that is too long.
        compared: All latencies of further networks, however slow.
    """

    wanted: LatencyConfig
    kept: Mapping[str, list[Latency]]
    slow: Mapping[str, Latency] = field(default_factory=dict)
    compared: Mapping[str, list[Latency]] = field(default_factory=dict)

    def columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with the latencies as further columns, missing where its `arch` was not measured."""
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
        every = list(self._all())
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

    def _all(self) -> Iterator[Latency]:
        for found in (*self.kept.values(), *self.compared.values()):
            yield from found

    def _absent(self) -> str:
        from nas.latency.stopwatch import missing

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
    """Measure networks down a ranking, until enough of them are fast enough.

    Args:
        ranking: Specs; one that is too slow is measured no further than it takes to see that.
        wanted: On what, and how fast they must be.
        top: How many are enough; without it, all.
        compared: Specs of further networks.
        stop: Asked before each network.
        on_network: Called after each network that is measured to the end.

    Raises:
        RequestError: None is fast enough.
    """
    from nas.latency.stopwatch import latencies

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
