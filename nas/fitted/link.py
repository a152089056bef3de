"""Links: increasing functions from sums over stages to values of a target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nas.schema import Stored

LinkKind = Literal["identity", "saturating", "logarithm", "reciprocal"]


@dataclass(frozen=True)
class Link(Stored):
    """An increasing function from sums to values of the target.

    Attributes:
        kind: "identity"; "saturating", ceiling - exp(-sum); "logarithm", exp(sum); "reciprocal", -1 / sum.
        ceiling: Value that a saturating target cannot reach.

    >>> link = Link("saturating", 80.0)
    >>> round(float(link.value(link.sum(70.0))), 9)
    70.0
    """

    kind: LinkKind = "identity"
    ceiling: float = 0.0

    def __str__(self) -> str:
        below = f" below {self.ceiling:g}" if self.kind == "saturating" else ""
        return f"link {self.kind}{below}"

    def value(self, total: Any) -> Any:
        """The value of a sum, or of a column of sums."""
        with np.errstate(over="ignore"):
            if self.kind == "saturating":
                return self.ceiling - np.exp(-total)
            if self.kind == "logarithm":
                return np.exp(total)
        if self.kind == "reciprocal":
            with np.errstate(divide="ignore"):
                return np.where(total < 0, -1 / np.minimum(total, 0.0), math.inf)[()]
        return total

    def sum(self, value: Any) -> Any:
        """The sum of a value, or of a column of values; the inverse of `value`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.kind == "saturating":
                return np.where(value < self.ceiling, -np.log(np.maximum(self.ceiling - value, 0)), math.inf)[
                    ()
                ]
            if self.kind == "logarithm":
                return np.where(value > 0, np.log(np.maximum(value, 0)), -math.inf)[()]
            if self.kind == "reciprocal":
                return np.where(value > 0, -1 / np.maximum(value, 0.0), -math.inf)[()]
        return value
