"""The MobileNetV2 family: inverted residuals with one width multiplier, or with one width per stage.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from search_spaces.blocks import Residual
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.cost import Column
from search_spaces.layers import (
    GlobalPool,
    Linear,
    Part,
    Repeat,
    Uncounted,
    conv_norm,
    halved,
    round_channels,
)
from search_spaces.registry import register
from search_spaces.space import Space
from search_spaces.spec import choice, constant

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CHANNELS = (16, 24, 32, 64, 96, 160, 320)
"""Output channels of MobileNetV2's stages."""
STRIDES = (1, 2, 2, 2, 1, 2, 1)
DEPTHS = (1, 2, 3, 4, 3, 3, 1)
EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)


def inverted_residual(
    channels_in: Column,
    channels_out: Column,
    expansion: Column,
    side: int,
    stride: int,
    kernel: Column = 3,
    activation: str = "ReLU6",
    scaling: Sequence[Part] = (),
) -> Residual:
    """1x1 to the hidden width, depthwise, 1x1 to the output; an expansion of 1 omits the first.

    Args:
        side: Side of the block's input, in pixels.
        kernel: Side of the depthwise kernel.
        activation: Name in `torch.nn` of the activations.
        scaling: Parts after the depthwise convolution, such as squeeze-and-excitation.
    """
    hidden = channels_in * expansion
    out = halved(side) if stride == 2 else side
    activated = Uncounted(activation)
    return Residual(
        entering=channels_in,
        widths=(hidden, hidden, channels_out),
        body=(
            Repeat(np.not_equal(expansion, 1), (*conv_norm(channels_in, hidden, 1, side), activated)),
            *conv_norm(hidden, hidden, kernel, out, stride, depthwise=True),
            activated,
            *scaling,
            *conv_norm(hidden, channels_out, 1, out),
        ),
        skips=np.equal(channels_in, channels_out) & (stride == 1),
    )


def stage_parts(
    index: int, channels_in: Column, channels_out: Column, chosen: Values, side: int
) -> list[Part]:
    """Stage `index` (0 to 6): one block that changes width and size, then blocks that keep them.

    Args:
        side: Side of the stem's output, in pixels.
    """
    depth, expansion = chosen[f"depth_{index + 1}"], chosen[f"expansion_{index + 1}"]
    side = halved(side, times=STRIDES[:index].count(2))
    out = halved(side) if STRIDES[index] == 2 else side
    return [
        inverted_residual(channels_in, channels_out, expansion, side, STRIDES[index]),
        Repeat(depth - 1, (inverted_residual(channels_out, channels_out, expansion, out, 1),)),
    ]


def stem_side(resolution: int, stride: int) -> int:
    """Side of the stem's output, in pixels."""
    return halved(resolution) if stride == 2 else resolution


def stem_parts(channels: Column, side: int, stride: int, activation: str = "ReLU6") -> list[Part]:
    """A 3x3 convolution on the image, with an output of `side` x `side` pixels."""
    return [*conv_norm(3, channels, 3, side, stride), Uncounted(activation)]


def head_parts(
    channels_in: Column, channels: Column, side: int, num_classes: int, activation: str = "ReLU6"
) -> list[Part]:
    """A 1x1 convolution, global average pooling, dropout and the classifier.

    Args:
        side: Side of the stem's output, in pixels.
    """
    side = halved(side, times=STRIDES.count(2))
    return [
        *conv_norm(channels_in, channels, 1, side),
        Uncounted(activation),
        GlobalPool(channels, side),
        Uncounted("Dropout", 0.2),
        Linear(channels, num_classes),
    ]


