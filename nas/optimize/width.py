"""The base width that a search keeps, because NN-Mass compares networks of one base width and resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.bounds import COSTS, Bound
from nas.optimize import resolution
from nas.optimize.resolution import SOURCE
from nas.tables import PEAK
from search_spaces import Architecture, Space
from search_spaces.chain import ChainArchitecture
from search_spaces.cost import Figures
from search_spaces.space import RESOLUTION, Scaled


@dataclass(frozen=True)
class KeptWidth:
    """A base width, and why a search keeps it.

    Attributes:
        chosen: The baseline at this width.
        fits: Whether the baseline meets the caps; if not, it does at no width, and this one is the smallest.
    """

    chosen: Scaled
    fits: bool

    @property
    def baseline(self) -> Architecture:
        """The baseline at this width."""
        return self.chosen.network

    @property
    def written(self) -> str:
        """The width, as width_mult=1.1."""
        base = self.chosen.base
        if len(base) > 2:
            return f"widths {'-'.join(map(str, base.values()))}"
        return ", ".join(f"{name}={value}" for name, value in base.items())

    def sentence(self) -> str:
        """The width and the reason, in words."""
        if RESOLUTION in self.chosen.base:
            best = (
                f"at which {self.chosen.name} meets the budget with the best accuracy expected from {SOURCE}"
                if self.fits
                else f"the smallest of {self.chosen.name}, which exceeds the budget at all"
            )
            return f"Base width and resolution: {self.written}, {best}. NN-Mass compares no others."
        reason = (
            f"the largest at which {self.chosen.name} does not exceed the budget"
            if self.fits
            else f"the smallest of {self.chosen.name}, which exceeds the budget at every width"
        )
        return f"Base width: {self.written}, {reason}. --across-widths searches all widths."

    def as_json(self) -> dict[str, Any]:
        """The width as plain values."""
        return {"choices": dict(self.chosen.base), "baseline": str(self.baseline), "fits": self.fits}


def kept_width(space: Space, bounds: Sequence[Bound], element_bytes: int = 4) -> KeptWidth | None:
    """The largest base width at which a baseline of the space meets the caps, by FLOPs of the baseline.

    If there is none, the smallest base width. Where the resolution is a choice, it is kept with the width:
    the pair of the best expected accuracy of the baseline.

    Args:
        element_bytes: Bytes per element of a tensor, for a cap of peak memory.

    Returns:
        None without a cap on a cost or peak memory, without a baseline, if all choices of the base width are
        pinned, and if nothing is known of the baseline at one of the resolutions.

    >>> import search_spaces
    >>> from nas.bounds import parse_budget
    >>> kept = kept_width(search_spaces.get("mobilenet"), [parse_budget("flops", "400M")])
    >>> kept.written, str(kept.baseline), kept.fits
    ('width_mult=1.1', 'mobilenet:w1.1_d1-2-3-4-3-3-1', True)
    """
    caps = [bound for bound in bounds if bound.figure in (*COSTS, PEAK) and bound.most < float("inf")]
    if not caps or all(len(space.choices[name]) == 1 for name in space.base):
        return None
    if space.resolutions and not resolution.known(space):
        return None
    counted = [(scaled, scaled.network.figures()) for scaled in space.scaled_baselines()]
    by_size = sorted(counted, key=lambda pair: float(pair[1].flops))

    def meets(network: Architecture, figures: Figures, cap: Bound) -> bool:
        if cap.figure != PEAK:
            return bool(getattr(figures, cap.figure) <= cap.most)
        return isinstance(network, ChainArchitecture) and network.peak_memory(element_bytes) <= cap.most

    fitting = [
        scaled for scaled, figures in by_size if all(meets(scaled.network, figures, cap) for cap in caps)
    ]
    if fitting and space.resolutions:
        return KeptWidth(max(fitting, key=lambda scaled: resolution.accuracy(space, scaled)), fits=True)
    if fitting:
        return KeptWidth(fitting[-1], fits=True)
    return KeptWidth(by_size[0][0], fits=False) if by_size else None
