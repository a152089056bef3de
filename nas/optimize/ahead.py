"""What a cluster measures before the trials of a search: the scores that are needed in any case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Self

from nas.cli import progress
from nas.optimize.scores import Scores
from nas.tables import Population
from nas.tasks import Need, connected
from search_spaces import Architecture

if TYPE_CHECKING:
    from nas.optimize.study import Study
    from nas.optimize.trials import Trials


@dataclass(frozen=True)
class Foreseen:
    """The first trials of a search, as far as they are known before any score is.

    Attributes:
        networks: The network of each; None if it is outside the bounds, and needs no score.
    """

    networks: tuple[Architecture | None, ...]

    @classmethod
    def of(cls, study: Study, common: Trials, trials: int, first: Population | None) -> Self:
        """Those of a study.

        Args:
            study: The study.
            common: What its trials have in common.
            trials: Total number of trials.
            first: Networks of the first trials.
        """
        population = common.population(study.foreseen(trials, first))
        inside = common.goal.meets(common.tables.score(population))
        pairs = zip(common.tables.canonical(population), inside, strict=True)
        return cls(tuple(common.space.of_options(row) if meets else None for row, meets in pairs))

    @property
    def needed(self) -> list[Architecture]:
        """The networks whose scores are needed."""
        return [one for one in self.networks if one is not None]

    def complete(self, known: Mapping[str, float]) -> int:
        """How many trials, from the first, have all they need.

        Args:
            known: Scores by spec.
        """
        there = (one is None or str(one) in known for one in self.networks)
        return sum(takewhile(bool, there))


def measure(
    on: str,
    scores: Scores,
    networks: Sequence[Architecture],
    stop: Callable[[], bool],
    on_network: Callable[[], None],
) -> None:
    """Measure networks on a cluster, and show the progress.

    Args:
        on: Name of the engine.
        scores: Gets the scores.
        networks: The networks.
        stop: Polled several times a second.
        on_network: Called for each network that has been measured.

    Raises:
        RequestError: The cluster cannot be used.
    """
    import torch

    # As many threads as this process has: the values are those that it would measure.
    threads = torch.get_num_threads()
    unknown = [one for one in dict.fromkeys(networks) if str(one) not in scores.known]
    with (
        connected(on, Need("cpu", threads)) as launcher,
        progress("measuring", len(unknown)) as advance,
    ):

        def measured() -> None:
            advance()
            on_network()

        scores.measure_on(launcher, unknown, threads, stop, measured)
