"""DenseNet cells for small images: three cells with random concatenation-type skips, as in the NN-Mass paper.

Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780; DenseNet: Huang et al., CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from search_spaces.blocks import DenseCell, dense_layers, useful_links
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.cost import Column
from search_spaces.layers import BatchNorm, Conv, Linear, Part, Repeat, Uncounted, conv_norm, halved
from search_spaces.registry import register
from search_spaces.space import Space
from search_spaces.spec import choice, constant

CHANNELS = (16, 32, 64)
"""Channels per layer of each cell at width multiplier 1."""


def operation(op: Column, channels_in: Column, width: Column, side: int, stride: int = 1) -> tuple[Part, ...]:
    """The operation of a layer: a 3x3 convolution, or 1x1 to `width`, 3x3 depthwise, 1x1, with batch norms.

    Args:
        op: "conv3x3" or "depthwise".
        side: Side of the input, in pixels.
    """
    out = halved(side) if stride == 2 else side
    separable = (
        *(*conv_norm(channels_in, width, 1, side), Uncounted("ReLU")),
        *(*conv_norm(width, width, 3, out, stride, depthwise=True), Uncounted("ReLU")),
        *conv_norm(width, width, 1, out),
    )
    return (
        Repeat(np.equal(op, "conv3x3"), (Conv(channels_in, width, 3, out, stride),)),
        Repeat(np.equal(op, "depthwise"), separable),
    )


@dataclass(frozen=True)
class DenseNet(ChainArchitecture):
    """Three DenseNet cells at full, half and quarter resolution.

    Attributes:
        width_mult: Width multiplier; the cells have 16, 32 and 64 times as many channels per layer.
        depths: Layers per cell.
        links: Link budget of each cell: channels that a layer may read from layers before the previous one.
        op: Kind of layer, "conv3x3" or "depthwise".
        resolution: Side of the input, in pixels; at least 5, as the last pooling needs 2x2 pixels.
        num_classes: Number of outputs.

    >>> str(DenseNet(links=(10, 20, 40), op="depthwise"))
    'densenet:k2_d13-13-13_t10-20-40_depthwise'
    """

    family: ClassVar[str] = "densenet"

    width_mult: int = choice(2, "k", most=100)
    depths: tuple[int, ...] = choice((13, 13, 13), "d", item="depth", most=1000)
    links: tuple[int, ...] = choice((40, 80, 125), "t", item="links", least=0)
    op: str = choice("conv3x3", words=("conv3x3", "depthwise"))
    resolution: int = choice(32, "r", constant=True, terse=True, least=5, most=4096)
    num_classes: int = constant(10, "c")

    def chain(self) -> Chain:
        """The stages; the state between cells is the width multiplier and the kind of layer."""

        def cell(index: int) -> Stage:
            def shared_state(entering: Values, chosen: Values) -> Values:
                return entering or {name: chosen[name] for name in ("width_mult", "op")}

            def canonical(entering: Values, chosen: Values) -> Values:
                width = CHANNELS[index] * shared_state(entering, chosen)["width_mult"]
                useful = useful_links(width, chosen[f"depth_{index + 1}"])
                return {**chosen, f"links_{index + 1}": np.minimum(chosen[f"links_{index + 1}"], useful)}

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                state = shared_state(entering, chosen)
                width = CHANNELS[index] * state["width_mult"]
                depth, links = chosen[f"depth_{index + 1}"], chosen[f"links_{index + 1}"]
                side = halved(self.resolution, times=index)

                def layer(channels_in: Column) -> tuple[Part, ...]:
                    norm = (BatchNorm(channels_in, side), Uncounted("ReLU"))
                    return (*norm, *operation(state["op"], channels_in, width, side))

                first: tuple[Part, ...] = (Conv(3, width, 3, side),)
                if index > 0:
                    before = CHANNELS[index - 1] * state["width_mult"]
                    first = operation(
                        state["op"], before, width, halved(self.resolution, index - 1), stride=2
                    )
                dense = DenseCell(width, depth, first, dense_layers(width, depth, links, layer), seed=index)
                return (dense, BatchNorm(width, side), Uncounted("ReLU")), state

            shared = () if index else ("width_mult", "op")
            choices = (*shared, f"depth_{index + 1}", f"links_{index + 1}")
            return Stage(f"cell_{index + 1}", choices, describe, canonical)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            side = halved(self.resolution, times=2) // 2
            features = CHANNELS[-1] * entering["width_mult"] * side**2
            pool = Uncounted("AvgPool2d", 2, leaving=features)
            return (pool, Uncounted("Flatten"), Linear(features, self.num_classes)), {}

        return (*map(cell, range(3)), Stage("head", (), head))


register(
    Space(
        name="densenet",
        architecture=DenseNet,
        choices={
            "width_mult": (1, 2, 3),
            "op": ("conv3x3", "depthwise"),
            **{f"depth_{cell}": tuple(range(4, 21)) for cell in (1, 2, 3)},
            **{f"links_{cell}": tuple(range(0, 80 * 2**cell + 1, 5)) for cell in (1, 2, 3)},
        },
        base=("width_mult", "op"),
        baselines=("cells_13", "cells_13_depthwise"),
        references={
            "cells_13": DenseNet(),
            "cells_13_depthwise": DenseNet(op="depthwise"),
        },
    )
)
