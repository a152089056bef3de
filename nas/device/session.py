"""A latency measurement from its request to its score, which is written beside the folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas import proxies
from nas.cli import progress
from nas.device.measurement import FITTED, Sample, measured, summed
from nas.device.request import PROCESS, LatencyFolder, LatencyRequest
from nas.fit.fitting import Aim, fit
from nas.fit.table import Trained
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.options import words
from nas.runs import versions
from nas.signals import interruptions
from nas.tabular.benchmark import Published
from nas.timing import device_name

_FAR = 0.05
"""Rounds that differ by more mean that the machine was busy."""


@dataclass(frozen=True)
class Errors:
    """The errors of a score on networks that it was not fitted to.

    Attributes:
        networks: How many.
        rmse: Root mean squared error, in ms.
        median: Median error, as a fraction of the latency.
        largest: The largest error, as a fraction.
        typical: Median latency of the networks, in ms.
    """

    networks: int
    rmse: float
    median: float
    largest: float
    typical: float

    def sentence(self) -> str:
        """The errors in words."""
        median, largest = _percent(self.median), _percent(self.largest)
        return (
            f"On {self.networks:,} random networks that the fit has not seen: median error {median}, largest"
            f" {largest}, root mean squared {self.rmse:.3g} ms."
        )


@dataclass(frozen=True)
class Outcome:
    """What a measurement found.

    Attributes:
        score: The fitted score.
        errors: Its errors on the held-out networks.
        rounds: Median fraction by which the median of a further round is above the least; None for one round.
        slowest, fastest: Latencies, in ms.
    """

    score: FittedScore
    errors: Errors
    rounds: float | None
    slowest: float
    fastest: float

    def facts(self) -> dict[str, Any]:
        """Values for run.json."""
        return {"errors": vars(self.errors), "rounds_differ": self.rounds}

    def sentences(self, request: LatencyRequest) -> list[str]:
        """Lines for users: what was measured, and the error of the score."""
        total = request.networks + request.held_out
        networks = f"{total:,} networks of {request.space}"
        done = f"Measured {networks} on {setting(request)}"
        if request.blocks:
            done = f"Added up {setting(request)} for {networks}"
        lines = [f"{done}: {self.fastest:.4g} to {self.slowest:.4g} ms."]
        if self.rounds is not None:
            busy = "; the machine was busy, see docs/latency.md" if self.rounds > _FAR else ""
            lines.append(f"Rounds differ by {self.rounds:.1%} in the median{busy}.")
        return [*lines, self.errors.sentence()]


def _percent(fraction: float) -> str:
    return f"{fraction:.1%}" if fraction >= 0.0005 else "below 0.05%"


def setting(request: LatencyRequest) -> str:
    """Device, engine, batch and threads, or the table of blocks, in words."""
    if request.blocks:
        return f"the blocks of {Path(request.blocks).name}"
    threads = f", {request.threads} thread{'s' * (request.threads > 1)}" if request.device == "cpu" else ""
    clock = ", CPU time" if request.clock == PROCESS else ""
    engine = f"{request.engine} {versions([request.engine])[request.engine]}"
    return f"{device_name(request.device)}, {engine}, batch {request.batch}{threads}{clock}"


def run(folder: LatencyFolder, sample: Sample) -> Outcome | None:
    """Measure what the folder lacks, fit the score, and write all; None if it was interrupted.

    Args:
        folder: The folder of the measurement, locked.
        sample: The networks that its request draws.

    Raises:
        RequestError: A file is damaged or cannot be written.
    """
    request = folder.request
    times = summed(request, sample.every) if request.blocks else _measured(folder, sample)
    if times is None:
        folder.save_state("interrupted")
        return None
    table = sample.table(times, request.column)
    folder.save(folder.networks, table)
    outcome = _fitted(request, sample, table, times, folder.path.name)
    folder.save(folder.score, outcome.score.written())
    folder.save_state("finished", outcome.facts())
    return outcome


def _measured(folder: LatencyFolder, sample: Sample) -> pd.DataFrame | None:
    request = folder.request
    with (
        interruptions() as stop,
        progress("measuring", request.rounds * len(sample.every)) as advance,
    ):
        return measured(request, sample.every, folder.times, stop, advance)


def _fitted(
    request: LatencyRequest, sample: Sample, table: pd.DataFrame, times: pd.DataFrame, name: str
) -> Outcome:
    own = table[table["part"] == FITTED].reset_index(drop=True)
    published = Published(sample.fitted, own)
    source = f"{'sums of' if request.blocks else 'measured on'} {setting(request)}"
    trained = Trained.of(published, request.column, request.space, source)
    aim = Aim(name, request.column, "ms", more_is_better=False, relative=True)
    score = fit(trained.with_costs(), aim, request.seed)
    others = table[table["part"] != FITTED]
    true = others[request.column].to_numpy(float)
    return Outcome(
        score=score,
        errors=errors_of(score, sample, true),
        rounds=_differ(times),
        slowest=float(table[request.column].max()),
        fastest=float(table[request.column].min()),
    )


def errors_of(score: FittedScore, sample: Sample, true: np.ndarray[Any, np.dtype[np.float64]]) -> Errors:
    """The errors of a score on the held-out networks of a sample, whose latencies are given in ms."""
    total = FittedSum(score)
    predicted = np.array([total.of(network) for network in sample.held_out])
    part = np.abs(predicted - true) / true
    return Errors(
        networks=len(true),
        rmse=float(np.sqrt(np.mean((predicted - true) ** 2))),
        median=float(np.median(part)),
        largest=float(part.max()),
        typical=float(np.median(true)),
    )


def _differ(times: pd.DataFrame) -> float | None:
    """How far the median of the rounds of a network is above the least, as a median over networks."""
    groups = times.groupby("arch")["ms"]
    if groups.size().max() == 1:
        return None
    return float((groups.median() / groups.min() - 1).median())


def search_by(request: LatencyRequest, folder: LatencyFolder, outcome: Outcome) -> str:
    """A command that searches the same networks within a latency."""
    proxy = proxies.find("imagenet")
    family = request.searched.architecture.family
    score = " --score imagenet" if proxy and proxy.fitted and proxy.fitted.family == family else ""
    same = words(request.query, always=("space",))
    limit = f"{outcome.errors.typical:.2g}ms"
    return f"nas search {shlex.join(same)}{score} --max {shlex.quote(f'{folder.score}={limit}')}"
