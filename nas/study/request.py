"""The request of a study, as stored in its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import search_spaces
from nas.bounds import COSTS
from nas.options import check, documented, option
from nas.schema import Stored
from nas.study.population import Draw
from nas.train.config import TrainConfig
from nas.values import MOST_IMAGES, MOST_SEED, Range
from search_spaces import RequestError
from search_spaces.architecture import Value

MOST_INITIALISATIONS = 10_000


@documented
@dataclasses.dataclass(frozen=True)
class StudyRequest(Stored):
    """The request of a study.

    Attributes:
        space: Name of the space; empty if all networks were given explicitly.
        order: The training: all specs, how many of them were given explicitly, data and recipe.
        initialisations: Number of initialisations over which scores are averaged, with seeds from 0; 0 uses
            the training seeds.
    """

    space: str = option(lambda: f"one of {', '.join(search_spaces.names())}", default="")
    draw: Draw = option(
        "uniform; spread over NN-Mass and parameters; pairs of equal NN-Mass; or design: the networks that a"
        " fit needs, for --then-fit",
        default="spread",
    )
    draw_seed: int = option("seed of the sample", default=0, range=Range(0, MOST_SEED))
    budgets: Mapping[str, str] = option(
        "cap or band of {key}, as 400M", default=dict, keys=COSTS, metavar="BUDGET"
    )
    fix: Mapping[str, Value] = option("pin a choice", default=dict, metavar="NAME=VALUE")
    scores: tuple[str, ...] = option("scores to compare", default=(), metavar="NAME", usual="all")
    score_batch: int = option("batch size of data-dependent scores", default=64, range=Range(2, MOST_IMAGES))
    order: TrainConfig = dataclasses.field(kw_only=True)
    initialisations: int = option(
        "average scores over N initialisations of each network",
        default=0,
        range=Range(1, MOST_INITIALISATIONS),
        usual="one per training seed",
    )

    _OLD_NAMES: ClassVar[Mapping[str, str]] = {"seed": "draw_seed", "batch": "score_batch"}

    def __post_init__(self) -> None:
        check(self)
        if len(self.order.archs) < 3:
            raise RequestError(
                f"{len(self.order.archs)} networks: expected at least 3 to correlate; add more by --arch, or"
                " sample some with --space and --count"
            )

    def name(self) -> str:
        """A short name for the study's folder."""
        return f"{self.space or 'networks'}-{self.order.dataset}"

    @property
    def score_seeds(self) -> tuple[int, ...]:
        """Seeds of the initialisations over which scores are averaged."""
        return tuple(range(self.initialisations)) or self.order.seeds

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values of an earlier version under the current names."""
        kept = dict(super().upgraded(values))
        kept.pop("count", None)  # written by versions that kept `named` outside the order
        if "named" in kept:
            kept["order"] = {**kept["order"], "named": kept.pop("named")}
        return kept
