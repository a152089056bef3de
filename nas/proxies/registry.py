"""The registry of proxies: what each needs, which direction is good, and the subject that it measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from search_spaces import RequestError
from search_spaces.errors import did_you_mean, shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nas.train.data import Data
    from search_spaces import Architecture

BATCH = 32
"""Images in a batch, where nobody says how many."""


@dataclass(frozen=True)
class Subject:
    """What a proxy looks at.

    Attributes:
        architecture: The architecture.
        build: Makes its network, with weights from torch's random state.
        seed: Seed of the weights, and of noise.
        images: A batch of normalised images, of the shape that the network takes.
        labels: Their classes.
        classes: How many there are.
    """

    architecture: Architecture
    build: Callable[[], nn.Module]
    seed: int
    images: Tensor
    labels: Tensor
    classes: int

    @classmethod
    def bare(cls, architecture: Architecture) -> Subject:
        """With no images: enough for a closed form."""
        import torch

        nothing = torch.empty(0)
        return cls(architecture, architecture.build, 0, nothing, nothing, 0)

    @classmethod
    def of_noise(cls, architecture: Architecture, batch: int = BATCH, seed: int = 0) -> Subject:
        """With a batch of normal noise and random labels, where no data are at hand."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        classes = int(architecture.constants()["num_classes"])
        images = torch.randn(batch, *architecture.input_shape, generator=generator)
        labels = torch.randint(classes, (batch,), generator=generator)
        return cls(architecture, architecture.build, seed, images, labels, classes)

    @classmethod
    def of_data(cls, architecture: Architecture, data: Data, batch: int = BATCH, seed: int = 0) -> Subject:
        """With the first batch of a data set's training images, in an order that follows from the seed."""
        import torch

        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:batch]
        pixels, labels = next(data.train.batches(order, batch))
        mean, deviation = (values[:, None, None] for values in data.spread)
        images = (pixels.cpu().float() / 255 - mean) / deviation
        if len(architecture.input_shape) == 3:
            images = images.expand(-1, 3, -1, -1)
        return cls(architecture, architecture.build, seed, images, labels.cpu(), len(data.classes))

    def network(self, dtype: torch.dtype | None = None) -> nn.Module:
        """The network as initialised, the same every time; in training mode, but with nothing dropped out."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.build()
        network.to(dtype).train()
        for layer in network.modules():
            # Layers without weights do the same in both modes, but for those that drop values or branches.
            if not any(True for _ in layer.parameters()):
                layer.eval()
        return network

    def loss(self, network: nn.Module) -> Tensor:
        """Cross-entropy over the batch."""
        from torch import nn

        return nn.functional.cross_entropy(network(self.images), self.labels)


Need = Literal["network", "images", "labels", "gradients"]
Measure: TypeAlias = Callable[[Subject], float]

_FIRST = ("closed_form", "ldi")
"""Modules of this package whose proxies are listed first; the others follow by name.

The first of them needs no torch, so whoever asks for a closed form does not wait for its import.
"""


@dataclass(frozen=True)
class Proxy:
    """A score of a network that needs no training.

    Attributes:
        name: What users type, and its column in tables.
        measure: Computes it; its docstring has formula and source.
        more_is_better: Whether a larger value promises more accuracy.
        needs: What it looks at beyond the architecture; nothing for a closed form.
        title: Heading of its column in printed tables.
        axis: Its name on axes.
        logarithmic: Whether figures and fits take its logarithm.
        number_format: Writes a value in printed tables.
        closed_form: Whether the architecture is all that it looks at.
    """

    name: str
    measure: Measure
    more_is_better: bool
    needs: frozenset[Need]
    title: str
    axis: str
    logarithmic: bool
    number_format: Callable[[float], str]

    @property
    def closed_form(self) -> bool:
        return not self.needs


class Measured(NamedTuple):
    """What a proxy said, and the seconds that it took, the building of the network among them."""

    value: float
    seconds: float


_proxies: dict[str, Proxy] = {}


def register(
    name: str,
    *needs: Need,
    more_is_better: bool = True,
    title: str = "",
    axis: str = "",
    logarithmic: bool = False,
    number_format: Callable[[float], str] = "{:.5g}".format,
) -> Callable[[Measure], Measure]:
    """Register a function as a proxy; see `Proxy`.

    Args:
        title: The name if left out.
        axis: The title if left out.

    Raises:
        ValueError: Another proxy has that name.

    >>> @register("widest", axis="largest choice", more_is_better=True)
    ... def widest(subject):
    ...     return max(subject.architecture.choices().values())
    >>> "widest" in names()
    True
    >>> del _proxies["widest"]
    """

    def add(function: Measure) -> Measure:
        if name in _proxies:
            raise ValueError(f"there is a proxy {name} already")
        heading = title or name
        label = axis or heading
        _proxies[name] = Proxy(
            name, function, more_is_better, frozenset(needs), heading, label, logarithmic, number_format
        )
        return function

    return add


def names() -> tuple[str, ...]:
    """All proxies."""
    for module in _modules():
        _import(module)
    return tuple(_proxies)


def find(name: str) -> Proxy | None:
    """A proxy by name, if there is one; modules are imported until it is there."""
    for module in _modules():
        if name in _proxies:
            break
        _import(module)
    return _proxies.get(name)


def get(name: str) -> Proxy:
    """A proxy by name.

    Raises:
        RequestError: There is none of that name.
    """
    if (proxy := find(name)) is None:
        hint = did_you_mean(name, names())
        raise RequestError(f"unknown score {shown(name)}{hint}; there are {', '.join(names())}")
    return proxy


def measure(name: str, subject: Subject) -> Measured:
    """What a proxy says of a subject.

    Raises:
        RequestError: There is none of that name.
    """
    proxy = get(name)
    start = time.perf_counter()
    value = float(proxy.measure(subject))
    return Measured(value, time.perf_counter() - start)


def _modules() -> tuple[str, ...]:
    """The modules of this package, in the order in which their proxies are listed."""
    there = sorted(module.name for module in iter_modules(import_module("nas.proxies").__path__))
    return (*_FIRST, *(name for name in there if name not in (*_FIRST, "registry")))


def _import(module: str) -> None:
    import_module(f"nas.proxies.{module}")
