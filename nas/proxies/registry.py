"""The registry of proxies: what each is, which direction is good, what it needs, and how it is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, NamedTuple, TypeAlias

from nas.proxies.subject import Subject
from search_spaces import RequestError
from search_spaces.errors import did_you_mean, shown

Need = Literal["network", "images", "labels", "gradients"]
Measure: TypeAlias = Callable[[Subject], float]

_MODULES = ("closed_form", "isometry", "gradients", "synflow", "naswot", "zen", "zico")
"""Modules of this package that register proxies, imported one by one until the proxy asked for is there.

The first needs no torch, so whoever asks for a closed form does not wait for its import.
"""


@dataclass(frozen=True)
class Proxy:
    """A number said of a network without training it.

    Attributes:
        name: As users call it.
        measure: What gives the number; its docstring has formula and source.
        more_is_better: Whether a larger number promises more accuracy.
        needs: What it looks at beyond the architecture; nothing for a closed form.
        closed_form: Whether the architecture is all that it looks at.
    """

    name: str
    measure: Measure
    more_is_better: bool
    needs: frozenset[Need]

    @property
    def closed_form(self) -> bool:
        return not self.needs


class Measured(NamedTuple):
    """What a proxy said, and the seconds that it took, the building of the network among them."""

    value: float
    seconds: float


_proxies: dict[str, Proxy] = {}


def register(name: str, *needs: Need, more_is_better: bool = True) -> Callable[[Measure], Measure]:
    """Register a function as a proxy.

    >>> @register("widest", more_is_better=True)
    ... def widest(subject):
    ...     return max(subject.architecture.choices().values())
    >>> "widest" in names()
    True
    >>> del _proxies["widest"]
    """

    def add(function: Measure) -> Measure:
        if name in _proxies:
            raise ValueError(f"there is a proxy {name} already")
        _proxies[name] = Proxy(name, function, more_is_better, frozenset(needs))
        return function

    return add


def names() -> tuple[str, ...]:
    """All proxies."""
    for module in _MODULES:
        _import(module)
    return tuple(_proxies)


def get(name: str) -> Proxy:
    """A proxy by name.

    Raises:
        RequestError: There is none of that name.
    """
    for module in _MODULES:
        if name not in _proxies:
            _import(module)
    if name not in _proxies:
        hint = did_you_mean(name, names())
        raise RequestError(f"unknown score {shown(name)}{hint}; there are {', '.join(names())}")
    return _proxies[name]


def measure(name: str, subject: Subject) -> Measured:
    """What a proxy says of a subject.

    Raises:
        RequestError: There is none of that name.
    """
    proxy = get(name)
    start = time.perf_counter()
    value = float(proxy.measure(subject))
    return Measured(value, time.perf_counter() - start)


def _import(module: str) -> None:
    import_module(f"nas.proxies.{module}")
