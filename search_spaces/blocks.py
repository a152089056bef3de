"""Blocks of layers: the residual block, squeeze-and-excitation and the densely connected cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.cost import Column, Figures, addition_mass, concatenation_mass, in_units, total
from search_spaces.layers import Conv, GlobalPool, Part, Uncounted, outlined, through
from search_spaces.memory import Memory
from search_spaces.outline import Outline

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Residual:
    """A block that adds its input to its output if `skips` holds.

    Attributes:
        entering: Input channels.
        widths: Output channels of each layer, as NN-Mass counts them.
        body: The layers.
        skips: Whether the input is added; if not, the block has no mass.
        shortcut: Layers on the skip connection; empty for the identity.
        activation: Layers after the sum.
    """

    entering: Column
    widths: Sequence[Column]
    body: Sequence[Part]
    skips: Column = True
    shortcut: Sequence[Part] = ()
    activation: Sequence[Part] = ()

    def figures(self) -> Figures:
        mass = addition_mass(self.entering, self.widths) * self.skips
        return total(part.figures() for part in (*self.body, *self.shortcut)) + Figures(in_units(mass))

    def memory(self, before: Memory) -> Memory:
        body = through(self.body, before.keeping(self.skips))
        kept = before.kept + before.current * before.needed
        beside = replace(before, kept=before.kept + body.current, peak=body.peak)
        added = through(self.shortcut, beside)
        after = Memory(body.current, kept, peak=added.where(self.skips, body).peak)
        return through(self.activation, after)

    def outline(self, before: Outline) -> Outline:
        after = outlined(self.body, before)
        return replace(after, blocks=(*before.blocks, int(self.entering * self.skips)))

    def modules(self) -> Iterator[nn.Module]:
        from search_spaces.modules import Residual, sequence

        body = sequence(self.body)
        yield Residual(body, sequence(self.shortcut)) if self.skips else body
        for part in self.activation:
            yield from part.modules()


@dataclass(frozen=True)
class SqueezeExcitation:
    """Scales each channel by a gate computed from the means of all channels; scaling counts no operations.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018.

    Attributes:
        channels: Channels of input and output.
        squeezed: Channels between the two 1x1 convolutions.
        side: Side of the input, in pixels.
        activation: Name in `torch.nn` of the activation between them.
        gate: Name of the activation after them.
    """

    channels: Column
    squeezed: Column
    side: int
    activation: str
    gate: str

    def excitation(self) -> tuple[Part, ...]:
        """The layers that compute the gate of each channel."""
        return (
            GlobalPool(self.channels, self.side, flat=False),
            Conv(self.channels, self.squeezed, 1, 1, bias=True),
            Uncounted(self.activation),
            Conv(self.squeezed, self.channels, 1, 1, bias=True),
            Uncounted(self.gate),
        )

    def figures(self) -> Figures:
        return total(part.figures() for part in self.excitation())

    def memory(self, before: Memory) -> Memory:
        gate = through(self.excitation(), before.keeping())
        scaled = replace(before, kept=before.kept + gate.current, peak=gate.peak).in_place()
        return replace(scaled, kept=scaled.kept - gate.current)

    def outline(self, before: Outline) -> Outline:
        return before

    def modules(self) -> Iterator[nn.Module]:
        from search_spaces.modules import Scaled, sequence

        yield Scaled(sequence(self.excitation()))


@dataclass(frozen=True)
class DenseLayer:
    """A layer that reads the previous layer and `links` channels of the layers before that.

    Attributes:
        links: Number of linked channels, at most `linkable`.
        linkable: Number of channels that could be linked.
        body: The parts of the layer.
        present: Whether the cell is deep enough to contain this layer.
    """

    links: Column
    linkable: Column
    body: Sequence[Part]
    present: Column = True


@dataclass(frozen=True)
class DenseCell:
    """A cell with concatenation-type skips: layers of equal width, linked at random with a fixed seed.

    Attributes:
        width: Channels or neurons per layer.
        depth: Number of layers, including `first`.
        first: Layer 0.
        layers: Layers 1, 2, ...
        seed: Seed of the random links.
    """

    width: Column
    depth: Column
    first: Sequence[Part]
    layers: Sequence[DenseLayer]
    seed: int

    def figures(self) -> Figures:
        parts = total(part.figures() for part in self.first)
        linked: Column = 0
        linkable: Column = 0
        for layer in self.layers:
            parts = parts + total(part.figures() for part in layer.body).times(layer.present)
            linked = linked + layer.links * layer.present
            linkable = linkable + layer.linkable * layer.present
        mass = concatenation_mass(self.width, self.depth, linked, linkable)
        return parts + Figures(in_units(mass))

    def memory(self, before: Memory) -> Memory:
        memory = through(self.first, before)
        pixels = memory.current // self.width
        for index, (layer, later) in enumerate(zip(self.layers, self._linked_later(), strict=True), 1):
            features, reads = index * self.width * pixels, (self.width + layer.links) * pixels
            gathers = np.logical_or(layer.links > 0, later)
            gathered = (memory.kept + features + reads) * gathers
            entering = Memory(
                reads, memory.kept + features * later, peak=np.maximum(memory.peak, gathered)[()]
            )
            after = replace(through(layer.body, entering), kept=memory.kept)
            memory = after.where(layer.present, memory)
        return memory

    def _linked_later(self) -> list[Column]:
        """For each of `layers`, whether a later one links channels."""
        links = [np.greater(layer.links * layer.present, 0) for layer in self.layers]
        return list(accumulate(reversed(links), np.logical_or, initial=False))[-2::-1]

    def outline(self, before: Outline) -> Outline:
        links = [int(layer.links) for layer in self.layers if layer.present]
        first = outlined(self.first, before)
        return replace(first, channels=int(self.width), blocks=(*before.blocks, 0, *links))

    def modules(self) -> Iterator[nn.Module]:
        from search_spaces.modules import DenseCell, sequence

        layers = [layer for layer in self.layers if layer.present]
        yield DenseCell(
            sequence(self.first),
            [sequence(layer.body) for layer in layers],
            [(int(layer.links), int(layer.linkable)) for layer in layers],
            self.seed,
        )


def dense_layers(
    width: Column, depth: Column, links: Column, body: Callable[[Column], Sequence[Part]]
) -> list[DenseLayer]:
    """Layers 1 to depth - 1 of a cell with a link budget of `links` channels per layer.

    Layer i >= 2 links min(links, width * (i - 1)) channels of layers 0 to i - 2.

    Args:
        body: Gives the parts of a layer from its number of input channels.
    """
    layers = []
    for index in range(1, int(np.max(depth))):
        linkable = width * (index - 1)
        linked = np.minimum(links, linkable)
        layers.append(DenseLayer(linked, linkable, body(width + linked), present=np.asarray(depth > index)))
    return layers


def useful_links(width: Column, depth: Column) -> Column:
    """The link budget above which no link is added: all that the last layer of the cell could link."""
    return width * np.maximum(depth - 2, 0)
