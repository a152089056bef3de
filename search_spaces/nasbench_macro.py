"""NAS-Bench-Macro: all networks of 8 layers of three kinds, each of which others trained on CIFAR-10.

Source: Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021, and its code,
xiusu/NAS-Bench-Macro. Its table counts parameters and MACs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.layers import GlobalPool, Linear, Part, Uncounted, conv_norm, halved
from search_spaces.mobilenet import HEAD_CHANNELS, STEM_CHANNELS, inverted_residual, stem_parts
from search_spaces.registry import register_family
from search_spaces.spec import choice, constant

CHANNELS = (64, 128, 256)
"""Output channels of the stages; the first layer of each has stride 2."""
DEPTHS = (2, 3, 3)
KINDS = {"1": (3, 3), "2": (6, 5)}
"""Expansion and kernel of the kinds of inverted residuals; kind 0 is the identity."""


@dataclass(frozen=True)
class NASBenchMacro(ChainArchitecture):
    """A network of NAS-Bench-Macro.

    Attributes:
        layers: The kind of each layer, one digit per layer: 0, the identity (where the shape changes, a 1x1
            convolution); 1, an inverted residual of expansion 3 and kernel 3; 2, of expansion 6 and kernel 5.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.

    >>> str(NASBenchMacro("12012100", num_classes=100))
    'nasbench-macro:12012100_c100'
    """

    family: ClassVar[str] = "nasbench-macro"

    layers: str = choice("22222222", digits="012", least=sum(DEPTHS), most=sum(DEPTHS))
    resolution: int = constant(32, "r", most=4096)
    num_classes: int = constant(10, "c")

    def chain(self) -> Chain:
        """The stages; all of them read the same choice."""

        def stem(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return stem_parts(STEM_CHANNELS, self.resolution, 1, "ReLU"), {}

        def stage(index: int) -> Stage:
            before, channels = (STEM_CHANNELS, *CHANNELS)[index : index + 2]
            side = halved(self.resolution, times=index)
            first, last = sum(DEPTHS[:index]), sum(DEPTHS[: index + 1])

            def describe(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
                kind, *kinds = chosen["layers"][first:last]
                parts = [*layer(kind, before, channels, side, 2)]
                for kind in kinds:
                    parts += layer(kind, channels, channels, halved(side), 1)
                return parts, {}

            return Stage(f"stage_{index + 1}", ("layers",), describe)

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            side = halved(self.resolution, times=len(CHANNELS))
            return (
                *conv_norm(CHANNELS[-1], HEAD_CHANNELS, 1, side),
                Uncounted("ReLU"),
                GlobalPool(HEAD_CHANNELS, side),
                Linear(HEAD_CHANNELS, self.num_classes),
            ), {}

        return (Stage("stem", (), stem), *map(stage, range(3)), Stage("head", (), head))


def layer(kind: str, channels_in: int, channels_out: int, side: int, stride: int) -> Iterable[Part]:
    """A layer of one of the three kinds.

    Args:
        side: Side of the layer's input, in pixels.
    """
    if kind in KINDS:
        expansion, kernel = KINDS[kind]
        return [inverted_residual(channels_in, channels_out, expansion, side, stride, kernel, "ReLU")]
    if stride == 1 and channels_in == channels_out:
        return ()
    return conv_norm(channels_in, channels_out, 1, halved(side), stride)


register_family(NASBenchMacro)
