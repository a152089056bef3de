"""The measurement: networks that are drawn, timed in rounds, and kept in a CSV after each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

import search_spaces
from nas import exact
from nas.device.blocks import BlockTable
from nas.device.design import designed
from nas.device.request import EVEN, LatencyRequest
from nas.files import write_whole
from nas.runs import writing
from nas.study.report import read_table
from nas.timing import latency_of
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture

CANDIDATES = 4000
"""Random networks that a design chooses from."""
FITTED, HELD_OUT = "fit", "held out"
"""Values of the column `part`."""


@dataclass(frozen=True)
class Sample:
    """The networks of a measurement.

    Attributes:
        fitted: Those that the score is fitted to.
        held_out: Further random ones.
    """

    fitted: Sequence[ChainArchitecture]
    held_out: Sequence[ChainArchitecture]

    @classmethod
    def drawn(cls, request: LatencyRequest) -> Self:
        """Draw the networks of a request; the same request gives the same networks.

        Raises:
            RequestError: Too few networks meet the budgets.
        """
        needed = request.networks + request.held_out
        drawn = max(CANDIDATES, 2 * needed)
        table = exact.sample(request.space, drawn, request.seed, fix=request.fix, **request.budgets)
        different = [_chain(arch) for arch in dict.fromkeys(table["arch"])]
        if len(different) < needed:
            raise RequestError(
                f"--networks {request.networks} and --held-out {request.held_out} need {needed} networks, and"
                f" the request leaves {len(different)}; widen the budgets, or measure fewer"
            )
        held_out, others = different[: request.held_out], different[request.held_out :]
        places = list(range(request.networks))
        if request.design == EVEN:
            places = designed(request.searched, others, request.networks)
        return cls([others[place] for place in places], held_out)

    @property
    def every(self) -> list[ChainArchitecture]:
        """All networks."""
        return [*self.fitted, *self.held_out]

    def table(self, times: pd.DataFrame, column: str) -> pd.DataFrame:
        """A row per network: its part, costs, and the least median over rounds with its quartiles."""
        best = times.loc[times.groupby("arch")["ms"].idxmin()].set_index("arch")
        quartiles = [name for name in ("low", "high") if name in times]
        rows: list[dict[str, Any]] = []
        for network in self.every:
            figures, time = network.figures(), best.loc[str(network)]
            rows.append(
                {
                    "arch": str(network),
                    "part": FITTED if len(rows) < len(self.fitted) else HELD_OUT,
                    "flops": int(figures.flops),
                    "params": int(figures.params),
                    column: time["ms"],
                    **{f"{column}_{name}": time[name] for name in quartiles},
                }
            )
        return pd.DataFrame(rows)


def measured(
    request: LatencyRequest,
    networks: Sequence[ChainArchitecture],
    path: Path,
    stop: Callable[[], bool] = lambda: False,
    on_network: Callable[[], None] = lambda: None,
) -> pd.DataFrame | None:
    """Measure each network once in each round; what the CSV has already is not measured again.

    A round takes the networks in an order of its own, so that no part of the design meets a slow minute.

    Args:
        request: How they are measured.
        networks: The networks.
        path: The CSV, written after each measurement.
        stop: Checked before each measurement; returning True ends all.
        on_network: Called for each measurement that is there.

    Returns:
        arch, round, ms, low, high and runs; None if it was stopped.

    Raises:
        RequestError: The CSV is damaged or cannot be written, or a batch exceeds the memory of the GPU.
    """
    rows: list[Any] = _kept(path) if path.exists() else []
    done = {(row["arch"], row["round"]) for row in rows}
    for turn in range(request.rounds):
        order = np.random.default_rng((request.seed, turn)).permutation(len(networks))
        for place in order.tolist():
            if stop():
                return None
            network = networks[place]
            if (str(network), turn) not in done:
                rows.append({"arch": str(network), "round": turn, **_timed(request, network)})
                with writing(path):
                    write_whole(path, pd.DataFrame(rows))
            on_network()
    return pd.DataFrame(rows)


def _kept(path: Path) -> list[Any]:
    """The measurements in a CSV.

    Raises:
        RequestError: It is damaged.
    """
    table = read_table(path, ("low", "high", "runs"), known=("round", "ms"))
    wrong = ~table["ms"].between(0, math.inf, inclusive="neither")
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = f"{table['ms'].iloc[row]:g}"
        raise RequestError(
            f"{path}, row {row + 1}: ms is {value}, expected milliseconds above 0; leave it out"
        )
    return table.to_dict("records")


def check_blocks(request: LatencyRequest) -> None:
    """Check that the table of blocks has those of one network of the space, before others take long to draw.

    Raises:
        RequestError: The table cannot be read, or lacks a block.
    """
    summed(request, [_chain(str(request.searched.first))])


def summed(request: LatencyRequest, networks: Sequence[ChainArchitecture]) -> pd.DataFrame:
    """The sums of the published latencies of the blocks of each network.

    Returns:
        arch and ms.

    Raises:
        RequestError: The table cannot be read, or lacks a block.
    """
    table = BlockTable.read(Path(request.blocks or ""))
    return pd.DataFrame([{"arch": str(network), "ms": table.of(network)} for network in networks])


def _timed(request: LatencyRequest, network: ChainArchitecture) -> dict[str, float]:
    import torch

    try:
        found = latency_of(
            network, request.device, request.engine, request.batch, request.threads, request.timing
        )
    except torch.OutOfMemoryError:
        raise RequestError(
            f"--batch {request.batch}: the memory of {request.device} is too small for {network}; give less"
        ) from None
    return {"ms": found.ms, "low": found.low, "high": found.high, "runs": found.runs}


def _chain(arch: str) -> ChainArchitecture:
    found = search_spaces.parse(arch)
    assert isinstance(found, ChainArchitecture)  # networks of a space are
    return found
