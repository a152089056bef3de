"""The layers of networks: each with its cost in closed form and its torch module.

Costs follow fvcore's rules for one image in evaluation mode. Widths are numbers or columns (one entry per
architecture); building a module requires numbers. Torch is imported only when a module is built.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, repeat
from typing import TYPE_CHECKING, Protocol

import numpy as np

from search_spaces.cost import Column, Figures, total
from search_spaces.memory import Memory
from search_spaces.outline import Outline

if TYPE_CHECKING:
    from torch import nn


class Part(Protocol):
    """A part of a network: a layer or a block."""

    def figures(self) -> Figures:
        """NN-Mass, parameters and operations of the part."""
        ...

    def memory(self, before: Memory) -> Memory:
        """The tensors alive after the part, and the peak up to then."""
        ...

    def outline(self, before: Outline) -> Outline:
        """The output of the part, and the blocks up to it; only for numbers."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Its torch modules in order of execution; there may be none."""
        ...


def through(parts: Iterable[Part], before: Memory) -> Memory:
    """The tensors alive after some parts in sequence, and the peak up to then."""
    return reduce(lambda memory, part: part.memory(memory), parts, before)


def outlined(parts: Iterable[Part], before: Outline) -> Outline:
    """The output of some parts in sequence, and the blocks up to it."""
    return reduce(lambda outline, part: part.outline(outline), parts, before)


def halved(side: int, times: int = 1) -> int:
    """Side of an image, in pixels, after `times` layers of stride 2 padded by half their kernel.

    >>> halved(224), halved(7), halved(224, times=5)
    (112, 4, 7)
    """
    for _ in range(times):
        side = (side + 1) // 2
    return side


def round_channels(channels: Column, divisor: int = 8) -> Column:
    """Nearest multiple of `divisor`, at least `divisor` and at least 0.9 times `channels`.

    The rule of MobileNetV2 (Sandler et al., CVPR 2018, reference code).

    >>> int(round_channels(32 * 0.6)), int(round_channels(24 * 0.35)), round_channels(np.array([9.6, 11.4]))
    (24, 8, array([16, 16]))
    """
    rounded = np.maximum(divisor, np.floor((channels + divisor / 2) / divisor) * divisor)
    return np.where(rounded < 0.9 * channels, rounded + divisor, rounded).astype(np.int64)[()]


