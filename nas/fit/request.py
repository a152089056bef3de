"""The request of a fit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from nas import proxies
from nas.columns import column, is_median
from nas.fit.fitting import Aim, fit
from nas.fit.resolution import effect
from nas.fit.table import Trained
from nas.fitted.resolution import ResolutionEffect
from nas.fitted.score import FittedScore
from nas.options import check, documented, option
from nas.values import MOST_SEED, Range
from search_spaces import RequestError
from search_spaces.errors import shown
from search_spaces.space import RESOLUTION
from search_spaces.spec import read_number

_LESS_IS_BETTER = re.compile(
    r"latency_\w+|(\w+_)?(latency|ms|seconds|time|loss|err|error|energy|memory|mb|flops|macs|params)",
    re.IGNORECASE,
)
"""Columns whose smaller values are better."""


@documented
@dataclass(frozen=True)
class FitRequest:
    """What to fit.

    Attributes:
        table: Name of a tabular benchmark, or path of a CSV or of the folder of a training or study.

    Raises:
        RequestError: A value is wrong.
    """

    table: str
    data: str | None = option(
        "published file or folder of a tabular benchmark, see docs/tabular.md", default=None, metavar="PATH"
    )
    space: str | None = option("space of the networks", default=None, usual="that of their family")
    target: str = option("column to predict", default="top1", metavar="COLUMN")
    unit: str | None = option("unit of the target, as ms", default=None, usual="by the column")
    less_is_better: bool | None = option(
        "smaller values of the target are better", default=None, usual="by the column"
    )
    calibration: str | None = option(
        "predict SLOPE x target + OFFSET, of standard error ERROR, as of a longer recipe",
        default=None,
        metavar="SLOPE,OFFSET,ERROR",
    )
    resolution_effect: str | None = option(
        "what the resolution of images does to an accuracy: tfslim, or a table of networks at several"
        " resolutions",
        default=None,
        metavar="NAME|TABLE",
    )
    seed: int = option("seed of the folds and splits", default=0, range=Range(0, MOST_SEED))

    def __post_init__(self) -> None:
        check(self)
        if self.calibration is not None:
            self._calibration(self.calibration)  # its errors come before the networks are read

    def trained(self) -> Trained:
        """The networks.

        Raises:
            RequestError: The table cannot be read, or its networks are not of one space.
        """
        data = None if self.data is None else Path(self.data)
        trained = Trained.read(self.table, data, self.target, self.space)
        if is_median(self.target):
            trained = trained.with_costs()
        return trained.calibrated(*self._calibration(self.calibration)) if self.calibration else trained

    def fitted(self, name: str, trained: Trained) -> FittedScore:
        """The score of that name, fitted to the networks.

        Raises:
            RequestError: The name is not allowed, or a fit is not possible.
        """
        aim = self.aim(name)
        _check_unit(trained, aim)
        resolution = self._effect(trained, aim)  # its errors come before the fit, which takes long
        return replace(fit(trained, aim, self.seed), resolution=resolution)

    def _effect(self, trained: Trained, aim: Aim) -> ResolutionEffect | None:
        if self.resolution_effect is None:
            return None
        if aim.unit != "%" or RESOLUTION not in trained.constants:
            raise RequestError(
                f"--resolution-effect {shown(self.resolution_effect)} is of accuracies in percent, of"
                f" networks for images; {self.target} is in {aim.unit or 'no unit'}, of networks of"
                f" {trained.space.name}"
            )
        return effect(self.resolution_effect, self.target, int(trained.constants[RESOLUTION]))

    @staticmethod
    def _calibration(text: str) -> tuple[float, float, float]:
        try:
            slope, offset, error = (read_number(float, part) for part in text.split(","))
        except ValueError:
            slope = offset = error = math.nan
        if not (slope > 0 and math.isfinite(slope + offset) and 0 <= error < math.inf):
            raise RequestError(
                f"--calibration {shown(text)}: expected a positive SLOPE, an OFFSET and an ERROR, as"
                " 0.909,12.7,0.41"
            )
        return slope, offset, error

    def aim(self, name: str) -> Aim:
        """What the score of that name predicts.

        Raises:
            RequestError: The name is not allowed.
        """
        proxies.check_new_name(name)
        for flag, text in (("--target", self.target), ("--unit", self.unit or "")):
            if not text.isprintable():
                raise RequestError(f"{flag} {shown(text)}: expected characters that can be printed")
        less = self.less_is_better
        if less is None:
            less = bool(_LESS_IS_BETTER.fullmatch(self.target)) or is_median(self.target)
        unit = self.unit if self.unit is not None else self._unit()
        return Aim(name, self.target, unit, not less, relative=less and unit == "ms")

    def _unit(self) -> str:
        if self.target.startswith("throughput_"):
            return "images/s"
        if self.target.startswith("latency_") or self.target.endswith("_ms") or is_median(self.target):
            return "ms"
        return column(self.target).unit


def _check_unit(trained: Trained, aim: Aim) -> None:
    """Check that values are possible in their unit.

    Raises:
        RequestError: They are not: fractions instead of percent, or times of 0 or less.
    """
    least, most = float(trained.target.min()), float(trained.target.max())
    ends = f"{trained.source}: {aim.target} is from {least:g} to {most:g}"
    if aim.unit == "%" and not 1 < most <= 100:
        way = "multiply fractions by 100" if 0 < most <= 1 else "choose the column of accuracies by --target"
        raise RequestError(f"{ends}, expected percent; {way}, or give the unit, as --unit points")
    if aim.unit == "ms" and least <= 0:
        raise RequestError(
            f"{ends}, expected milliseconds above 0; correct the table, or give another --unit"
        )