@dataclass(frozen=True)
class MobileNet(ChainArchitecture):
    """A MobileNetV2 with one width multiplier.

    Stem and stages scale with it and round to multiples of 8; the head scales only above 1.

    Attributes:
        width_mult: Width multiplier.
        depths: Blocks per stage.
        expansions: Hidden width divided by input width, per stage.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        stem_stride: Stride of the stem, 1 or 2; use 1 for small images.

    >>> str(MobileNet(width_mult=0.6, depths=(2, 3, 4, 5, 4, 3, 1)))
    'mobilenet:w0.6_d2-3-4-5-4-3-1'
    """

    family: ClassVar[str] = "mobilenet"

    width_mult: float = choice(1.0, "w", least=0.01, most=100)
    depths: tuple[int, ...] = choice(DEPTHS, "d", item="depth", most=1000)
    expansions: tuple[int, ...] = choice(EXPANSIONS, "e", item="expansion", most=100, terse=True)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    stem_stride: int = constant(2, "s", most=2)

    def chain(self) -> Chain:
        """The stages; the state between stages is the width multiplier."""
        side = stem_side(self.resolution, self.stem_stride)

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            channels = round_channels(STEM_CHANNELS * chosen["width_mult"])
            return stem_parts(channels, side, self.stem_stride), chosen

        def stage(index: int) -> Stage:
            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                before = CHANNELS[index - 1] if index else STEM_CHANNELS
                channels_in = round_channels(before * entering["width_mult"])
                channels_out = round_channels(CHANNELS[index] * entering["width_mult"])
                return stage_parts(index, channels_in, channels_out, chosen, side), entering

            return Stage(f"stage_{index + 1}", (f"depth_{index + 1}", f"expansion_{index + 1}"), describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            width_mult = entering["width_mult"]
            channels = round_channels(HEAD_CHANNELS * np.maximum(1.0, width_mult))
            channels_in = round_channels(CHANNELS[-1] * width_mult)
            return head_parts(channels_in, channels, side, self.num_classes), {}

        return (Stage("stem", ("width_mult",), stem), *map(stage, range(7)), Stage("head", (), head))


@dataclass(frozen=True)
class MobileNetWide(ChainArchitecture):
    """A MobileNetV2 with a separate width, depth and expansion for each stage.

    Attributes:
        widths: Output channels per stage.
        depths: Blocks per stage.
        expansions: Hidden width divided by input width, per stage.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        stem_stride: Stride of the stem, 1 or 2; use 1 for small images.
    """

    family: ClassVar[str] = "mobilenet-wide"

    widths: tuple[int, ...] = choice(CHANNELS, "w", item="width", most=10_000)
    depths: tuple[int, ...] = choice(DEPTHS, "d", item="depth", most=1000)
    expansions: tuple[int, ...] = choice(EXPANSIONS, "e", item="expansion", most=100)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    stem_stride: int = constant(2, "s", most=2)

    def chain(self) -> Chain:
        """The stages; the state between stages is the output width of the previous stage."""
        side = stem_side(self.resolution, self.stem_stride)

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return stem_parts(STEM_CHANNELS, side, self.stem_stride), {"channels": STEM_CHANNELS}

        def stage(index: int) -> Stage:
            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                channels = chosen[f"width_{index + 1}"]
                parts = stage_parts(index, entering["channels"], channels, chosen, side)
                return parts, {"channels": channels}

            names = tuple(f"{item}_{index + 1}" for item in ("width", "depth", "expansion"))
            return Stage(f"stage_{index + 1}", names, describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return head_parts(entering["channels"], HEAD_CHANNELS, side, self.num_classes), {}

        return (Stage("stem", (), stem), *map(stage, range(7)), Stage("head", (), head))


def _multiples_of_8(low: float, high: float) -> tuple[int, ...]:
    """Multiples of 8 from `low` to `high`, both rounded down to a multiple, at least 8."""
    return tuple(range(max(8, int(low) // 8 * 8), int(high) // 8 * 8 + 1, 8))


def _multiplied(width_mult: float) -> dict[str, int]:
    """MobileNetV2's widths with a width multiplier."""
    return {
        f"width_{i}": int(round_channels(channels * width_mult)) for i, channels in enumerate(CHANNELS, 1)
    }


_PAPER_DEPTHS = (2, 3, 4, 5, 4, 3, 1)
_LEAST_DEPTHS = tuple(min(depth, 2) for depth in DEPTHS)
"""A second block, and therefore a skip connection, in every stage in which MobileNetV2 has one."""


def _depths(most: Callable[[int], int]) -> dict[str, tuple[int, ...]]:
    """Options of the depth of each stage, up to a function of MobileNetV2's."""
    return {
        f"depth_{stage}": tuple(range(least, most(depth) + 1))
        for stage, (least, depth) in enumerate(zip(_LEAST_DEPTHS, DEPTHS, strict=True), 1)
    }


register(
    Space(
        name="mobilenet",
        architecture=MobileNet,
        choices={
            "width_mult": tuple(step / 20 for step in range(7, 29)),
            **_depths(lambda depth: depth + 2),
            **{f"expansion_{i}": (expansion,) for i, expansion in enumerate(EXPANSIONS, 1)},
        },
        base=("width_mult",),
        baselines=("mobilenet_v2",),
        references={
            "mobilenet_v2": MobileNet(),
            "nn_mass_a": MobileNet(width_mult=0.6, depths=_PAPER_DEPTHS),
            "nn_mass_b": MobileNet(depths=_PAPER_DEPTHS),
        },
    )
)

register(
    Space(
        name="mobilenet-wide",
        architecture=MobileNetWide,
        choices={
            **{f"width_{i}": _multiples_of_8(w / 2, w * 3 / 2) for i, w in enumerate(CHANNELS, 1)},
            **_depths(lambda depth: 2 * depth + 1),
            "expansion_1": (1,),
            **{f"expansion_{i}": (3, 4, 6) for i in range(2, 8)},
        },
        base=tuple(f"width_{i}" for i in range(1, 8)),
        baselines=("mobilenet_v2",),
        base_widths=tuple(_multiplied(step / 20) for step in range(10, 30)),
        references={
            "mobilenet_v2": MobileNetWide(),
            "nn_mass_b": MobileNetWide(depths=_PAPER_DEPTHS),
        },
    )
)
