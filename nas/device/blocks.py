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
from typing import Self

import yaml

from nas.files import read_whole, reason
from search_spaces import RequestError
from search_spaces.blocks import Residual, SqueezeExcitation
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import listed, number_text, shown
from search_spaces.layers import BatchNorm, Conv, GlobalPool, Linear, Part, Repeat, Uncounted
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
        try:
            table = yaml.compose(read_whole(path).decode(), yaml.BaseLoader)
        except FileNotFoundError:
            raise RequestError(
                f"{path}: there is no such file; if the table has moved, measure anew with --blocks PATH"
            ) from None
        except OSError as error:
            raise RequestError(f"cannot read {path}: {reason(error)}") from None
        except (yaml.YAMLError, ValueError, RecursionError):
            raise RequestError(f"{path} is not YAML; {_EXPECTED}") from None
        ms: dict[str, float] = {}
        for key, block in _pairs(table):
            if key in ms:
                raise RequestError(f"{path} has {key} twice; leave one of them")
            ms[key] = _mean(block, f"{path}: {key}")
        if not ms:
            raise RequestError(f"{path} is not a table of blocks; {_EXPECTED}")
        return cls(path.name, ms)

    def of(self, network: ChainArchitecture) -> float:
        """The latency of a network, in ms.

        Raises:
            RequestError: The table lacks a block of it.
        """
        found = list(keys(network))
        return math.fsum(self._of_block(key, network) for key in found)

    def _of_block(self, key: str, network: ChainArchitecture) -> float:
        if key not in self.ms:
            facts, close = (one.split("-") for one in (key, get_close_matches(key, self.ms, 1, 0.0)[0]))
            other = [fact for fact in close if fact not in facts]
            raise RequestError(
                f"{self.name} has no block {' '.join(facts)} of {network}; the closest has"
                f" {' '.join(other or close)}; name the space, the width and the resolution of the table, as"
                " --space mobilenetv3 --fix width_mult=1.2 resolution=160"
            )
        return self.ms[key]


_EXPECTED = "expected the mean latency in ms of each block, as in Once-for-All's tables (docs/latency.md)"
_RECTIFIERS = ("ReLU", "ReLU6")
"""Activations that keys do not tell apart."""
_LEAST, _MOST = 1e-6, 1e6
"""Least and largest mean of a block, in ms."""


def _pairs(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    """Keys, as written, and values of a mapping; none of other nodes."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key.value, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]


def _mean(block: yaml.Node, where: str) -> float:
    node = dict(_pairs(block)).get("mean")
    if not isinstance(node, yaml.ScalarNode):
        raise RequestError(f"{where} has no number as mean; {_EXPECTED}")
    try:
        mean = float(node.value)
    except ValueError:
        mean = math.nan
    if not _LEAST <= mean <= _MOST:
        expected = f"expected {number_text(_LEAST)} to {number_text(_MOST)} ms"
        raise RequestError(f"{where}: the mean is {shown(node.value)}, {expected}")
    return mean


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
        elif not isinstance(part, BatchNorm | Uncounted):
            raise _other_blocks(network)
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
        raise _other_blocks(network)
    squeezed = any(isinstance(layer, SqueezeExcitation) for layer in layers)
    activations = {layer.name for layer in layers if isinstance(layer, Uncounted)}
    if other := activations - {*_RECTIFIERS, "Hardswish"}:
        raise RequestError(f"{network} has blocks with {listed(sorted(other))}, which tables of blocks lack")
    facts = {
        "expand": depthwise[0].channels_out,
        "kernel": depthwise[0].kernel,
        "stride": depthwise[0].stride,
        "idskip": block.skips,
        "se": squeezed,
        "hs": "Hardswish" in activations,
    }
    return "-".join(f"{name}:{int(value)}" for name, value in facts.items())


def _other_blocks(network: ChainArchitecture) -> RequestError:
    return RequestError(
        f"{network} has blocks other than inverted residuals, which tables of blocks lack; name another"
        " space, such as mobilenetv3"
    )
