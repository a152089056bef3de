"""A study as it was asked for: a value that can be stored and taken up again."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from nas.schema import built
from nas.study.population import Draw
from nas.train.order import Order
from search_spaces import RequestError
from search_spaces.architecture import Value


@dataclasses.dataclass(frozen=True)
class StudyRequest:
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
    order: Order
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

    @property
    def score_seeds(self) -> tuple[int, ...]:
        """Seeds of the initialisations over which scores are means."""
        return tuple(range(self.initialisations)) or self.order.seeds

    def as_json(self) -> dict[str, Any]:
        """The request as plain values; the inverse of `of_json`."""
        return {**dataclasses.asdict(self), "order": self.order.as_json()}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> StudyRequest:
        """The request that `as_json` gave.

        Raises:
            TypeError: The values are not those of a request.
        """
        kept = dict(values)
        kept.pop("count", None)  # of earlier versions, in which the order did not know how many were named
        named = {"named": kept.pop("named")} if "named" in kept else {}
        order = Order.of_json({**values["order"], **named})
        return built(cls, {**kept, "order": order})
