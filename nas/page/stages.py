"""The stages of many networks, each distinct one once, since networks of a space share most of them."""

from __future__ import annotations

from typing import Any

import search_spaces
from search_spaces import Architecture, RequestError
from search_spaces.chain import ChainArchitecture, figures_of
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
        self._known: dict[Any, tuple[int, Any, Outline]] = {}

    def add(self, network: ChainArchitecture) -> tuple[int, ...]:
        """The numbers of the stages of a network, in order."""
        state: Any = {}
        outline = Outline.of_input(network.input_shape)
        values, own, found = network.choices(), (type(network), *network.constants().items()), []
        for place, stage in enumerate(network.chain()):
            chosen = {name: values[name] for name in stage.choices}
            key = (own, place, tuple(state.items()), tuple(chosen.items()))
            if key not in self._known:
                parts, after = stage.describe(state, chosen)
                seen = outlined(parts, Outline(outline.channels, outline.side))
                self._known[key] = (len(self.stages), after, seen)
                figures = figures_of(parts)
                self.stages.append(
                    {
                        "stage": stage.name,
                        "channels": seen.channels,
                        "side": seen.side,
                        "depth": len(seen.blocks),
                        "blocks": list(seen.blocks[:_BLOCKS]),
                        "nn_mass": float(figures.nn_mass),
                        "flops": int(figures.flops),
                        "macs": int(figures.macs),
                        "params": int(figures.params),
                    }
                )
            number, state, outline = self._known[key]
            found.append(number)
        return tuple(found)


def parsed(spec: str) -> Architecture | None:
    """The network of a spec; None if it is not valid."""
    try:
        return search_spaces.parse(spec)
    except RequestError:
        return None
