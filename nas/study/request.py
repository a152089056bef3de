"""A study as it was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import search_spaces
from nas.optimize.request import MOST_IMAGES, MOST_SEED
from nas.options import check, option
from nas.query import COSTS
from nas.schema import Stored
from nas.study.population import Draw
from nas.train.config import TrainConfig
from nas.values import Range
from search_spaces import RequestError
from search_spaces.architecture import Value

MOST_INITIALISATIONS = 10_000
USUAL_DRAW: Draw = "spread"
USUAL_BATCH = 64
"""How networks are drawn, and images that scores look at, unless asked otherwise."""


@dataclasses.dataclass(frozen=True)
class StudyRequest(Stored):
    """A study as it was asked for.

    Attributes:
        space: Name of the space, or nothing where the networks were given by hand.
        order: How the networks are trained, with their specs and how many of them were given by hand.
        initialisations: Over how many the scores are means, with the seeds from 0 on; 0 takes `seeds`
            of the order.
    """

    space: str = option(lambda: f"one of {', '.join(search_spaces.names())}")
    draw: Draw = option(
        "uniform; spread over NN-Mass and parameters; or pairs of equal NN-Mass", usual=USUAL_DRAW
    )
    seed: int = option("seed of the draws", range=Range(0, MOST_SEED), flags=("--draw-seed",), usual="0")
    budgets: dict[str, str] = option("cap or band of {key}, as 400M", keys=COSTS, metavar="BUDGET")
    fix: dict[str, Value] = option("pin a choice", metavar="NAME=VALUE")
    scores: tuple[str, ...] = option("scores to compare", metavar="NAME", usual="all")
    batch: int = option(
        "images that some scores look at",
        range=Range(2, MOST_IMAGES),
        flags=("--score-batch",),
        usual=str(USUAL_BATCH),
    )
    order: TrainConfig  # type: ignore[misc]  # what `option` makes need not have a default
    initialisations: int = option(
        "score so many initialisations of each network, and take the mean",
        default=0,
        range=Range(1, MOST_INITIALISATIONS),
        usual="one a training seed",
    )

    def __post_init__(self) -> None:
        check(self)
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
