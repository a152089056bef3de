"""The run of a search: proof, exploration, measurement, and saving of its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from nas.exact.feasible_set import ROUGH
from nas.exact.resolutions import AnyProblem, inside_of, sampled
from nas.optimize.folder import RunFolder
from nas.optimize.listing import first_of_each_width
from nas.optimize.proof import ROWS, Count, Proof, rounded
from nas.optimize.request import Request
from nas.optimize.scores import Scores
from nas.ranking import candidates, references
from nas.runs import Paced, Status
from nas.tables import Population
from search_spaces import Architecture, RequestError
from search_spaces.architecture import Value

if TYPE_CHECKING:
    from nas.latency import LatencyConfig, Measured
    from nas.optimize.shared import SharedStudy
    from nas.optimize.sharing import Sharing
    from nas.optimize.study import Study


_WARM_START = 100
"""Largest random sample at the start of a search without a proof: half a block of trials."""
_LEAST_PAUSE = 1.0
"""Shortest pause between saves, in seconds."""
_MEASURED = 100
"""Largest number of candidates measured to find fast ones, unless more rows are shown."""


class Run:
    """A search, running or finished.

    Attributes:
        proof: The proven rows; None before `prove`, and if the goal is not a sum over stages.
        found: The candidates, best first: the proven rows, and the networks found by trials.
        explored: The networks found by trials, best first.
        compared: The references, with their ranks.
        latency: Measured latencies, if any; networks that are too slow are not in `found`.
        scores: The scores of the networks, if they are not sums over stages.
        width: The base width that the search keeps, if it keeps one.
        evidence: What is known of the top-ranked network; None unless the goal is NN-Mass or a fitted
            score.
        finished: Whether the folder holds all requested trials; then nothing is written to it.
        seconds: Wall time by part.
    """

    proof: Proof | None = None
    latency: Measured | None = None

    def __init__(
        self,
        request: Request,
        problem: AnyProblem,
        folder: RunFolder | None = None,
        sharing: Sharing | None = None,
        on: str | None = None,
    ) -> None:
        """A run that begins, or goes on.

        Args:
            request: Its request.
            problem: The problem of the request.
            folder: The folder of a run that goes on.
            sharing: The storage of its study; by default it is in the folder.
            on: The engine of a cluster that measures scores; this process by default.

        Raises:
            RequestError: The study is damaged, or cannot be reached.
        """
        self.request, self.folder, self._sharing, self._on = request, folder, sharing, on
        self.problem = problem
        self.space, self.goal, self.tables = problem.space, problem.goal, problem.tables
        self.scores = Scores.of(request)
        if on is not None and (self.scores is None or sharing is not None):
            why = "the score is no measured one" if sharing is None else "--workers measure already"
            raise RequestError(f"--on {on} measures scores: {why}; leave it out")
        self.width, self.evidence = request.kept_width, request.evidence
        self.seconds: dict[str, float] = dict(folder.seconds) if folder else {}
        self.finished = folder is not None and folder.holds(request)
        self._verified: set[str] = set()
        self._shown = 0
        if folder or sharing:
            _ = self._study  # raises an error for a damaged study before anything else
        self._kept = self.trials if folder else 0
        if folder and self._kept < folder.trials_done:
            where = folder.storage or folder.log
            raise RequestError(f"{where} is damaged: it has lost trials; start a new run")
        self._growing = Paced(self._save_growing, _LEAST_PAUSE)
        self._tabulate()

    @cached_property
    def _study(self) -> Study | SharedStudy:
        """The Optuna study; its import takes as long as the proof."""
        if self._sharing:
            from nas.optimize.shared import SharedStudy
            from nas.optimize.trials import Trials

            trials = Trials(self.space, self.tables, self.goal, self.scores)
            return SharedStudy(trials, self.request, self._sharing, is_new=self.folder is None)
        from nas.optimize.study import Journal, Study

        self._journal = Journal.load(self.folder.log) if self.folder else Journal()
        sampler, seed = self.request.sampler, self.request.seed
        return Study(self.space, self.tables, self.goal, sampler, seed, self._journal, self.scores)

    @property
    def _population(self) -> Population:
        """The networks of all trials."""
        if "_study" in self.__dict__:
            return self._study.population
        return np.zeros((0, len(self.space.choices)), np.uint16)

    @property
    def trials(self) -> int:
        """Number of trials done."""
        return self._study.trials

    def create_folder(self, path: Path | None) -> RunFolder:
        """Create the folder of a new run.

        Args:
            path: A new or empty folder; by default one named after the time and the request.

        Raises:
            RequestError: The folder is not empty, or cannot be written.
        """
        where = {}
        if self._sharing:
            study = cast("SharedStudy", self._study)
            where = {"storage": study.public, "study": study.name}
        self.folder = RunFolder.create(self.request, path, where)
        return self.folder

    def prove(self, rows: int = ROWS) -> None:
        """Prove the first rows of the table, or the front.

        Args:
            rows: Number of rows.
        """
        with self.measured("proof"):
            self.proof = Proof.of(self.request, self.problem, max(rows, ROWS))
            self._tabulate()

    @cached_property
    def meeting(self) -> Count:
        """The number of networks inside the bounds."""
        with self.measured("count"):
            if self.proof is not None:
                return self.proof.count()
            inside = inside_of(self.problem, ROUGH)
            return Count(inside.count, inside.rounding)

    def explore(
        self, stop: Callable[[], bool] = lambda: False, on_trial: Callable[[], None] = lambda: None
    ) -> None:
        """Run the remaining trials.

        Args:
            stop: Polled after each trial; the results so far are saved.
            on_trial: Called after each trial.

        Raises:
            RequestError: All trials are done, and no network inside the bounds was proven or found.
        """
        study, first = self._study, self._first()
        if self._on is not None and not self.finished:
            self._measure_ahead(self._on, first, stop)
            if stop():
                return
        self._score_references(stop)
        start, saving = time.perf_counter(), self.seconds.get("saving", 0.0)

        def after_trial() -> None:
            on_trial()
            if self.scores:
                self._save_sometimes()

        study.run(self.request.trials, stop, after_trial, self._save_sometimes, first)
        whole = time.perf_counter() - start - (self.seconds.get("saving", 0.0) - saving)
        self.add_seconds("sampling", whole - study.scoring)
        self.add_seconds("scoring", study.scoring)
        if stop():
            return
        self._tabulate()
        self.save("running")
        if self.found.empty:
            self.save("nothing found")
            raise RequestError(f"none of {self.trials:,} trials has {self._unmet()}")

    def _measure_ahead(self, on: str, first: Population | None, stop: Callable[[], bool]) -> None:
        """Measure on a cluster what will be needed whatever the values are; trials that have it are saved.

        Raises:
            RequestError: The cluster cannot be used.
        """
        from nas.optimize.ahead import Foreseen, measure
        from nas.optimize.study import Study
        from nas.optimize.trials import Trials

        study, scores, named = self._study, self.scores, self._named()
        assert isinstance(study, Study) and scores is not None
        common = Trials(self.space, self.tables, self.goal, scores)
        foreseen = Foreseen.of(study, common, self.request.trials, first)
        wanted = [named[row["name"]] for row in self._inside()] + foreseen.needed
        saved = Paced(lambda: self._save_ahead(foreseen.complete(scores.known), first))
        try:
            with self.measured("scoring"):
                measure(on, scores, wanted, stop, saved.later)
        except RequestError as error:
            way = f"; then run {self.folder.resume}" if self.folder else ""
            raise RequestError(f"{error}{way}") from None
        finally:
            saved.close()

    def _save_ahead(self, trials: int, first: Population | None) -> None:
        """Complete the first trials, whose scores are known, and save them, unless the folder has more."""
        if self.folder and trials > max(self.trials, self._kept):
            self._study.run(trials, first=first)
            self.stop()
            self._kept = self.trials

    def _inside(self) -> list[dict[Hashable, Any]]:
        """The references that meet the bounds, as rows."""
        rows = self.compared.to_dict("records")
        return [row for row in rows if all(bound.meets(row[bound.figure]) for bound in self.goal.bounds)]

    def _first(self) -> Population | None:
        """A uniform random sample for the first trials, at most half of them, if nothing is proven."""
        if self.proof is not None or not self.request.warm_start:
            return None
        most = min(_WARM_START, (self.request.trials + 1) // 2)
        return sampled(self.problem, most, np.random.default_rng(self.request.seed))

    def _score_references(self, stop: Callable[[], bool]) -> None:
        """Measure the scores of references inside the bounds."""
        if self.scores is None:
            return
        named = self._named()
        with self.measured("scoring"):
            for row in self._inside():
                if not stop():
                    self.scores.measure(named[row["name"]])

    def _unmet(self) -> str:
        """The bounds that no trial met, with a hint."""
        bounds = " and ".join(map(str, self.goal.bounds))
        return (
            f"{bounds}, though {rounded(self.meeting.networks)} networks have; try a wider band or more"
            " --trials"
        )

    def measure(
        self,
        config: LatencyConfig,
        top: int,
        stop: Callable[[], bool] = lambda: False,
        on_network: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure the first `top` candidates, or the first that are fast enough, and the references.

        Args:
            config: Device, limit and other settings of the measurement.
            top: Number of candidates.
            stop: Polled before each network; measurements so far are discarded.
            on_network: Called after each network.

        Raises:
            RequestError: None is fast enough.
        """
        from nas.latency import measure

        with self.measured("latency"):
            ranking = self.best(top if self._of_front else max(top, _MEASURED))["arch"]
            try:
                latency = measure(ranking, config, top, self.compared["arch"], stop, on_network)
            except RequestError:
                self.save("nothing found")
                raise
        if not stop():
            self.latency = latency
            self._tabulate()

    @property
    def _of_front(self) -> bool:
        return len(self.goal.optimise) > 1

    def best(self, count: int) -> pd.DataFrame:
        """The first candidates, or `count` evenly spaced points of the front; only fast ones if measured."""
        found = self.found[self.found["front"]] if "front" in self.found else self.found
        if self.latency:
            found = found[found["arch"].isin(list(self.latency.kept))]
        if self._of_front and len(found) > count:
            return found.iloc[np.linspace(0, len(found) - 1, count).round().astype(int)]
        return found.head(count)

    def stop(self) -> None:
        """Save the run as interrupted, unless a resumed run has fewer trials than the folder."""
        if self.trials >= self._kept:
            self._tabulate()
            self.save("interrupted")

    def draw(self, top: int) -> None:
        """Save the plot, with the first `top` candidates marked, or the whole front."""
        if self.folder and not self.finished:
            with self.measured("figure"):
                from nas.optimize.figure import plotted

                best = self.best(len(self.found) if self._of_front else top)
                tried = self.tables.score(self._population)
                image = plotted(self.goal, tried, self.found, best, self.compared)
                self.folder.save(self.folder.figure, image)

    def finish(self, verified: pd.DataFrame) -> None:
        """Save the run as finished.

        Args:
            verified: The candidates verified by fvcore, with the column arch.
        """
        self._verified |= set(verified["arch"])
        self._mark()
        self._shown = len(verified)
        self.save("finished")

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the wall time of a block to `seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add_seconds(name, time.perf_counter() - start)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add wall time to a part; a resumed run continues from the stored times."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def save(self, status: Status) -> None:
        """Write all files of the folder except the plot."""
        if self.folder and not self.finished:
            if self._sharing is None:
                self.folder.save(self.folder.log, self._journal.text())
            self.folder.save(self.folder.candidates, self.found)
            self.folder.save(self.folder.references, self.compared)
            self.folder.save_state(status, self._facts(status))

    def proven(self) -> dict[str, Any] | None:
        """What is proven about the rows shown, as plain values; None if nothing is."""
        if self.proof is None or self.proof.table.empty:
            return None
        return self.proof.as_json(self._shown, self.meeting) | {"sentence": self.sentence(self._shown)}

    def sentence(self, shown: int) -> str:
        """What is proven about the first `shown` rows, in words."""
        if self.proof is not None and len(self.proof.table):
            if self.proof.proven and self.latency and self.latency.slow:
                return self._ranks_are_proven()
            return self.proof.sentence(shown, self.meeting)
        name = self.request.score
        return f"Nothing is proven: other networks may have a better {name}. Ranks are among those found."

    def _ranks_are_proven(self) -> str:
        """What is proven if slow networks are left out, in words."""
        of = (
            "exact front"
            if self._of_front
            else f"{rounded(self.meeting.networks)} networks inside the bounds"
        )
        return f"Proven: ranks, in the {of}. Measured: which networks are fast enough."

    def _save_sometimes(self) -> None:
        if self.folder and self.trials >= self._kept:
            self._growing.later()

    def _save_growing(self) -> None:
        with self.measured("saving"):
            self._tabulate()
            self.save("running")

    def _tabulate(self) -> None:
        known = self.scores.known if self.scores else None
        proof = self.proof
        ordered = self._sharing is None
        self.explored = candidates(self.space, self.tables, self.goal, self._population, known, ordered)
        self.found = self.explored if proof is None else proof.with_explored(self.explored)
        if proof is None and self.request.per_width is not None:
            self.found = first_of_each_width(self.found, self.space, self.request.per_width)
        ranks = proof.ranks if proof and proof.proven and not self._of_front else None
        self.compared = references(
            self._named(), self.tables, self.goal, self.found, known, ranks, bool(self.space.resolutions)
        )
        if self.latency:
            self.found = self.latency.columns(self.found[~self.found["arch"].isin(list(self.latency.slow))])
            self.compared = self.latency.columns(self.compared)
        self._mark()

    def widths_of(self, table: pd.DataFrame) -> set[tuple[Value, ...]]:
        """The base widths of networks of the space."""
        networks = (self.space.choices_of(self.space.parse(arch)) for arch in table["arch"])
        return {tuple(choices[name] for name in self.space.base) for choices in networks}

    def _named(self) -> dict[str, Architecture]:
        """The references by name, and the baseline of the base width that the search keeps."""
        named = dict(self.space.references)
        if self.width and self.width.baseline not in named.values():
            named[f"{self.width.chosen.name}_scaled"] = self.width.baseline
        if (
            self.request.like is not None
            and (example := self.request.example(self.space)) not in named.values()
        ):
            named["like"] = example
        return named

    def _mark(self) -> None:
        self.found["recounted"] = self.found["arch"].isin(self._verified)

    def _facts(self, status: Status) -> dict[str, Any]:
        return {
            "goal": str(self.goal),
            "axes": self.goal.axes,
            "base_width": self.width.as_json() if self.width else None,
            "space_size": self.space.size,
            "trials_done": self.trials,
            "explored": len(self.explored),
            "candidates": len(self.found),
            "proof": self.proven() if status == "finished" else None,
            "evidence": self.evidence,
            "scores": self.scores.sentence() if self.scores else None,
            "best": None if self.found.empty else self.found.iloc[0]["arch"],
            "recounted": len(self._verified),
            **({"latency": self.latency.facts()} if self.latency else {}),
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
        }
