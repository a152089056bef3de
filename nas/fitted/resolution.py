"""What the resolution of images does to an accuracy: a factor of the error rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from nas.schema import Stored
from search_spaces import RequestError

_HALF: Final = 1.645
"""Half-width of the 90% interval of a normal variable, in standard deviations."""
_STRONGEST: Final = 50.0
"""Largest logarithm of a factor of the error rate."""


@dataclass(frozen=True)
class ResolutionEffect(Stored):
    """The error rate at a resolution, relative to that of the same network at a base resolution.

    An error rate is 100 minus an accuracy in percent. Its logarithm changes by slope * x + curvature * x^2,
    where x is the logarithm of the resolution divided by the base.

    Attributes:
        base: The base resolution, in pixels.
        least: Smallest resolution of the networks that the effect is fitted to.
        most: Largest resolution of these networks.
        slope: Coefficient of x.
        curvature: Coefficient of x squared.
        error: Root mean squared error of the change, for networks that the fit has not seen.
        source: Where the networks come from.

    >>> round(TF_SLIM.value(70.0, 160), 2), TF_SLIM.value(70.0, 224)
    (66.37, 70.0)
    """

    base: int
    least: int
    most: int
    slope: float
    curvature: float
    error: float
    source: str

    def __post_init__(self) -> None:
        if not (0 < self.least <= self.most and self.base > 0):
            raise RequestError("its resolutions are out of range")
        furthest = max(abs(math.log(side / self.base)) for side in (self.least, self.most))
        if abs(self.slope) * furthest + abs(self.curvature) * furthest**2 > _STRONGEST or self.error < 0:
            raise RequestError("its effect of the resolution is out of range")

    def factor(self, side: float) -> float:
        """The factor of the error rate; beyond the fitted resolutions that of the nearest one."""
        x = math.log(min(max(side, self.least), self.most) / self.base)
        return math.exp(self.slope * x + self.curvature * x**2)

    def value(self, accuracy: Any, side: float) -> Any:
        """The accuracy at a resolution of networks with this accuracy at the base, in percent."""
        return accuracy if side == self.base else 100 - (100 - accuracy) * self.factor(side)

    def at_base(self, accuracy: Any, side: float) -> Any:
        """The accuracy at the base of networks with this accuracy at a resolution; the inverse of `value`."""
        return accuracy if side == self.base else 100 - (100 - accuracy) / self.factor(side)

    def half(self, half: Any, accuracy: Any, side: float) -> Any:
        """The half-width of the 90% interval at a resolution.

        Args:
            half: The half-width at the base.
            accuracy: The accuracy at the resolution.
            side: The resolution.
        """
        if side == self.base:
            return half
        return np.hypot(half * self.factor(side), _HALF * self.error * (100 - accuracy))

    def rebased(self, base: int) -> ResolutionEffect:
        """The same effect relative to another resolution."""
        moved = math.log(base / self.base)
        return replace(self, base=base, slope=float(f"{self.slope + 2 * self.curvature * moved:.6g}"))

    def covers(self, side: float) -> bool:
        """Whether a resolution lies in the range of the fit."""
        return self.least <= side <= self.most


TF_SLIM: Final = ResolutionEffect(
    base=224,
    least=96,
    most=224,
    slope=-0.304587,
    curvature=0.104545,
    error=0.0125778,
    source="TF-slim's 22 MobileNetV2s, ImageNet",
)
"""Fitted by `results/published/resolution.py` to networks of one recipe at widths 0.35 to 1.4."""

KNOWN: Final[Mapping[str, ResolutionEffect]] = {"tfslim": TF_SLIM}
"""Effects of the package by name."""
