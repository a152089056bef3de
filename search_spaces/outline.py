"""What a network looks like between two of its parts: its width, its resolution, and the blocks so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outline:
    """The output of a part, and the blocks up to it.

    Attributes:
        channels: Channels of an image, or number of features.
        side: Side of the image, in pixels; 1 for features.
        blocks: For each residual block, and for each layer of a cell, the channels that its skip connection
            supplies; 0 without one.

    >>> Outline(24, 56, blocks=(0, 24)).skips
    1
    """

    channels: int
    side: int = 1
    blocks: tuple[int, ...] = ()

    @classmethod
    def of_input(cls, shape: Sequence[int]) -> Outline:
        """The outline of an input: (channels, side, side), or (features,)."""
        return cls(shape[0], shape[1] if len(shape) > 1 else 1)

    @property
    def skips(self) -> int:
        """Number of blocks with a skip connection."""
        return sum(channels > 0 for channels in self.blocks)
