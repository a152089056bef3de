"""A score fitted to trained networks: its terms, link, range and quality, and the JSON file that holds them.

A term is a product of functions of choices: of one stage, or of neighbouring stages. A file holds numbers and
names alone, and nothing in it can run.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from nas.files import read_whole, reason
from nas.fitted.link import Link
from nas.fitted.resolution import ResolutionEffect
from nas.fitted.terms import Basis, Choice, Interaction
from nas.schema import Stored
from search_spaces import Architecture, RequestError
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import did_you_mean, listed, shown
from search_spaces.space import RESOLUTION

FORMAT = 1
"""Version of the files."""
SUFFIX = ".json"
"""How the name of a file ends."""
_LARGEST = 1 << 24
"""Bytes of the largest file."""
_CHANCE = 2.6
"""Least rank correlation of a useful score, in standard deviations of that of noise.

The same networks choose the terms: of 90 fits to noise of 16 to 48 networks 7 exceed the usual 1.6, 1 this.
"""
_RESERVED = frozenset(("arch", "flops", "found", "front", "macs", "name", "nn_mass", "params", "rank"))
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")


def side_of(network: Architecture) -> int | None:
    """Side of the images of a network, in pixels; None if it has no images."""
    side = network.constants().get(RESOLUTION)
    return None if side is None else int(side)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def check_name(name: str) -> None:
    """Check the name of a score.

    Raises:
        RequestError: It is not allowed.
    """
    if name in _RESERVED:
        raise RequestError(f"the name of a score is {name}, as of a column of every table; choose another")
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"the name of a score is {shown(name)}, expected a letter and up to 39 letters, digits, . _ or -"
        )


@dataclass(frozen=True)
class Quality(Stored):
    """The quality of a fit on held-out networks, by k-fold cross-validation.

    Attributes:
        folds: Number of folds.
        r2: Fraction of the variance that is explained.
        rmse: Root mean squared error, in units of the target.
        rho: Spearman's rank correlation.
        equal_flops: Mean rank correlation in bands of nearly equal FLOPs; None for too few networks.
        coverage: Fraction of networks whose 90% interval contains their value.
    """

    folds: int
    r2: float
    rmse: float
    rho: float
    equal_flops: float | None
    coverage: float


@dataclass(frozen=True)
class Interval(Stored):
    """The half-width of the 90% interval of a predicted value, in units of the target."""

    value: float
    half: float


@dataclass(frozen=True)
class Excess(Stored):
    """The median overestimation of the networks chosen as the best under a cap, by their predicted value."""

    value: float
    excess: float


@dataclass(frozen=True)
class FittedScore(Stored):
    """A score fitted to trained networks.

    Attributes:
        format: Version of the file.
        name: Name of the score, and of its column.
        family: Family of the networks.
        target: Name of the value that it predicts.
        unit: Unit of the value, as "%" or "ms"; may be empty.
        more_is_better: Whether larger values are better.
        link: From sums to values.
        bits: Sums are whole numbers of units of 2^-bits.
        intercept: The sum of a network whose functions are all 0.
        bases: The functions of each choice.
        interactions: The terms.
        intervals: Half-widths of 90% intervals by predicted value, between which they are interpolated.
        optimism: Overestimation of the networks that are chosen as the best under a budget, by predicted
            value, between which it is interpolated.
        networks: Number of networks of the fit.
        terms: Which terms, in words.
        quality: Quality on held-out networks; None if it was not measured.
        constants: Values of choices and constants that the networks of the fit have in common.
        source: Where the networks come from.
        versions: Versions of Python and packages.
        resolution: What the resolution of images does to the value; None if the score is of one resolution.
    """

    format: int
    name: str
    family: str
    target: str
    unit: str
    more_is_better: bool
    link: Link
    bits: int
    intercept: float
    bases: tuple[Basis, ...]
    interactions: tuple[Interaction, ...]
    intervals: tuple[Interval, ...]
    optimism: tuple[Excess, ...]
    networks: int
    terms: str
    constants: Mapping[str, Choice]
    source: str
    versions: Mapping[str, str] = field(default_factory=dict)
    quality: Quality | None = None
    resolution: ResolutionEffect | None = None

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise RequestError(f"its format is {self.format}, expected {FORMAT}; fit it again")
        check_name(self.name)
        if not -1000 <= self.bits <= 1000:
            raise RequestError("its precision is out of range")
        for steps in (self.intervals, self.optimism):
            values = [one.value for one in steps]
            if values != sorted(values):
                raise RequestError("its intervals or its optimism are not in the order of their values")
        if any(one.half < 0 for one in self.intervals) or any(one.excess < 0 for one in self.optimism):
            raise RequestError("its intervals or its optimism are negative")
        if not all(map(str.isprintable, (self.family, self.target, self.unit, self.terms, self.source))):
            raise RequestError("its texts have characters that cannot be printed")
        known = {basis.choice: len(basis.polynomials) for basis in self.bases}
        for term in self.interactions:
            if not set(term.choices) <= set(known) or len(set(term.choices)) < len(term.choices):
                raise RequestError(f"its terms of {listed(term.choices)} have no basis")
            if math.prod(known[name] for name in term.choices) != len(term.coefficients):
                raise RequestError(f"its terms of {listed(term.choices)} have a wrong number of coefficients")

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of any version, converted to this version; the first had one number for the optimism."""
        found = super().upgraded(values)
        if isinstance(one := found.get("optimism"), float):
            return {**found, "optimism": [{"value": 0.0, "excess": one}]}
        return found

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            RequestError: It cannot be read, or is no score.
        """
        try:
            content = read_whole(path)
        except FileNotFoundError:
            raise RequestError(
                f"{path}: there is no such file; make one with nas fit or nas latency measure"
            ) from None
        except OSError as error:
            raise RequestError(f"cannot read {path}: {reason(error)}") from None
        return cls.parsed(content, str(path))

    @classmethod
    def parsed(cls, content: bytes, where: str) -> Self:
        """A score from the content of a file.

        Args:
            where: Name of the file, for messages.

        Raises:
            RequestError: It is no score.
        """
        try:
            if len(content) > _LARGEST:
                raise ValueError
            values = json.loads(content)
        except (ValueError, RecursionError):
            raise RequestError(f"{where} is not a score: it is not JSON; make one with nas fit") from None
        if not isinstance(values, dict):
            raise RequestError(f"{where} is not a score of nas fit: it is {shown(values)}, expected fields")
        try:
            return cls.of_json(values)
        except (TypeError, RequestError) as error:
            raise RequestError(f"{where} is not a score of nas fit: {error}") from None

    def written(self) -> str:
        """The content of its file, one line per field."""
        values = {name: value for name, value in self.as_json().items() if value is not None}
        lines = (f"{_compact(name)}:{_compact(value)}" for name, value in values.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @cached_property
    def basis_of(self) -> Mapping[str, Basis]:
        """The basis of each choice, by name."""
        return {basis.choice: basis for basis in self.bases}

    @property
    def useful(self) -> bool:
        """Whether it is known to predict better than the mean does, and to rank better than chance."""
        if (found := self.quality) is None or found.r2 <= 0:
            return False
        return found.rho * math.sqrt(self.networks - 1) > _CHANCE

    def check_family(self, architecture: type[Architecture]) -> None:
        """Check that it is a score of networks of this family, and of choices that they have.

        Raises:
            RequestError: It is not.
        """
        if architecture.family != self.family:
            raise RequestError(
                f"score {self.name} is fitted to networks of {self.family}; it has no value for"
                f" {architecture.family}"
            )
        known = architecture()
        choices = {**known.choices(), **known.constants()}
        for basis in self.bases:
            if basis.choice not in choices:
                hint = did_you_mean(basis.choice, choices)
                raise RequestError(
                    f"--score {self.name} has terms of {shown(basis.choice)}, which no network of"
                    f" {self.family} has{hint}; make it again with nas fit"
                )

    @property
    def identity(self) -> int:
        """A number that differs for different scores."""
        return zlib.crc32(self.written().encode())

    def sentence(self, objective: bool) -> str:
        """What it predicts and how well, in words.

        Args:
            objective: Whether networks are ranked by it.
        """
        unit = f" in {self.unit}" if self.unit else ""
        text = f"{self.name}: {self.target}{unit}, fitted to {self.networks:,} networks ({self.source})"
        if (found := self.quality) is None:
            return f"{text}."
        if not objective:
            return f"{text}; on held-out networks the error is {found.rmse:.3g}{self.unit_of_errors}."
        within = "" if found.equal_flops is None else f", {found.equal_flops:.2f} at equal FLOPs"
        return (
            f"{text}. On held-out networks: R² {found.r2:.3f}, rank correlation {found.rho:.2f}{within}; ± is"
            f" the half-width of the 90% interval. Values of ranked rows are corrected by"
            f" {self.optimism_text()}, the median by which chosen networks are worse than predicted; those of"
            " named networks, which nobody chose by it, are not."
            f"{self._of_resolution()}"
        )

    def optimism_text(self) -> str:
        """The range of the optimism, from low to high predicted values."""
        if len(self.optimism) < 2:
            return f"{self.optimism[0].excess if self.optimism else 0:.2g}{self.unit_of_errors}"
        ends = (self.optimism[0], self.optimism[-1])
        texts = [f"{one.excess:.2g}{self.unit_of_errors} at {one.value:.3g}" for one in ends]
        return " to ".join(dict.fromkeys(texts))

    @property
    def unit_of_errors(self) -> str:
        """The unit of a difference of two values, to be written behind a number."""
        return " points" if self.unit == "%" else f" {self.unit}" if self.unit else ""

    def _of_resolution(self) -> str:
        """Where the effect of the resolution comes from, in words; empty if there is none."""
        if (effect := self.resolution) is None:
            return ""
        return (
            f" The effect of the resolution is that of {effect.source}, at {effect.least} to {effect.most}"
            " pixels, a factor of the error rate; it is not measured on these networks."
        )

    def half(self, values: Any) -> Any:
        """Half-widths of the 90% intervals of predicted values; nan if they were not measured.

        Args:
            values: Values at the resolution of the fit.
        """
        if not self.intervals:
            return np.full(np.shape(values), np.nan)
        halves = np.interp(
            values, [one.value for one in self.intervals], [one.half for one in self.intervals]
        )
        return np.where(np.isnan(values), np.nan, halves)[()]  # of a single interval NumPy knows it anyway

    def sees(self, name: str) -> bool:
        """Whether the value depends on a choice or constant of this name."""
        return name in self.basis_of or (name == RESOLUTION and self.resolution is not None)

    def at(self, values: Any, side: float | None) -> Any:
        """Values at a resolution of networks with these values at the resolution of the fit."""
        return self.resolution.value(values, side) if self.resolution and side else values

    def at_base(self, values: Any, side: float | None) -> Any:
        """The inverse of `at`."""
        return self.resolution.at_base(values, side) if self.resolution and side else values

    def excess(self, values: Any) -> Any:
        """By how much chosen networks of these predicted values are worse, at the resolution of the fit."""
        if not self.optimism:
            return np.zeros(np.shape(values))
        return np.interp(values, [one.value for one in self.optimism], [one.excess for one in self.optimism])

    def _expected(self, value: float, side: float | None) -> float:
        """The predicted value of a chosen network at a resolution, without the overestimation."""
        base = self.at_base(value, side)
        excess = float(self.excess(base))
        return float(self.at(base - excess if self.more_is_better else base + excess, side))

    def _half_at(self, value: float, side: float | None) -> float:
        """The half-width of the 90% interval of a value at a resolution."""
        half = float(self.half(self.at_base(value, side)))
        return float(self.resolution.half(half, value, side)) if self.resolution and side else half

    def columns(
        self, values: Any, networks: Iterable[Architecture], objective: bool, chosen: bool
    ) -> dict[str, Any]:
        """Columns that tables show beside predicted values.

        Args:
            values: The predicted values, one per network.
            networks: The networks.
            objective: Whether the table is sorted by the score.
            chosen: Whether the networks are chosen by the score, which overestimates such networks.

        Returns:
            By the name of the score and an ending: `_expected`, for an objective, the values without the
            overestimation of chosen networks; `_half`, half-widths of 90% intervals; `_outside`, where a
            network lies outside the range of the fit, in words.
        """
        networks = list(networks)
        sides = [side_of(network) for network in networks]
        known = list(zip(np.asarray(values, float).tolist(), sides, strict=True))
        expected = np.array([self._expected(value, side) if chosen else value for value, side in known])
        return {
            **({f"{self.name}_expected": expected} if objective else {}),
            f"{self.name}_half": np.array([self._half_at(value, side) for value, side in known]),
            f"{self.name}_outside": [self.outside(network) for network in networks],
        }

    def outside(self, architecture: Architecture) -> str:
        """Where a network lies outside the range of the fit, in words; empty if it lies inside."""
        if not isinstance(architecture, ChainArchitecture) or architecture.family != self.family:
            return ""
        values = {**architecture.choices(), **architecture.constants()}
        found = [
            f"{basis.choice}={values[basis.choice]} (fitted on {basis.range_text()})"
            for basis in self.bases
            if basis.choice in values and not basis.covers(values[basis.choice])
        ]
        found += [
            f"{name}={values[name]} (fitted on {value})"
            for name, value in self.constants.items()
            if name in values and values[name] != value and not self.sees(name)
        ]
        if (effect := self.resolution) and (side := side_of(architecture)) and not effect.covers(side):
            found.append(f"{RESOLUTION}={side} (fitted on {effect.least} to {effect.most})")
        return "; ".join(found)
