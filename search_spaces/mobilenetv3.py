"""MobileNetV3 as Once-for-All builds it: with one kind of block per stage, or with kinds per block.

Sources: Howard et al., "Searching for MobileNetV3", ICCV 2019; Cai et al., "Once-for-All: Train One Network
and Specialize it for Efficient Deployment", ICLR 2020, and its code, mit-han-lab/once-for-all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.blocks import Residual, SqueezeExcitation
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.cost import Column
from search_spaces.errors import RequestError
from search_spaces.layers import (
    Conv,
    GlobalPool,
    Linear,
    Part,
    Repeat,
    Uncounted,
    conv_norm,
    halved,
    round_channels,
)
from search_spaces.mobilenet import inverted_residual, stem_parts, stem_side
from search_spaces.registry import register, register_family
from search_spaces.space import Space
from search_spaces.spec import choice, constant

STEM_CHANNELS = 16
CHANNELS = (24, 40, 80, 112, 160)
"""Output channels of the stages."""
STRIDES = (2, 2, 2, 1, 2)
ACTIVATIONS = ("ReLU", "ReLU", "Hardswish", "Hardswish", "Hardswish")
SQUEEZED = (False, True, False, True, True)
"""Whether the blocks of a stage have squeeze-and-excitation, to a quarter of the hidden channels."""
HEAD_CHANNELS = (960, 1280)
"""Channels of the head before and after pooling."""
DEPTHS, KERNELS, EXPANSIONS = (2, 3, 4, 2, 3), (3, 5, 3, 3, 5), (3, 3, 3, 6, 6)
"""Those of the stages of MobileNetV3-Large; expansions are the options nearest to those of most blocks."""


def stem(width_mult: Column, side: int, stride: int) -> tuple[Part, ...]:
    """A convolution on the image and a block that keeps width and size.

    Args:
        side: Side of the output, in pixels.
    """
    channels = round_channels(STEM_CHANNELS * width_mult)
    parts = stem_parts(channels, side, stride, "Hardswish")
    return (*parts, inverted_residual(channels, channels, 1, side, 1, activation="ReLU"))


def block(
    index: int, width_mult: Column, before: int, side: int, stride: int, kernel: Column, expansion: Column
) -> Residual:
    """An inverted residual of stage `index` (0 to 4).

    Args:
        before: Channels of its input at a width multiplier of 1.
        side: Side of its input, in pixels.
    """
    channels_in, channels = (round_channels(width * width_mult) for width in (before, CHANNELS[index]))
    hidden, out = channels_in * expansion, halved(side) if stride == 2 else side
    scaling = SqueezeExcitation(hidden, round_channels(hidden // 4), out, "ReLU", "Hardsigmoid")
    return inverted_residual(
        channels_in,
        channels,
        expansion,
        side,
        stride,
        kernel,
        ACTIVATIONS[index],
        (scaling,) * SQUEEZED[index],
    )


def sides(index: int, stem_out: int) -> tuple[int, int]:
    """Sides of the input and the output of stage `index`, in pixels.

    Args:
        stem_out: Side of the stem's output.
    """
    entered, left = (halved(stem_out, times=STRIDES[:count].count(2)) for count in (index, index + 1))
    return entered, left


def head(width_mult: Column, stem_out: int, num_classes: int) -> tuple[Part, ...]:
    """A 1x1 convolution, pooling, a 1x1 convolution without batch normalisation, and the classifier.

    Args:
        stem_out: Side of the stem's output, in pixels.
    """
    side = halved(stem_out, times=STRIDES.count(2))
    channels_in, before, after = (
        round_channels(width * width_mult) for width in (CHANNELS[-1], *HEAD_CHANNELS)
    )
    return (
        *conv_norm(channels_in, before, 1, side),
        Uncounted("Hardswish"),
        GlobalPool(before, side, flat=False),
        Conv(before, after, 1, 1),
        Uncounted("Hardswish"),
        Uncounted("Flatten"),
        Uncounted("Dropout", 0.1),
        Linear(after, num_classes),
    )


@dataclass(frozen=True)
class MobileNetV3(ChainArchitecture):
    """A MobileNetV3 whose stages have one kernel and one expansion each.

    Attributes:
        width_mult: Width multiplier of all layers, which round to multiples of 8.
        depths: Blocks per stage.
        kernels: Side of the depthwise kernels, per stage; odd.
        expansions: Hidden width divided by input width, per stage.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        stem_stride: Stride of the stem, 1 or 2; use 1 for small images.

    >>> str(MobileNetV3(1.2, depths=(2, 2, 3, 3, 4)))
    'mobilenetv3:w1.2_d2-2-3-3-4_k3-5-3-3-5_e3-3-3-6-6'
    """

    family: ClassVar[str] = "mobilenetv3"

    width_mult: float = choice(1.0, "w", least=0.01, most=100)
    depths: tuple[int, ...] = choice(DEPTHS, "d", item="depth", most=1000)
    kernels: tuple[int, ...] = choice(KERNELS, "k", item="kernel", most=31, odd=True)
    expansions: tuple[int, ...] = choice(EXPANSIONS, "e", item="expansion", most=100)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    stem_stride: int = constant(2, "s", most=2)

    def chain(self) -> Chain:
        """The stages; the state between stages is the width multiplier."""
        stem_out = stem_side(self.resolution, self.stem_stride)

        def first(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return stem(chosen["width_mult"], stem_out, self.stem_stride), chosen

        def stage(index: int) -> Stage:
            entered, left = sides(index, stem_out)

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                depth, *kind = (chosen[name] for name in names)
                width_mult, before = entering["width_mult"], (STEM_CHANNELS, *CHANNELS)[index]
                changing = block(index, width_mult, before, entered, STRIDES[index], *kind)
                keeping = block(index, width_mult, CHANNELS[index], left, 1, *kind)
                return (changing, Repeat(depth - 1, (keeping,))), entering

            names = tuple(f"{item}_{index + 1}" for item in ("depth", "kernel", "expansion"))
            return Stage(f"stage_{index + 1}", names, describe)

        def last(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return head(entering["width_mult"], stem_out, self.num_classes), {}

        return (Stage("stem", ("width_mult",), first), *map(stage, range(5)), Stage("head", (), last))


@dataclass(frozen=True)
class OFAMobileNetV3(ChainArchitecture):
    """A subnet of Once-for-All's supernet of width 1.0, which others evaluated with its weights.

    Attributes:
        kernels: For each stage, the sides of the depthwise kernels, one digit per block: 3, 5 or 7.
        expansions: For each stage, hidden width divided by input width, one digit per block: 3, 4 or 6.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        stem_stride: Stride of the stem, 1 or 2; use 1 for small images.

    >>> str(OFAMobileNetV3(("35", "357", "33", "3355", "77"), ("34", "346", "66", "6644", "63")))
    'ofa-mobilenetv3:k35-357-33-3355-77_e34-346-66-6644-63'
    """

    family: ClassVar[str] = "ofa-mobilenetv3"

    kernels: tuple[str, ...] = choice(("7777",) * 5, "k", item="kernels", digits="357", least=2, most=4)
    expansions: tuple[str, ...] = choice(("6666",) * 5, "e", item="expansions", digits="346", least=2, most=4)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    stem_stride: int = constant(2, "s", most=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        for stage, (kernels, expansions) in enumerate(zip(self.kernels, self.expansions, strict=True), 1):
            if len(kernels) != len(expansions):
                raise RequestError(
                    f"{self.family}: kernels_{stage} is {kernels} and expansions_{stage} is {expansions},"
                    " expected one digit per block in both"
                )

    def chain(self) -> Chain:
        """The stages; no choice of a stage affects another."""
        stem_out = stem_side(self.resolution, self.stem_stride)

        def first(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return stem(1, stem_out, self.stem_stride), {}

        def stage(index: int) -> Stage:
            entered, left = sides(index, stem_out)

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                kind, *kinds = (
                    map(int, pair) for pair in zip(*(chosen[name] for name in names), strict=True)
                )
                changing = block(index, 1, (STEM_CHANNELS, *CHANNELS)[index], entered, STRIDES[index], *kind)
                return (changing, *(block(index, 1, CHANNELS[index], left, 1, *kind) for kind in kinds)), {}

            names = (f"kernels_{index + 1}", f"expansions_{index + 1}")
            return Stage(f"stage_{index + 1}", names, describe)

        def last(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return head(1, stem_out, self.num_classes), {}

        return (Stage("stem", (), first), *map(stage, range(5)), Stage("head", (), last))


register_family(OFAMobileNetV3)

register(
    Space(
        name="mobilenetv3",
        architecture=MobileNetV3,
        choices={
            "width_mult": tuple(step / 20 for step in range(7, 29)),
            **{f"depth_{stage}": (2, 3, 4) for stage in range(1, 6)},
            **{f"kernel_{stage}": (3, 5, 7) for stage in range(1, 6)},
            **{f"expansion_{stage}": (3, 4, 6) for stage in range(1, 6)},
        },
        base=("width_mult",),
        baselines=("mobilenet_v3_like",),
        references={"mobilenet_v3_like": MobileNetV3()},
    )
)
