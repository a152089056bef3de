"""A run of a search, from the request to the tables: explore, save now and then, recount, finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from nas.latency.arguments import Wanted
from nas.latency.table import Measured, measure
from nas.problem import Problem
from nas.scoring import FIGURES, Population
from nas.search import evidence
from nas.search.journal import Journal
from nas.search.proof import Proof, shortly, warm_start
from nas.search.request import Request
from nas.search.run_folder import RunFolder
from nas.search.scores import Scores
from nas.search.study import BLOCK, Study
from nas.search.widths import best_of_each_width, first_of_each_width
from nas.table import candidates, references
from search_spaces import Architecture, RequestError

WARM = 100
"""Architectures that a warm start begins with at most: half a block of trials, a population of `nsga2`."""
_LEAST_PAUSE = 1.0
_PAUSE_RATIO = 20
"""Saving takes at most about one part in so many of the time."""
_MEASURED = 100
"""Candidates that are measured at most to find fast ones, if no more are to be shown."""


class Run:
    """A search under way or done.

    Attributes:
        found: The candidates so far, best first; empty before `explore`.
        count: How many were found, those that `per_width` leaves out among them.
        compared: The references, ranked by the same rules.
        proof: What is proven about the problem, once explored, if its figures are sums over stages.
        latency: What was measured of the candidates, if anything was; those too slow are not in `found`.
        scores: The scores of its networks, if they are not.
        widths_proven: Whether those kept of each base width are proven to be its best.
        seconds: Wall time by what it was spent on.
    """

    proof: Proof | None
    latency: Measured | None = None
    widths_proven: bool = False

    def __init__(self, request: Request, problem: Problem, folder: RunFolder | None = None) -> None:
        self.request, self.folder = request, folder
        self.problem, self.proof = problem, None
        self.space, self.goal, self.tables = problem.space, problem.goal, problem.tables
        self._journal = Journal.load(folder.log) if folder else Journal()
        sampler, seed = self.request.sampler, self.request.seed
        self.scores = Scores.of(request)
        self._study = Study(self.space, self.tables, self.goal, sampler, seed, self._journal, self.scores)
        self.seconds: dict[str, float] = dict(folder.seconds) if folder else {}
        self._recounted = 0
        self._kept = self.trials
        if folder and self._kept < folder.trials_done:
            raise RequestError(f"{folder.log} is damaged: it has lost trials; start a new run")
        self._saved_at, self._saving = time.perf_counter(), 0.0
        self._tabulate()

    @property
    def trials(self) -> int:
        """How many trials there are so far."""
        return len(self._study.rows)

    def explore(
        self, stop: Callable[[], bool] = lambda: False, on_trial: Callable[[], None] = lambda: None
    ) -> None:
        """Run the trials that are missing.

        Args:
            stop: Asked after each trial; what was found until then is kept.
            on_trial: Called after each trial.

        Raises:
            RequestError: All trials are done and none meets the bounds.
        """
        with self.measured("proof"):
            self.proof = Proof.of(self.problem)
            first = self._first()
        self._score_references(stop)
        start, saving = time.perf_counter(), self.seconds.get("saving", 0.0)

        def after_trial() -> None:
            on_trial()
            if self.scores:
                self._save_sometimes()

        self._study.run(self.request.trials, stop, after_trial, self._save_sometimes, first)
        whole = time.perf_counter() - start - (self.seconds.get("saving", 0.0) - saving)
        self.add_seconds("sampling", whole - self._study.scoring)
        self.add_seconds("scoring", self._study.scoring)
        if stop():
            return
        self._tabulate()
        self.save("running")
        if self.found.empty:
            self.save("nothing found")
            raise RequestError(f"none of {self.trials:,} trials has {self._wanted()}")

    def _first(self) -> Population | None:
        """What a warm start begins with: at most half of the trials, but one at least."""
        half = (self.request.trials + 1) // 2
        if not self.request.warm_start:
            return None
        if self.request.per_width is not None and self.goal.optimise[0][0] in FIGURES:
            first, proven = best_of_each_width(
                self.request, self.problem, self.request.per_width, min(BLOCK, half)
            )
            if len(first):
                self.widths_proven = proven
                return first
        return warm_start(self.problem, self.proof, min(WARM, half), self.request.seed)

    def _score_references(self, stop: Callable[[], bool]) -> None:
        """Measure the references that meet the bounds, where scores are measured."""
        if self.scores is None:
            return
        named = self._named()
        with self.measured("scoring"):
            for row in self.compared.to_dict("records"):
                if not stop() and all(bound.meets(row[bound.figure]) for bound in self.goal.bounds):
                    self.scores.measure(named[row["name"]])

    def _wanted(self) -> str:
        """What no trial met, and what to do about it."""
        there_are = (
            f", though {shortly(self.proof.meeting)} of {self.space.size:,} have" if self.proof else ""
        )
        ways = "try a wider band or more --trials, with --warm-start"
        return f"{' and '.join(map(str, self.goal.bounds))}{there_are}; {ways}"

    def measure(
        self,
        wanted: Wanted,
        top: int,
        stop: Callable[[], bool] = lambda: False,
        on_network: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure the first `top` candidates, or the first that are fast enough, and the references.

        Args:
            wanted: On what, and how fast they must be.
            top: How many.
            stop: Asked before each network; nothing is kept of what was measured until then.
            on_network: Called after each network.

        Raises:
            RequestError: None is fast enough.
        """
        with self.measured("latency"):
            ranking = self.best(max(top, _MEASURED))["arch"]
            try:
                latency = measure(ranking, wanted, top, self.compared["arch"], stop, on_network)
            except RequestError:
                self.save("nothing found")
                raise
        if not stop():
            self.latency = latency
            self._tabulate()

    def best(self, count: int) -> pd.DataFrame:
        """The first candidates; of a front, members of the front alone; of those measured, the fast ones."""
        found = self.found[self.found["front"]] if "front" in self.found else self.found
        if self.latency:
            found = found[found["arch"].isin(list(self.latency.kept))]
        return found.head(count)

    def stop(self) -> None:
        """Save all as interrupted; a resumed run that has not caught up with what is kept leaves it."""
        if self.trials >= self._kept:
            self._tabulate()
            self.save("interrupted")

    def draw(self, top: int) -> None:
        """Save the figure, with the first `top` candidates marked, or the whole front."""
        if self.folder:
            from nas.search.figure import drawn

            with self.measured("figure"):
                best = self.best(top if len(self.goal.optimise) == 1 else len(self.found))
                tried = self.tables.score(self._study.population)
                image = drawn(self.request.score, self.goal, tried, self.found, best, self.compared)
                self.folder.save(self.folder.figure, image)

    def finish(self, recounted: int) -> None:
        """Save all as finished, fvcore having agreed on the first `recounted` candidates."""
        self._recounted = len(self.best(recounted))
        self._mark()
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
        """Add wall time to what it was spent on, that of earlier parts of a resumed run included."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def save(self, status: str) -> None:
        """Write all files of the folder but the figure."""
        if self.folder:
            self.folder.save(self.folder.log, self._journal.text())
            self.folder.save(self.folder.candidates, self.found.to_csv(index=False))
            self.folder.save(self.folder.references, self.compared.to_csv(index=False))
            self.folder.save_state(status, self._facts())

    def _proven(self) -> dict[str, Any] | None:
        if self.proof is None or self.found.empty:
            return None
        return {"sentence": self.proof.sentence(self.goal, self.found), **self.proof.as_json()}

    def _save_sometimes(self) -> None:
        start = time.perf_counter()
        if self.trials < self._kept:
            return
        if self.folder and start - self._saved_at > max(_LEAST_PAUSE, _PAUSE_RATIO * self._saving):
            self._tabulate()
            self.save("running")
            self._saved_at = time.perf_counter()
            self._saving = self._saved_at - start
            self.add_seconds("saving", self._saving)

    def _tabulate(self) -> None:
        known = self.scores.known if self.scores else None
        self.found = candidates(self.space, self.tables, self.goal, self._study.population, known)
        self.compared = references(self._named(), self.goal, self.found, known)
        self.count = len(self.found)
        if self.request.per_width is not None:
            self.found = first_of_each_width(self.found, self.space, self.request.per_width)
        if self.latency:
            self.found = self.latency.columns(self.found[~self.found["arch"].isin(list(self.latency.slow))])
            self.compared = self.latency.columns(self.compared)
        self._mark()

    def widths(self) -> str | None:
        """What is kept of each base width, in a sentence; nothing where all are."""
        if self.request.per_width is None:
            return None
        names = f" ({', '.join(self.space.base)})" if len(self.space.base) < 3 else ""
        kept = f"kept {len(self.found):,}, at most {self.request.per_width} of each base width{names}"
        dropped = self.latency is not None and bool(self.latency.slow)
        proven = self.widths_proven and not dropped
        how = "proven to be the best of each" if proven else "not proven to be the best of each"
        return f"{kept}, with their ranks among all: {how}"

    def _named(self) -> dict[str, Architecture]:
        """The architectures to compare with."""
        named = dict(self.space.references)
        if (
            self.request.like is not None
            and (example := self.request.example(self.space)) not in named.values()
        ):
            named["like"] = example
        return named

    def _mark(self) -> None:
        self.found["recounted"] = self.found["arch"].isin(self.best(self._recounted)["arch"])

    def _facts(self) -> dict[str, Any]:
        return {
            "goal": str(self.goal),
            "space_size": self.space.size,
            "trials_done": self.trials,
            "candidates": len(self.found),
            **({"found": self.count, "widths": self.widths()} if self.request.per_width is not None else {}),
            "proof": self._proven(),
            "evidence": evidence.said(self.request),
            "scores": self.scores.sentence() if self.scores else None,
            "best": None if self.found.empty else self.found.iloc[0]["arch"],
            "recounted": self._recounted,
            **({"latency": self.latency.facts()} if self.latency else {}),
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
        }
