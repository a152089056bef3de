"""Tabular benchmarks: tables of networks that others trained, each with a reader of its format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import did_you_mean, shown

LATENCIES = ("latency_", "throughput_")
"""How the names of columns of measured speed begin."""
PUBLISHED = "published_"
"""How the names of columns of published costs begin."""


@dataclass(frozen=True)
class Published:
    """The networks of a benchmark.

    Attributes:
        networks: Those that our spaces can express.
        table: One row per network: top1 in percent, and what else was published: top1_std over seeds, and
            columns that begin with `PUBLISHED` or one of `LATENCIES`.
        notes: Lines about the table: what was left out or averaged, and why.
    """

    networks: Sequence[ChainArchitecture]
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def averaged(self) -> Published:
        """The networks without repetitions: their columns are averaged, top1_std is of repetitions."""
        table = self.table.assign(arch=[str(network) for network in self.networks])
        groups = table.groupby("arch", sort=False)
        if groups.ngroups == len(table):
            return self
        means = groups.mean(numeric_only=True)
        if "top1" in table and "top1_std" not in table:
            means["top1_std"] = groups["top1"].std()
        first = dict(zip(table["arch"][::-1], reversed(self.networks), strict=True))
        note = f"{len(table):,} rows of {len(means):,} different networks; rows of one network are averaged."
        return Published(
            [first[str(arch)] for arch in means.index],
            means.reset_index(drop=True),
            (*self.notes, note),
        )


Reader: TypeAlias = Callable[[Path], Published]


@dataclass(frozen=True)
class Benchmark:
    """A tabular benchmark.

    Attributes:
        name: Name on the command line.
        read: Reads its published files.
        title: What it is, for tables and figures.
        accuracy: What its accuracy is of.
        caps: Caps of FLOPs under which rules are judged; by default six of the table's range.
        params_unit: Published numbers of parameters are rounded to multiples of it.
        predicted: Whether its accuracies are predicted, not measured.
    """

    name: str
    read: Reader
    title: str
    accuracy: str
    caps: tuple[float, ...] = ()
    params_unit: int = 1
    predicted: bool = False


_benchmarks: dict[str, Benchmark] = {}


def register(name: str, **settings: Any) -> Callable[[Reader], Reader]:
    """Decorator that registers the reader of a benchmark; `settings` are fields of `Benchmark`.

    Raises:
        ValueError: A benchmark of that name exists already.
    """

    def add(read: Reader) -> Reader:
        if name in _benchmarks:
            raise ValueError(f"there is a benchmark {name} already")
        _benchmarks[name] = Benchmark(name, read, **settings)
        return read

    return add


def names() -> tuple[str, ...]:
    """Names of all benchmarks."""
    import_module("nas.tabular.readers")
    return tuple(_benchmarks)


def get(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        RequestError: There is no benchmark of that name.
    """
    if name not in names():
        hint = did_you_mean(name, names())
        raise RequestError(f"unknown benchmark {shown(name)}{hint}; there are {', '.join(names())}")
    return _benchmarks[name]
