"""The blocks that skip connections make: a residual block and a densely connected cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.cost import Column, Figures, addition_mass, concatenation_mass, in_units, total
from search_spaces.layers import Part

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Residual:
    """A block whose input is added to its output where `skips` holds.

    Attributes:
        entering: Channels that enter the block.
        widths: Output channels of its layers, as NN-Mass sees them.
        body: Its layers.
        skips: Whether the input is added at all; without it the block has no mass.
        shortcut: Layers that the input passes before it is added; none for the identity.
        activation: What the sum passes.
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

    def modules(self) -> Iterator[nn.Module]:
        from search_spaces.modules import Residual, sequence

        body = sequence(self.body)
        yield Residual(body, sequence(self.shortcut)) if self.skips else body
        for part in self.activation:
            yield from part.modules()


@dataclass(frozen=True)
class DenseLayer:
    """A layer that reads the layer before it and `links` channels of those before that one.

    Attributes:
        links: Channels linked, of `linkable`.
        body: Its layers.
        present: Whether the cell is deep enough to have this layer.
    """

    links: Column
    linkable: Column
    body: Sequence[Part]
    present: Column = True


@dataclass(frozen=True)
class DenseCell:
    """A cell with concatenating skips: layers of equal width, linked at random with a fixed seed.

    Attributes:
        width: Channels or neurons a layer.
        depth: Number of layers, `first` among them.
        first: Layer 0.
        layers: Layers 1, 2, ...
        seed: Seed of the random picks.
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
    """Layers 1 to depth - 1 of a cell whose link budget is `links`.

    Layer i >= 2 links min(links, width * (i - 1)) channels of the layers before the one it reads.

    Args:
        body: The parts of a layer, from the number of channels that enter it.
    """
    layers = []
    for index in range(1, int(np.max(depth))):
        linkable = width * (index - 1)
        linked = np.minimum(links, linkable)
        layers.append(DenseLayer(linked, linkable, body(width + linked), present=np.asarray(depth > index)))
    return layers


def links_of_use(width: Column, depth: Column) -> Column:
    """The largest link budget that still adds a link: that of the last layer of a cell."""
    return width * np.maximum(depth - 2, 0)
