"""The networks that a score is fitted to: a tabular benchmark, or a table of your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import search_spaces
from nas.fit.costs import StageCosts
from nas.fit.design import bases, effects
from nas.fitted.terms import Basis
from nas.tabular import benchmark
from nas.tabular.readers import trained
from search_spaces import RequestError, Space
from search_spaces.chain import Chain, ChainArchitecture, KnownStages
from search_spaces.cost import total
from search_spaces.errors import did_you_mean, listed, printable, shown


@dataclass(frozen=True)
class Trained:
    """Trained networks of one space.

    Attributes:
        space: The space.
        choices: One row per network: its choices, each replaced by the value that has the same effect.
        flops: FLOPs of each network.
        target: Value of each network.
        constants: Values of choices and constants that all networks have in common.
        source: Where the networks come from.
        notes: Lines about the table.
        error: Standard deviation of a further error of the values.
        chain: Their chain.
        costs: Costs of stages, which the values are expected to follow; None for none.
    """

    space: Space
    choices: pd.DataFrame
    flops: NDArray[np.float64]
    target: NDArray[np.float64]
    constants: dict[str, Any]
    source: str
    notes: tuple[str, ...]
    error: float = 0.0
    chain: Chain = ()
    costs: StageCosts | None = None

    @cached_property
    def bases(self) -> dict[str, Basis]:
        """A basis of each choice that varies."""
        return bases(self.choices)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Some of the networks."""
        choices = self.choices.iloc[rows].reset_index(drop=True)
        return replace(self, choices=choices, flops=self.flops[rows], target=self.target[rows])

    def with_costs(self) -> Self:
        """The same networks, of values that are expected to follow the costs of stages, as latencies do."""
        return replace(self, costs=StageCosts.of(self.chain, self.choices))

    def calibrated(self, slope: float, offset: float, error: float) -> Self:
        """The same networks with values on another scale.

        Args:
            slope, offset: The values become slope x value + offset.
            error: Standard deviation of the calibration.
        """
        source = f"{self.source}; on another scale, {slope:g} x + {offset:g}"
        return replace(self, target=slope * self.target + offset, source=source, error=error)

    @classmethod
    def read(cls, table: str, data: Path | None, target: str, space: str | None) -> Self:
        """Read the networks of a table.

        Args:
            table: Name of a tabular benchmark, or path of a CSV or of the folder of a training or study.
            data: File or folder of the benchmark.
            target: Name of the column to predict.
            space: Name of the space; by default that of the networks' family.

        Raises:
            RequestError: The table cannot be read, or its networks are not of one space.
        """
        if table in benchmark.names():
            if data is None:
                raise RequestError(f"{table}: give its published file, --data PATH; see docs/tabular.md")
            chosen = benchmark.get(table)
            published, source = chosen.read(data), f"{chosen.title}: {chosen.accuracy}"
            if target not in published.table:
                known = [
                    name for name in map(str, published.table) if not name.startswith(benchmark.PUBLISHED)
                ]
                hint = did_you_mean(target, known)
                raise RequestError(f"{table} has no column {shown(target)}{hint}; it has {listed(known)}")
            if target != "top1":
                source = chosen.title
        else:
            if data is not None:
                hint = did_you_mean(table, benchmark.names())
                raise RequestError(
                    f"--data is for tabular benchmarks, and {shown(table)} is none{hint}; there are"
                    f" {', '.join(benchmark.names())}"
                )
            published, source = trained(Path(table), target), printable(Path(table).name)
        there = published.table[target].notna().to_numpy()
        notes = published.notes
        if not there.all():
            notes += (f"{int((~there).sum()):,} rows have no {target} and are left out.",)
            kept = [one for one, kept in zip(published.networks, there, strict=True) if kept]
            published = benchmark.Published(kept, published.table[there].reset_index(drop=True), notes)
        averaged = published.averaged()
        return cls.of(averaged, target, space, source)

    @classmethod
    def of(cls, published: benchmark.Published, target: str, space: str | None, source: str) -> Self:
        """The networks of a table that has been read.

        Args:
            published: The networks and their values.
            target, space: As in `read`.
            source: Where they come from.

        Raises:
            RequestError: There is none, or they are not of one space.
        """
        networks = published.networks
        if not networks:
            raise RequestError(f"{source} has no network of our spaces; a fit needs some")
        found = _space(networks, space, source)
        chain = networks[0].chain()
        known, rows = KnownStages(chain), [network.choices() for network in networks]
        choices = effects(known, rows)
        same = {str(name): column.tolist()[0] for name, column in choices.items() if column.nunique() == 1}
        constants = {**_constants(networks, source), **same}
        flops = np.array([float(total(stage.figures for stage in known.of(row)).flops) for row in rows])
        values = published.table[target].to_numpy(float)
        return cls(found, choices, flops, values, constants, source, published.notes, chain=chain)


def _space(networks: Sequence[ChainArchitecture], name: str | None, source: str) -> Space:
    families = sorted({network.family for network in networks})
    if len(families) > 1:
        raise RequestError(f"{source} has networks of {listed(families)}; a fit needs one family")
    (family,) = families
    if name is None and family not in search_spaces.names():
        raise RequestError(
            f"{source} has networks of {family}, which no space searches; a fit needs networks of one of"
            f" {', '.join(search_spaces.names())}"
        )
    found = search_spaces.get(family if name is None else name)
    if found.architecture.family != family:
        raise RequestError(
            f"--space {found.name} has networks of {found.architecture.family}, and {source} has {family}"
        )
    return found


def _constants(networks: Sequence[ChainArchitecture], source: str) -> dict[str, Any]:
    constants = networks[0].constants()
    for network in networks:
        for name, value in network.constants().items():
            if value != constants[name]:
                raise RequestError(
                    f"{source} has networks of {name} {constants[name]} and {value}; a fit needs one value"
                )
    return constants
