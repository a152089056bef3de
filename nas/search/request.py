"""A search as it was asked for: a question, and how Optuna is to look for the answer."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from nas.budget import exactly
from nas.question import Question
from search_spaces import RequestError

DEFAULT_TRIALS = 2000
DEFAULT_SAMPLER = "nsga2"


@dataclass(frozen=True)
class Request(Question):
    """Everything that decides a search's result, apart from versions.

    Attributes:
        sampler: Name of the Optuna sampler.
        trials: How many architectures are proposed.
        seed: Seed of the sampler.
        warm_start: Begin with members of the exact front.
    """

    sampler: str = DEFAULT_SAMPLER
    trials: int = DEFAULT_TRIALS
    seed: int = 0
    warm_start: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, least in (("trials", self.trials, 1), ("seed", self.seed, 0)):
            if not isinstance(value, int) or value < least:
                raise RequestError(f"{name} is {value!r}, expected a whole number of at least {least}")

    def as_json(self) -> dict[str, Any]:
        """The request as plain values; the inverse of `of_json`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_json` gave.

        Raises:
            TypeError: The values are not those of a request.
        """
        request = cls(**{"warm_start": False, **values})  # runs from before there was one
        texts = (
            request.space,
            request.sampler,
            request.minimize or "",
            request.like or "",
            request.pareto or "",
        )
        if not all(isinstance(text, str) for text in (*texts, *request.budgets.values(), *request.fix)):
            raise TypeError("a text is expected where there is none")
        if not isinstance(request.warm_start, bool):
            raise TypeError("warm_start is not true or false")
        return request

    def arguments(self) -> str:
        """The request as arguments of the command."""
        words = ["--space", self.space]
        for cost, written in self.budgets.items():
            words += [f"--{cost}", written]
        for name, value in self.fix.items():
            words += ["--fix", f"{name}={value}"]
        if self.like:
            words += ["--like", self.like]
            words += ["--minimize", self.minimize] if self.minimize else []
            words += ["--across-widths"] * self.across_widths
        if self.pareto:
            words += ["--pareto", self.pareto]
        words += ["--sampler", self.sampler, "--trials", str(self.trials), "--seed", str(self.seed)]
        words += ["--no-warm-start"] * (not self.warm_start)
        return shlex.join(words)

    def name(self) -> str:
        """A short name for the run's folder."""
        caps = [(bound.figure, bound.most) for bound in self.bounds() if not math.isinf(bound.most)]
        aim = [f"pareto-{self.pareto}"] if self.pareto else ["like"] if self.like else []
        return "-".join(
            [self.space, *aim, *(f"{cost}-{exactly(cap).replace(',', '')}" for cost, cap in caps)]
        )
