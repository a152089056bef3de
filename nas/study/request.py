"""A study as it was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from nas.schema import Stored
from nas.study.population import Draw
from nas.train.config import TrainConfig
from search_spaces import RequestError
from search_spaces.architecture import Value

if TYPE_CHECKING:
    pass


@dataclasses.dataclass(frozen=True)
class StudyRequest(Stored):
    """A study as it was asked for.

    Attributes:
        space: Name of the space, or nothing where the networks were given by hand.
        draw: How.
        seed: Seed of the draws.
        budgets: By cost.
        fix: Choices that are pinned.
        scores: Proxies to compare.
        batch: Images that some of them look at.
        order: How the networks are trained, with their specs and how many of them were given by hand.
        initialisations: Over how many the scores are means, with the seeds from 0 on; 0 takes `seeds`
            of the order.
    """

    space: str
    draw: Draw
    seed: int
    budgets: dict[str, str]
    fix: dict[str, Value]
    scores: tuple[str, ...]
    batch: int
    order: TrainConfig
    initialisations: int = 0

    def __post_init__(self) -> None:
        if self.draw not in get_args(Draw):
            raise RequestError(f"--draw {self.draw}: expected one of {', '.join(get_args(Draw))}")
        if self.initialisations < 0:
            raise RequestError(f"--initialisations {self.initialisations}: expected at least 1")
        if len(self.order.archs) < 3:
            raise RequestError(
                f"{len(self.order.archs)} networks: expected at least 3 to correlate; name more by --arch, or"
                " draw some with --space and --count"
            )

    def name(self) -> str:
        """A short name for the study's folder."""
        return f"{self.space or 'networks'}-{self.order.dataset}"

    @property
    def score_seeds(self) -> tuple[int, ...]:
        """Seeds of the initialisations over which scores are means."""
        return tuple(range(self.initialisations)) or self.order.seeds

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values under the names of today, whatever version wrote them."""
        kept = dict(super().upgraded(values))
        kept.pop("count", None)  # of earlier versions, in which the order did not know how many were named
        if "named" in kept:
            kept["order"] = {**kept["order"], "named": kept.pop("named")}
        return kept