@dataclass(frozen=True)
class Conv:
    """A convolution, padded by half its kernel, which is odd.

    Attributes:
        side: Side of the output, in pixels.
        depthwise: One filter per channel; then `channels_in` equals `channels_out`.
        bias: Whether it adds a bias, which counts no operations.
    """

    channels_in: Column
    channels_out: Column
    kernel: Column
    side: int
    stride: int = 1
    depthwise: bool = False
    bias: bool = False

    def figures(self) -> Figures:
        weights = self.channels_out * self.kernel**2
        if not self.depthwise:
            weights = weights * self.channels_in
        params = weights + self.channels_out if self.bias else weights
        return Figures(params=params, operators={"conv": weights * self.side**2})

    def memory(self, before: Memory) -> Memory:
        return before.layer(self.channels_out * self.side**2)

    def outline(self, before: Outline) -> Outline:
        return replace(before, channels=int(self.channels_out), side=self.side)

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        channels_in, kernel = int(self.channels_in), int(self.kernel)
        yield nn.Conv2d(
            channels_in,
            int(self.channels_out),
            kernel,
            stride=self.stride,
            padding=kernel // 2,
            groups=channels_in if self.depthwise else 1,
            bias=self.bias,
        )


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of images of `side` x `side` pixels: two operations per element."""

    channels: Column
    side: int

    def figures(self) -> Figures:
        return Figures(params=2 * self.channels, operators={"batch_norm": 2 * self.channels * self.side**2})

    def memory(self, before: Memory) -> Memory:
        return before.in_place()

    def outline(self, before: Outline) -> Outline:
        return before

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        yield nn.BatchNorm2d(int(self.channels))


def conv_norm(
    channels_in: Column,
    channels_out: Column,
    kernel: Column,
    side: int,
    stride: int = 1,
    depthwise: bool = False,
) -> tuple[Part, ...]:
    """A convolution without bias and batch normalisation, with an output of `side` x `side` pixels."""
    return Conv(channels_in, channels_out, kernel, side, stride, depthwise), BatchNorm(channels_out, side)


@dataclass(frozen=True)
class Linear:
    """A linear layer with bias; the bias counts no operations."""

    features_in: Column
    features_out: Column

    def figures(self) -> Figures:
        weights = self.features_in * self.features_out
        return Figures(params=weights + self.features_out, operators={"linear": weights})

    def memory(self, before: Memory) -> Memory:
        return before.layer(self.features_out)

    def outline(self, before: Outline) -> Outline:
        return replace(before, channels=int(self.features_out), side=1)

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        yield nn.Linear(int(self.features_in), int(self.features_out))


@dataclass(frozen=True)
class GlobalPool:
    """Global average pooling of images of `side` x `side` pixels: one operation per input element.

    Attributes:
        flat: Whether the output is a vector of features, not an image of one pixel.
    """

    channels: Column
    side: int
    flat: bool = True

    def figures(self) -> Figures:
        return Figures(operators={"adaptive_avg_pool2d": self.channels * self.side**2})

    def memory(self, before: Memory) -> Memory:
        return before.layer(self.channels)

    def outline(self, before: Outline) -> Outline:
        return replace(before, side=1)

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        yield nn.AdaptiveAvgPool2d(1)
        if self.flat:
            yield nn.Flatten()


@dataclass(frozen=True)
class Uncounted:
    """A module without parameters that fvcore does not count.

    Attributes:
        name: Its name in `torch.nn`.
        argument: The argument of its constructor; None for no argument.
        leaving: Elements of its output; None if it runs in place.

    >>> next(Uncounted("Dropout", 0.2).modules())
    Dropout(p=0.2, inplace=False)
    """

    name: str
    argument: float | None = None
    leaving: Column | None = None

    def figures(self) -> Figures:
        return Figures()

    def memory(self, before: Memory) -> Memory:
        return before.in_place() if self.leaving is None else before.layer(self.leaving)

    def outline(self, before: Outline) -> Outline:
        if self.leaving is None:
            return before
        return replace(before, side=math.isqrt(int(self.leaving) // before.channels))

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        module = getattr(nn, self.name)
        yield module() if self.argument is None else module(self.argument)


@dataclass(frozen=True)
class MaxPool:
    """ResNet's 3x3 max pooling of stride 2 to `side` x `side` pixels; it counts no operations."""

    channels: Column
    side: int

    def figures(self) -> Figures:
        return Figures()

    def memory(self, before: Memory) -> Memory:
        return before.layer(self.channels * self.side**2)

    def outline(self, before: Outline) -> Outline:
        return replace(before, side=self.side)

    def modules(self) -> Iterator[nn.Module]:
        from torch import nn

        yield nn.MaxPool2d(3, stride=2, padding=1)


@dataclass(frozen=True)
class Repeat:
    """`count` copies of some parts in sequence; 0 omits them.

    Use it, with a column as count, for a choice that adds or omits layers.
    """

    count: Column
    parts: Sequence[Part]

    def figures(self) -> Figures:
        return total(part.figures() for part in self.parts).times(self.count)

    def memory(self, before: Memory) -> Memory:
        once = through(self.parts, before)
        # Further copies repeat the second, whose input has the size of its output.
        twice = through(self.parts, once)
        return twice.where(np.greater(self.count, 1), once).where(np.greater(self.count, 0), before)

    def outline(self, before: Outline) -> Outline:
        return outlined(chain.from_iterable(repeat(self.parts, int(self.count))), before)

    def modules(self) -> Iterator[nn.Module]:
        for _ in range(int(self.count)):
            for part in self.parts:
                yield from part.modules()
