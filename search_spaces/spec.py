"""Specs: short strings that describe architectures; how they are written, parsed and checked.

A spec is the family, a colon, and tokens joined by "_". A token is a letter and a value (`w0.6`, `d1-2-3`),
a word for a field whose values are words (`bottleneck`), or digits, one per layer (`k35-357`). A word that
contains "_" must be the first token. Constants at their default are omitted.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from itertools import islice
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from search_spaces.errors import RequestError, listed, number_text, shown

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture

    A = TypeVar("A", bound=Architecture)
    N = TypeVar("N", int, float)

_SETTINGS = "search_spaces"


@dataclass(frozen=True)
class Settings:
    """How a field of an architecture is written, and its valid values.

    Attributes:
        letter: Letters at the start of its token; may be empty for a field of `words` or `digits`.
        item: Name of one entry of a field with an entry per stage: `depth` for `depths`.
        constant: Whether searches leave it unchanged.
        terse: Whether the spec omits it at its default.
        least: Smallest valid value.
        most: Largest valid value; it keeps counts within 64 bits.
        words: The valid words, for a field whose values are words.
        odd: Whether numbers must be odd.
        digits: The valid digits, for a field whose values are strings of digits, of length `least` to `most`.
    """

    letter: str
    item: str = ""
    constant: bool = False
    terse: bool = False
    least: float = 1
    most: float = 100_000
    words: tuple[str, ...] = ()
    odd: bool = False
    digits: str = ""


def choice(default: Any, letter: str = "", **settings: Any) -> Any:
    """A field of an architecture that a search varies; `settings` are fields of `Settings`."""
    return dataclasses.field(default=default, metadata={_SETTINGS: Settings(letter, **settings)})


def constant(default: int, letter: str, most: float = 1_000_000) -> Any:
    """A field that a search does not vary and that a spec omits at its default."""
    return choice(default, letter, constant=True, terse=True, most=most)


def settings(field: dataclasses.Field[Any]) -> Settings:
    """The settings of a field."""
    found: Settings = field.metadata[_SETTINGS]
    return found


@cache
def choice_names(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Names of the choices of a field: its own name, or one name per entry (`depth_1`, `depth_2`, ...)."""
    if not isinstance(field.default, tuple):
        return (field.name,)
    return tuple(f"{settings(field).item}_{index}" for index in range(1, len(field.default) + 1))


def checked(family: str, field: dataclasses.Field[Any], value: Any) -> Any:
    """Check a value, and convert it to the type of its field.

    Raises:
        RequestError: The type or the length is wrong, or a number is out of range.
    """
    if not isinstance(field.default, tuple):
        return _checked_entry(family, field, field.name, field.default, value)
    entries = _entries(value, len(field.default) + 1)
    if len(entries) != len(field.default):
        what = "switches" if _is_switch(field) else "strings" if settings(field).digits else "numbers"
        raise RequestError(f"{family}: {field.name} is {shown(value)}, expected {len(field.default)} {what}")
    names = choice_names(field)
    return tuple(
        _checked_entry(family, field, name, default, entry)
        for name, default, entry in zip(names, field.default, entries, strict=True)
    )


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real)


def _is_switch(field: dataclasses.Field[Any]) -> bool:
    """Whether the entries of a field are True or False, written 1 or 0 without hyphens."""
    return isinstance(field.default, tuple) and isinstance(field.default[0], bool)


def _entries(value: Any, most: int) -> tuple[Any, ...]:
    """The first `most` entries of a sequence; empty for strings, unordered collections and other values."""
    if isinstance(value, str | bytes | Set | Mapping):
        return ()
    try:
        return tuple(islice(value, most))
    except TypeError:
        return ()


def _checked_entry(family: str, field: dataclasses.Field[Any], name: str, default: Any, value: Any) -> Any:
    allowed = settings(field)
    if allowed.words:
        if not isinstance(value, str) or value not in allowed.words:
            raise RequestError(f"{family}: {name} is {shown(value)}, expected one of {listed(allowed.words)}")
        return str(value)
    if allowed.digits:
        return _checked_digits(allowed, f"{family}: {name} is {shown(value)}", value)
    kind = type(default)
    if kind is bool:
        if isinstance(value, Real | np.bool_) and value in (0, 1):
            return bool(value)
        raise RequestError(f"{family}: {name} is {shown(value)}, expected True or False")
    if type(value) is kind or _is_number(value):  # the first saves most of the time of making architectures
        inside = allowed.least <= value <= allowed.most and not (allowed.odd and value % 2 == 0)
        if inside and (converted := kind(value)) == value:
            return converted
    number = "a number" if kind is float else "an odd number" if allowed.odd else "a whole number"
    above = _is_number(value) and value > allowed.most
    limit = f"most {number_text(allowed.most)}" if above else f"least {number_text(allowed.least)}"
    expected = f"{number} of at {limit}"
    raise RequestError(f"{family}: {name} is {shown(value)}, expected {expected}")


