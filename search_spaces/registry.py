"""The registry of search spaces and known networks: a file registers what it defines, users ask by name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from search_spaces.errors import RequestError

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.space import Space

_spaces: dict[str, Space] = {}
_families: dict[str, type[Architecture]] = {}
"""Families of known networks, that are no spaces."""


def register(space: Space) -> Space:
    """Make a space known by its name.

    Raises:
        ValueError: Another space has that name.
    """
    if space.name in _spaces:
        raise ValueError(f"a space named {space.name!r} is registered already")
    _spaces[space.name] = space
    return space


def register_family(family: type[Architecture]) -> type[Architecture]:
    """Make a family of networks known that can be had one by one, but not searched."""
    _families[family.family] = family
    return family


def names() -> tuple[str, ...]:
    """The names of all registered spaces."""
    return tuple(sorted(_spaces))


def get(name: str) -> Space:
    """The space of that name.

    Raises:
        RequestError: There is none; the message lists the names.
    """
    if name in _families:
        raise RequestError(
            f"{name} is no space to search: its networks are given one by one, as {_families[name]()};"
            f" the spaces are {', '.join(names())}"
        )
    if name not in _spaces:
        close = difflib.get_close_matches(name, _spaces, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise RequestError(f"unknown space {name!r}{hint}; the spaces are {', '.join(names())}")
    return _spaces[name]


def parse(text: str) -> Architecture:
    """The architecture of "space:spec", "space:reference" or "family:spec".

    Raises:
        RequestError: There is no such space, or the rest does not parse.
    """
    name, colon, _ = text.partition(":")
    if not colon:
        raise RequestError(f"{text!r} names no space; write it as SPACE:SPEC, for instance mobilenet:{text}")
    family = _families.get(name)
    return family.parse(text) if family else get(name).parse(text)
