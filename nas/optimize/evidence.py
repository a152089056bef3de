"""The evidence on the network that a search ranks first, one sentence for each kind of request.

The numbers are those of results/README.md, which has their intervals and commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from nas.bounds import Bound
from nas.optimize.width import KeptWidth
from search_spaces import Space
from search_spaces.space import RESOLUTION

PILOT = {"pilot/equal-cost": -8.2, "pilot/equal-cost-400M": -5.4}
"""Points of top-1 between the largest NN-Mass over all widths and MobileNetV2, by study in `results/`."""
_SMALL = 64
"""Images of at most this many pixels a side count as small."""
_IMAGENET = {
    "mobilenet": "on ImageNet, at 300M to 500M FLOPs, the first by NN-Mass is better than 88% [83, 93] of"
    " networks of equal FLOPs of one width (accuracies predicted by a model with R² 0.98); in short trainings"
    " on CIFAR-10 it was no worse than MobileNetV2",
    "mobilenet-wide": "NN-Mass does not see expansions; with expansions of at least 4 on ImageNet, at 350M to"
    " 500M FLOPs, its first network with a skip connection in every stage, as here, is better than"
    " 81% [59, 91] of networks of equal FLOPs",
    "mbconv": "on ImageNet, at 250M to 500M FLOPs, the first by NN-Mass is better than 84% [75, 91] of"
    " networks of equal FLOPs; by --score root_params 96% [94, 98]",
    "mobilenetv3": "on ImageNet, with the shared weights of a supernet, at 183M to 424M FLOPs, the first by"
    " NN-Mass is better than 82% [68, 86] of subnets of equal FLOPs of width 1.0",
    "resnet": "thin; of 38 pairs of published ResNets NN-Mass orders 35 right, parameters 34",
    "mlp": "mixed; the first by NN-Mass beats a random choice clearly in three of five studies of MLPs",
    "densenet": "thin; among cells trained on CIFAR-10 the first by NN-Mass is 0.66 points below the best, a"
    " random choice 0.76",
}
_OF_IMAGES = ("mobilenet", "mobilenet-wide", "mbconv", "mobilenetv3")
"""Spaces whose evidence is on ImageNet."""


class _Range(NamedTuple):
    """Budgets up to `most` FLOPs, at which images of `side` pixels are better than of 224.

    `gain` is in points of top-1, between MobileNetV2s at equal FLOPs (results/published, TF-slim).
    """

    most: float
    side: int
    gain: str


_SMALLER_IMAGES = (
    _Range(30e6, 96, ""),
    _Range(55e6, 128, ""),
    _Range(75e6, 160, "1.7 to 2.1"),
    _Range(160e6, 192, "0.5 to 1.7"),
    _Range(231e6, 192, "0.6 to 0.7"),
)
"""Without a gain, MobileNetV2 fits at no width with 224 pixels."""


def smaller_images(space: Space, bounds: Sequence[Bound]) -> str | None:
    """Advice on the resolution for a small budget of FLOPs, if the space is MobileNetV2's at 224 pixels.

    None for a budget that no network meets at the smaller resolution either.

    >>> import search_spaces
    >>> from nas.bounds import parse_budget
    >>> smaller_images(search_spaces.get("mobilenet"), [parse_budget("flops", "200M")])[:57]
    'At this budget smaller images are better on ImageNet: Mob'
    >>> smaller_images(search_spaces.get("mobilenet"), [parse_budget("flops", "1K")])
    """
    caps = [bound.most for bound in bounds if bound.figure == "flops"]
    if space.name not in ("mobilenet", "mobilenet-wide") or _side(space) != 224 or not caps:
        return None
    for most, side, gain in _SMALLER_IMAGES:
        if caps[0] <= most:
            smallest = replace(space.first, **{RESOLUTION: side})
            if smallest.figures().flops > caps[0]:
                return None
            gains = (
                f"MobileNetV2 gains {gain} points at equal FLOPs"
                if gain
                else "at 224 pixels MobileNetV2 fits at no width"
            )
            return (
                f"At this budget smaller images are better on ImageNet: {gains}. Add --fix resolution={side}"
                " (results/published)."
            )
    return None


def evidence(space: Space, width: KeptWidth | None) -> str:
    """What is known of the network of the largest NN-Mass that a search finds.

    Args:
        space: The space of the search, with its pinned choices and constants.
        width: The base width that the search keeps, if it keeps one.

    >>> import search_spaces
    >>> evidence(search_spaces.get("mobilenet"), None)[:71]
    'Evidence: against it. NN-Mass promises nothing across base widths: over'
    """
    return f"Evidence: {_known(space, width)} (results/README.md)."


def _known(space: Space, width: KeptWidth | None) -> str:
    one_width = width is not None or all(len(space.choices[name]) == 1 for name in space.base)
    if not one_width:
        least, most = sorted(-margin for margin in PILOT.values())
        return (
            "against it. NN-Mass promises nothing across base widths: over all widths of mobilenet, its first"
            f" network scored {least:.0f} to {most:.0f} points below MobileNetV2 in pilot runs"
        )
    if space.name in _OF_IMAGES and _side(space) <= _SMALL:
        return (
            "against it. On small images NN-Mass misleads at equal FLOPs: rho -0.44 [-0.45, -0.41] over 6,561"
            " networks on CIFAR-10"
        )
    return _IMAGENET.get(space.name, "none for this space")


def _side(space: Space) -> int:
    """Side of the input, in pixels."""
    constants = space.architecture(**space.constants).constants()
    return int(constants.get("resolution", 0))