def _checked_digits(allowed: Settings, what: str, value: Any) -> str:
    least, most = int(allowed.least), int(allowed.most)
    if isinstance(value, str) and least <= len(value) <= most and set(value) <= set(allowed.digits):
        return str(value)
    count = most if least == most else f"{least} to {most}"
    raise RequestError(f"{what}, expected {count} digits, each one of {', '.join(allowed.digits)}")


def write(architecture: Architecture) -> str:
    """The spec of an architecture."""
    tokens = []
    for field in dataclasses.fields(architecture):
        value = getattr(architecture, field.name)
        if not (settings(field).terse and value == field.default):
            tokens.append(settings(field).letter + _written(field, value))
    return f"{architecture.family}:{'_'.join(tokens)}"


def _written(field: dataclasses.Field[Any], value: Any) -> str:
    if _is_switch(field):
        return "".join(str(int(entry)) for entry in value)
    return "-".join(str(entry) for entry in value) if isinstance(value, tuple) else str(value)


def read(architecture: type[A], text: str) -> A:
    """Parse a spec, with or without its family.

    Raises:
        RequestError: The spec does not parse; the message gives the position.
    """
    family, colon, tokens = text.rpartition(":")
    if colon and family != architecture.family:
        raise RequestError(f"spec {shown(text)}: {shown(family)} is not {architecture.family!r}")
    fields: dict[str, Any] = {}
    place = len(family) + len(colon)
    for token in _split(architecture, tokens):
        field, value = _read_token(architecture, text, place, token)
        if field.name in fields:
            raise RequestError(
                f"spec {shown(text)}: {shown(token)} at character {place + 1} gives {field.name} twice"
            )
        fields[field.name] = value
        place += len(token) + 1
    try:
        return architecture(**fields)
    except RequestError as error:
        raise RequestError(f"spec {shown(text)}: {error}") from None


def _split(architecture: type[A], text: str) -> list[str]:
    """The tokens of a spec; the longest word at its start is one token, even if it contains "_"."""
    words = (word for field in dataclasses.fields(architecture) for word in settings(field).words)
    first = max((word for word in words if f"{text}_".startswith(f"{word}_")), key=len, default="")
    if not first or first == text:
        return [first] if first else text.split("_")
    return [first, *text[len(first) + 1 :].split("_")]


def _read_token(
    architecture: type[A], text: str, place: int, token: str
) -> tuple[dataclasses.Field[Any], Any]:
    fields = dataclasses.fields(architecture)
    for field in fields:
        if token in settings(field).words:
            return field, token
        letter = settings(field).letter
        if (letter or settings(field).digits) and token.startswith(letter):
            try:
                return field, _read_value(field, token.removeprefix(letter))
            except (KeyError, ValueError):
                pass
    tokens = (settings(field).letter + _pattern(field) for field in fields)
    raise RequestError(
        f"spec {shown(text)}: {shown(token)} at character {place + 1} is not one of {', '.join(tokens)}"
        " joined by '_'"
    )


def _read_value(field: dataclasses.Field[Any], text: str) -> Any:
    default: Any = field.default
    if _is_switch(field):
        return tuple({"0": False, "1": True}[digit] for digit in text)
    if settings(field).digits:
        if not re.fullmatch("[-0-9]+", text):
            raise ValueError(f"{shown(text)} is not a string of digits")
        return tuple(text.split("-")) if isinstance(default, tuple) else text
    if isinstance(default, tuple):
        return tuple(read_number(type(default[0]), entry) for entry in text.split("-"))
    return read_number(type(default), text)


def read_number(kind: type[N], text: str) -> N:
    """Parse an ASCII number. Python would also accept digits of other scripts, spaces and underscores.

    Raises:
        ValueError: The string is not a number.

    >>> read_number(int, "12"), read_number(float, "1e-3")
    (12, 0.001)
    """
    if not re.fullmatch(r"[-+.0-9a-zA-Z]+", text):
        raise ValueError(f"{shown(text)} is not a number")
    return kind(text)


def _pattern(field: dataclasses.Field[Any]) -> str:
    return "|".join(settings(field).words) or _written(field, field.default)
