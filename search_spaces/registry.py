"""The registry of search spaces and of families that are not searched, by name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from search_spaces.errors import RequestError, checked_kind, closest, did_you_mean, shown

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.space import Space

_spaces: dict[str, Space] = {}
_families: dict[str, type[Architecture]] = {}
"""Families that are not spaces: their networks cannot be searched."""


def register(space: Space) -> Space:
    """Register a space under its name, and return it.

    Raises:
        ValueError: The name is taken.
    """
    if space.name in _spaces:
        raise ValueError(f"a space named {space.name!r} is registered already")
    _spaces[space.name] = space
    return space


def register_family(family: type[Architecture]) -> type[Architecture]:
    """Register a family whose networks can be named but not searched, and return it."""
    _families[family.family] = family
    return family


def names() -> tuple[str, ...]:
    """The names of all registered spaces."""
    return tuple(sorted(_spaces))


def get(name: str) -> Space:
    """The space with this name.

    Raises:
        RequestError: There is no such space; the message lists the names.
        TypeError: `name` is not a string.
    """
    checked_kind("name", name, str, "the name of a space")
    if name in _families:
        raise RequestError(
            f"{name} is not a search space: name one of its networks, such as {_families[name]()};"
            f" the spaces are {', '.join(names())}"
        )
    if name not in _spaces:
        hint = did_you_mean(name, _spaces)
        raise RequestError(f"unknown space {shown(name)}{hint}; the spaces are {', '.join(names())}")
    return _spaces[name]


def reference_name(architecture: Architecture) -> str:
    """The name of the reference that equals an architecture except for the numbers among its constants.

    "" if there is none.

    >>> import search_spaces
    >>> reference_name(search_spaces.MobileNet(resolution=32, num_classes=10))
    'mobilenet_v2'
    """
    constants = {
        name: value for name, value in architecture.constants().items() if not isinstance(value, str)
    }
    for space in _spaces.values():
        if type(architecture) is space.architecture:
            for name, reference in space.references.items():
                if dataclasses.replace(reference, **constants) == architecture:
                    return name
    return ""


def parse(text: str) -> Architecture:
    """Parse "space:spec", "space:reference" or "family:spec".

    Raises:
        RequestError: There is no such space, or the spec does not parse.
        TypeError: `text` is not a string.
    """
    checked_kind("text", text, str, "SPACE:SPEC")
    name, colon, _ = text.partition(":")
    if not colon:
        raise RequestError(f"{shown(text)} names no space; {_way_out(text)}")
    family = _families.get(name)
    return family.parse(text) if family else get(name).parse(text)


def _way_out(text: str) -> str:
    """How to write an architecture whose space is missing: the full spec, if a space can parse it."""
    for space in _spaces.values():
        try:
            space.parse(text)
        except RequestError:
            continue
        return f"write it as SPACE:SPEC: {space.name}:{text}"
    known = {reference: name for name, space in reversed(_spaces.items()) for reference in space.references}
    close = closest(text, known) or next(iter(known))
    return f"write it as SPACE:SPEC, such as {known[close]}:{close}"
