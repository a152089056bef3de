"""The stages of many networks, each distinct one once, since networks of a space share most of them."""

from __future__ import annotations

from typing import Any

import search_spaces
from search_spaces import Architecture, RequestError
from search_spaces.chain import ChainArchitecture, Described, KnownStages
from search_spaces.layers import outlined
from search_spaces.outline import Outline

_BLOCKS = 64
"""Blocks that a drawing shows of a stage, at most."""


class StageBook:
    """The distinct stages of networks.

    Attributes:
        stages: Each: stage (its name), channels, side, depth (number of blocks), blocks (the skip channels of
            the first ones), nn_mass, flops, macs and params.
    """

    def __init__(self) -> None:
        self.stages: list[dict[str, object]] = []
        self._chains: dict[Any, KnownStages] = {}
        self._known: dict[Described, tuple[int, Outline]] = {}

    def add(self, network: ChainArchitecture) -> tuple[int, ...]:
        """The numbers of the stages of a network, in order."""
        own = (type(network), *network.constants().items())
        if own not in self._chains:
            self._chains[own] = KnownStages(network.chain())
        outline, found = Outline.of_input(network.input_shape), []
        for stage in self._chains[own].of(network.choices()):
            if stage not in self._known:
                seen = outlined(stage.parts, Outline(outline.channels, outline.side))
                self._known[stage] = len(self.stages), seen
                self.stages.append(
                    {
                        "stage": stage.name,
                        "channels": seen.channels,
                        "side": seen.side,
                        "depth": len(seen.blocks),
                        "blocks": list(seen.blocks[:_BLOCKS]),
                        **stage.figures.numbers(),
                    }
                )
            number, outline = self._known[stage]
            found.append(number)
        return tuple(found)


def parsed(spec: str) -> Architecture | None:
    """The network of a spec; None if it is not valid."""
    try:
        return search_spaces.parse(spec)
    except RequestError:
        return None
