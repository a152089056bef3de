"""Published latencies of a device's blocks: the latency of a network is the sum of those of its blocks.

The format is that of Once-for-All's tables for phones (Cai et al., ICLR 2020): YAML, with a key per block
that says its shape, and below it the mean of its latency in ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, Self

from nas.files import read_whole, reason
from search_spaces import RequestError
from search_spaces.blocks import Residual, SqueezeExcitation
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import shown
from search_spaces.layers import Conv, GlobalPool, Linear, Part, Repeat, Uncounted
from search_spaces.outline import Outline


@dataclass(frozen=True)
class BlockTable:
    """Latencies of blocks.

    Attributes:
        name: Name of the file.
        ms: Mean latency of each block, by its key.
    """

    name: str
    ms: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table.

        Raises:
            RequestError: The file cannot be read, or is no such table.
        """
        import yaml

        try:
            found = yaml.safe_load(read_whole(path).decode())
        except OSError as error:
            raise RequestError(f"cannot read {path}: {reason(error)}") from None
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
            raise RequestError(f"{path} is not YAML; {_EXPECTED}") from None
        if not isinstance(found, Mapping) or not found:
            raise RequestError(f"{path} is not a table of blocks; {_EXPECTED}")
        return cls(path.name, {str(key): _mean(value, f"{path}: {key}") for key, value in found.items()})

    def of(self, network: ChainArchitecture) -> float:
        """The latency of a network, in ms.

        Raises:
            RequestError: The table lacks a block of it.
        """
        return math.fsum(self._of_block(key, network) for key in keys(network))

    def _of_block(self, key: str, network: ChainArchitecture) -> float:
        if key not in self.ms:
            close = get_close_matches(key, self.ms, 1, 0.0)
            raise RequestError(
                f"{self.name} has no {key} of {network}; the closest is {close[0]}; name the space and pin"
                " the width and the resolution of the table, as --fix width_mult=1.2 resolution=160"
            )
        return self.ms[key]


_EXPECTED = "expected the mean latency in ms of each block, as in Once-for-All's tables (docs/latency.md)"


def _mean(value: Any, where: str) -> float:
    mean = value.get("mean") if isinstance(value, Mapping) else None
    if isinstance(mean, bool) or not isinstance(mean, int | float) or not 0 < mean < math.inf:
        raise RequestError(f"{where}: the mean is {shown(mean)}, expected a positive number of milliseconds")
    return float(mean)


def keys(network: ChainArchitecture) -> Iterator[str]:
    """The keys of a network's blocks, in order.

    Raises:
        RequestError: It has blocks other than inverted residuals.

    >>> import search_spaces
    >>> found = list(keys(search_spaces.parse("mobilenetv3:mobilenet_v3_like")))
    >>> found[0], found[2]  # doctest: +NORMALIZE_WHITESPACE
    ('Conv-input:224x224x3-output:112x112x16',
     'expanded_conv-input:112x112x16-output:56x56x24-expand:48-kernel:3-stride:2-idskip:0-se:0-hs:0')
    """
    before, convolutions = Outline.of_input(network.input_shape), 0
    for part in _single(chain.from_iterable(network.stages())):
        after = part.outline(before)
        shapes = f"input:{_shape(before)}-output:{_shape(after)}"
        if isinstance(part, Residual):
            yield f"expanded_conv-{shapes}-{_kind(part, network)}"
        elif isinstance(part, Conv):
            yield f"Conv{f'_{convolutions}' * (convolutions > 0)}-{shapes}"
            convolutions += 1
        elif isinstance(part, GlobalPool):
            yield f"AvgPool2D-{shapes}"
        elif isinstance(part, Linear):
            yield f"Logits-input:{_shape(before)}-output:{after.channels}"
        before = after


def _single(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts with each repetition on its own."""
    for part in parts:
        if isinstance(part, Repeat):
            for _ in range(int(part.count)):
                yield from _single(part.parts)
        else:
            yield part


def _shape(outline: Outline) -> str:
    return f"{outline.side}x{outline.side}x{outline.channels}"


def _kind(block: Residual, network: ChainArchitecture) -> str:
    """What a key says of an inverted residual besides its shape."""
    layers = list(_single(block.body))
    depthwise = [layer for layer in layers if isinstance(layer, Conv) and layer.depthwise]
    if not depthwise:
        raise RequestError(
            f"{network} has blocks without a depthwise convolution, and tables of blocks are of inverted"
            " residuals; name another space, such as mobilenetv3"
        )
    squeezed = any(isinstance(layer, SqueezeExcitation) for layer in layers)
    hard_swish = any(isinstance(layer, Uncounted) and layer.name == "Hardswish" for layer in layers)
    facts = {
        "expand": depthwise[0].channels_out,
        "kernel": depthwise[0].kernel,
        "stride": depthwise[0].stride,
        "idskip": block.skips,
        "se": squeezed,
        "hs": hard_swish,
    }
    return "-".join(f"{name}:{int(value)}" for name, value in facts.items())
