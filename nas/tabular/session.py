"""A judgement from its request to its folder; the command `nas tabular` and the function both use it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from nas.signals import interruptions
from nas.tabular.judgement import Judgement, judge
from nas.tabular.population import Population
from nas.tabular.request import TabularFolder, TabularRequest
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd

    from nas.tabular.measured import Measurement


@dataclass(frozen=True)
class Session:
    """A request whose networks and images are read.

    Attributes:
        request: The request.
        population: The networks.
        measurement: How scores are measured; None if none are.
        on: The engine of a cluster that measures, if one does.
    """

    request: TabularRequest
    population: Population
    measurement: Measurement | None
    on: str | None = None

    @classmethod
    def prepared(cls, request: TabularRequest, on: str | None = None) -> Self:
        """Read the networks, and the images if scores are measured.

        Raises:
            RequestError: The request cannot be met.
        """
        if on is not None and not request.measure:
            raise RequestError(f"--on {on} measures scores; give some by --measure, or leave it out")
        population = Population.of(request)
        if not request.measure:
            return cls(request, population, None)
        from nas.tabular.measured import Measurement

        return cls(request, population, Measurement.prepared(request, population.networks), on)

    def run(self, folder: TabularFolder | None, out: Path | None) -> tuple[TabularFolder, Judgement | None]:
        """Measure, judge and keep all in a folder.

        Args:
            folder: The folder of an earlier run to continue.
            out: Path of a new folder; by default one under results/tabular.

        Returns:
            The folder, and the judgement; None if the measurement was interrupted.

        Raises:
            RequestError: The folder was measured on another batch, is damaged, or cannot be written.
        """
        from nas.tabular.outcome import write

        with ExitStack() as held:
            if folder is not None:
                folder.request = self.request
            elif self.measurement:
                folder = TabularFolder.create(self.request, out, {"batch": self.measurement.checksum})
                held.enter_context(folder.locked())
            measured = None
            if self.measurement and folder is not None:
                self._check_batch(folder)
                measured = self._measured(folder.scores)
                if measured is None:
                    folder.save_state("interrupted")
                    return folder, None
            found = self._judged(measured)
            if folder is None:
                folder = TabularFolder.create(self.request, out)
                held.enter_context(folder.locked())
            write(folder, found)
        return folder, found

    def unkept(self) -> Judgement | None:
        """Measure and judge, and keep nothing; None if the measurement was interrupted."""
        if not self.measurement:
            return self._judged(None)
        with TemporaryDirectory() as path:
            measured = self._measured(Path(path) / "scores.csv")
        return None if measured is None else self._judged(measured)

    def _measured(self, path: Path) -> pd.DataFrame | None:
        assert self.measurement
        with interruptions() as interrupted:
            return self.measurement.run(path, interrupted, self.on)

    def _judged(self, measured: pd.DataFrame | None) -> Judgement:
        found = judge(self.request, self.population, measured)
        if self.measurement:
            found = replace(found, notes=(*found.notes, self.measurement.sentence()))
        return found

    def _check_batch(self, folder: TabularFolder) -> None:
        if self.measurement and folder.batch != self.measurement.checksum:
            raise RequestError(
                f"{folder.path}: its scores were measured on another batch than this one; give the same"
                " images and table, or start anew with --out"
            )
