"""The MBConv family: inverted residuals in EfficientNet-B0's layout, with one kind of block per stage.

Sources: Tan and Le, "EfficientNet", ICML 2019; the options: Ahmad et al., "Accel-NASBench", DAC 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.blocks import Residual, SqueezeExcitation
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.layers import Part, Repeat, halved
from search_spaces.mobilenet import (
    HEAD_CHANNELS,
    STEM_CHANNELS,
    STRIDES,
    head_parts,
    inverted_residual,
    stem_parts,
    stem_side,
)
from search_spaces.registry import register
from search_spaces.space import Space
from search_spaces.spec import choice, constant

CHANNELS = (16, 24, 40, 80, 112, 192, 320)
"""Output channels of EfficientNet-B0's stages; stem, head and strides are MobileNetV2's."""
EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
DEPTHS = (1, 2, 2, 3, 3, 4, 1)

ACTIVATIONS = {"relu": ("ReLU", "Hardsigmoid"), "silu": ("SiLU", "Sigmoid")}
"""Names in `torch.nn` of the activation and of the gate of squeeze-and-excitation."""


@dataclass(frozen=True)
class MBConv(ChainArchitecture):
    """A network of EfficientNet-B0's layout, without stochastic depth.

    Attributes:
        expansions: Hidden width divided by input width, per stage.
        kernels: Side of the depthwise kernels, per stage; odd.
        depths: Blocks per stage.
        se: Whether the blocks of a stage have squeeze-and-excitation. It squeezes to a quarter of the block's
            input channels.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        activation: "relu", with hard sigmoid as the gate, or "silu", with sigmoid, as in EfficientNet.
        stem_stride: Stride of the stem, 1 or 2; use 1 for small images.

    >>> str(MBConv(kernels=(3,) * 7, se=(False,) * 7))
    'mbconv:e1-6-6-6-6-6-6_k3-3-3-3-3-3-3_d1-2-2-3-3-4-1_se0000000'
    """

    family: ClassVar[str] = "mbconv"

    expansions: tuple[int, ...] = choice(EXPANSIONS, "e", item="expansion", most=100)
    kernels: tuple[int, ...] = choice(KERNELS, "k", item="kernel", most=31, odd=True)
    depths: tuple[int, ...] = choice(DEPTHS, "d", item="depth", most=1000)
    se: tuple[bool, ...] = choice((True,) * 7, "se", item="se")
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    activation: str = choice("relu", words=tuple(ACTIVATIONS), constant=True, terse=True)
    stem_stride: int = constant(2, "s", most=2)

    def chain(self) -> Chain:
        """The stages; no choice of a stage affects another."""
        side = stem_side(self.resolution, self.stem_stride)
        activation, gate = ACTIVATIONS[self.activation]

        def block(channels_in: int, channels_out: int, chosen: Values, side: int, stride: int) -> Residual:
            hidden = channels_in * chosen["expansion"]
            out = halved(side) if stride == 2 else side
            scaling = SqueezeExcitation(hidden, max(1, channels_in // 4), out, activation, gate)
            return inverted_residual(
                channels_in,
                channels_out,
                chosen["expansion"],
                side,
                stride,
                chosen["kernel"],
                activation,
                (Repeat(chosen["se"], (scaling,)),),
            )

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return stem_parts(STEM_CHANNELS, side, self.stem_stride, activation), {}

        def stage(index: int) -> Stage:
            before, channels = (STEM_CHANNELS, *CHANNELS)[index : index + 2]
            stride, entered = STRIDES[index], halved(side, times=STRIDES[:index].count(2))
            inner = halved(side, times=STRIDES[: index + 1].count(2))

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                own = {name.removesuffix(f"_{index + 1}"): value for name, value in chosen.items()}
                first = block(before, channels, own, entered, stride)
                rest = block(channels, channels, own, inner, 1)
                return (first, Repeat(own["depth"] - 1, (rest,))), {}

            names = tuple(f"{item}_{index + 1}" for item in ("expansion", "kernel", "depth", "se"))
            return Stage(f"stage_{index + 1}", names, describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return head_parts(CHANNELS[-1], HEAD_CHANNELS, side, self.num_classes, activation), {}

        return (Stage("stem", (), stem), *map(stage, range(7)), Stage("head", (), head))


register(
    Space(
        name="mbconv",
        architecture=MBConv,
        choices={
            **{f"expansion_{stage}": (1, 4, 6) for stage in range(1, 8)},
            **{f"kernel_{stage}": (3, 5) for stage in range(1, 8)},
            **{f"depth_{stage}": tuple(range(1, 5 if stage == 6 else 4)) for stage in range(1, 8)},
            **{f"se_{stage}": (False, True) for stage in range(1, 8)},
        },
        references={"efficientnet_b0": MBConv(activation="silu")},
    )
)
