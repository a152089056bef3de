"""ResNets for ImageNet with basic or bottleneck blocks, narrow to wide.

Sources: He et al., "Deep Residual Learning", CVPR 2016; Zagoruyko and Komodakis, "Wide Residual Networks",
BMVC 2016. Bottlenecks put their stride in the 3x3 convolution, as torchvision does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from search_spaces.blocks import Residual
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.cost import Column
from search_spaces.layers import (
    BatchNorm,
    Conv,
    GlobalPool,
    Linear,
    MaxPool,
    Part,
    Repeat,
    Uncounted,
    conv_norm,
    halved,
)
from search_spaces.registry import register
from search_spaces.space import Space
from search_spaces.spec import choice, constant

STEM_CHANNELS = 64
PLANES = (64, 128, 256, 512)
"""Widths of the stages at a width_per_group of 64."""
BOTTLENECK_EXPANSION = 4


def residual(
    channels_in: Column, widths: Sequence[Column], body: Sequence[Part], side: int, stride: int
) -> Residual:
    """A block with a ReLU after the sum, and a 1x1 projection if it changes width or size.

    Args:
        widths: Output channels of each layer, as NN-Mass counts them.
        side: Side of the input, in pixels.
    """
    channels_out = widths[-1]
    changes = np.not_equal(channels_in, channels_out) | (stride != 1)
    out = halved(side) if stride == 2 else side
    shortcut = (Repeat(changes, conv_norm(channels_in, channels_out, 1, out, stride)),)
    return Residual(channels_in, widths, body, shortcut=shortcut, activation=(Uncounted("ReLU"),))


def basic_block(channels_in: Column, width: Column, side: int, stride: int) -> Residual:
    """Two 3x3 convolutions; `side` is the side of the input, in pixels."""
    out = halved(side) if stride == 2 else side
    body = (
        *conv_norm(channels_in, width, 3, out, stride),
        Uncounted("ReLU"),
        *conv_norm(width, width, 3, out),
    )
    return residual(channels_in, (width, width), body, side, stride)


def bottleneck(channels_in: Column, width: Column, channels_out: int, side: int, stride: int) -> Residual:
    """1x1 to the inner width, 3x3, 1x1 to the output; `side` is the side of the input, in pixels."""
    out = halved(side) if stride == 2 else side
    body = (
        *(*conv_norm(channels_in, width, 1, side), Uncounted("ReLU")),
        *(*conv_norm(width, width, 3, out, stride), Uncounted("ReLU")),
        *conv_norm(width, channels_out, 1, out),
    )
    return residual(channels_in, (width, width, channels_out), body, side, stride)


@dataclass(frozen=True)
class ResNet(ChainArchitecture):
    """A ResNet of four stages behind a 7x7 stem.

    Attributes:
        block: Kind of block, "basic" or "bottleneck".
        depths: Blocks per stage.
        width_per_group: 64 for ResNet. It scales a bottleneck's inner width, as in torchvision, and a basic
            block's output, as in wide ResNets.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.

    >>> str(ResNet(block="bottleneck", depths=(3, 4, 6, 3), width_per_group=128))
    'resnet:bottleneck_d3-4-6-3_w128'
    """

    family: ClassVar[str] = "resnet"

    block: str = choice("basic", words=("basic", "bottleneck"))
    depths: tuple[int, ...] = choice((2, 2, 2, 2), "d", item="depth", most=1000)
    width_per_group: int = choice(64, "w", most=10_000)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")

    def chain(self) -> Chain:
        """The stages; the state between stages is the kind of block and the width per group."""

        def widths(index: int, state: Values) -> tuple[Column, int]:
            """Inner width of stage `index`, and its output width with bottlenecks."""
            inner = np.maximum(PLANES[index] * state["width_per_group"] // 64, 1)
            return inner, PLANES[index] * BOTTLENECK_EXPANSION

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            convolution = Conv(3, STEM_CHANNELS, 7, halved(self.resolution), stride=2)
            norm = BatchNorm(STEM_CHANNELS, halved(self.resolution))
            pool = MaxPool(STEM_CHANNELS, halved(self.resolution, times=2))
            return (convolution, norm, Uncounted("ReLU"), pool), chosen

        def stage(index: int) -> Stage:
            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                basic = np.equal(entering["block"], "basic")
                bottlenecks = np.equal(entering["block"], "bottleneck")
                before, before_bottleneck = widths(index - 1, entering) if index else (STEM_CHANNELS,) * 2
                width, out = widths(index, entering)
                stride = 2 if index else 1
                side = halved(self.resolution, times=max(2, index + 1))
                rest = chosen[f"depth_{index + 1}"] - 1
                inner = halved(side) if stride == 2 else side
                parts = (
                    Repeat(basic, (basic_block(before, width, side, stride),)),
                    Repeat(basic * rest, (basic_block(width, width, inner, 1),)),
                    Repeat(bottlenecks, (bottleneck(before_bottleneck, width, out, side, stride),)),
                    Repeat(bottlenecks * rest, (bottleneck(out, width, out, inner, 1),)),
                )
                return parts, entering

            return Stage(f"stage_{index + 1}", (f"depth_{index + 1}",), describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            width, out = widths(3, entering)
            channels = np.where(np.equal(entering["block"], "basic"), width, out)[()]
            return (
                GlobalPool(channels, halved(self.resolution, times=5)),
                Linear(channels, self.num_classes),
            ), {}

        return (
            Stage("stem", ("block", "width_per_group"), stem),
            *map(stage, range(4)),
            Stage("head", (), head),
        )


register(
    Space(
        name="resnet",
        architecture=ResNet,
        choices={
            "block": ("basic", "bottleneck"),
            "width_per_group": tuple(range(32, 129, 16)),
            "depth_1": tuple(range(1, 5)),
            "depth_2": tuple(range(1, 9)),
            "depth_3": tuple(range(1, 37)),
            "depth_4": tuple(range(1, 5)),
        },
        base=("block", "width_per_group"),
        baselines=("resnet18", "resnet50"),
        references={
            "resnet18": ResNet(),
            "resnet34": ResNet(depths=(3, 4, 6, 3)),
            "resnet50": ResNet("bottleneck", (3, 4, 6, 3)),
            "resnet101": ResNet("bottleneck", (3, 4, 23, 3)),
            "resnet152": ResNet("bottleneck", (3, 8, 36, 3)),
            "wide_resnet50_2": ResNet("bottleneck", (3, 4, 6, 3), 128),
            "wide_resnet101_2": ResNet("bottleneck", (3, 4, 23, 3), 128),
        },
    )
)
