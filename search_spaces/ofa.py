"""Subnets of Once-for-All's MobileNetV3, which others evaluated on ImageNet with the supernet's weights.

Source: Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient Deployment", ICLR 2020,
and its code, mit-han-lab/once-for-all (width 1.0). The layout is MobileNetV3's (Howard et al., ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.blocks import Residual, SqueezeExcitation
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.errors import RequestError
from search_spaces.layers import Conv, GlobalPool, Linear, Part, Uncounted, conv_norm, halved, round_channels
from search_spaces.mobilenet import inverted_residual, stem_parts, stem_side
from search_spaces.registry import register_family
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


@dataclass(frozen=True)
class OFAMobileNetV3(ChainArchitecture):
    """A subnet of Once-for-All's MobileNetV3.

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

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            parts = stem_parts(STEM_CHANNELS, stem_out, self.stem_stride, "Hardswish")
            first = inverted_residual(STEM_CHANNELS, STEM_CHANNELS, 1, stem_out, 1, activation="ReLU")
            return (*parts, first), {}

        def stage(index: int) -> Stage:
            names = (f"kernels_{index + 1}", f"expansions_{index + 1}")
            before, channels = (STEM_CHANNELS, *CHANNELS)[index : index + 2]
            entered, inner = (halved(stem_out, times=STRIDES[:i].count(2)) for i in (index, index + 1))

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                sizes = [
                    tuple(map(int, pair)) for pair in zip(*(chosen[name] for name in names), strict=True)
                ]
                first = block(index, before, entered, STRIDES[index], *sizes[0])
                return (first, *(block(index, channels, inner, 1, *pair) for pair in sizes[1:])), {}

            return Stage(f"stage_{index + 1}", names, describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            side = halved(stem_out, times=STRIDES.count(2))
            before, after = HEAD_CHANNELS
            return (
                *conv_norm(CHANNELS[-1], before, 1, side),
                Uncounted("Hardswish"),
                GlobalPool(before, side, flat=False),
                Conv(before, after, 1, 1),
                Uncounted("Hardswish"),
                Uncounted("Flatten"),
                Uncounted("Dropout", 0.1),
                Linear(after, self.num_classes),
            ), {}

        return (Stage("stem", (), stem), *map(stage, range(5)), Stage("head", (), head))


def block(index: int, channels_in: int, side: int, stride: int, kernel: int, expansion: int) -> Residual:
    """An inverted residual of stage `index` (0 to 4).

    Args:
        side: Side of the block's input, in pixels.
    """
    hidden, out = channels_in * expansion, halved(side) if stride == 2 else side
    squeezed = round_channels(hidden // 4)
    scaling = SqueezeExcitation(hidden, squeezed, out, "ReLU", "Hardsigmoid")
    return inverted_residual(
        channels_in,
        CHANNELS[index],
        expansion,
        side,
        stride,
        kernel,
        ACTIVATIONS[index],
        (scaling,) * SQUEEZED[index],
    )


register_family(OFAMobileNetV3)
