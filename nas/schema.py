"""Dataclasses from plain values, as in JSON and checkpoints, checked against their annotations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from search_spaces.errors import shown

T = TypeVar("T")

_LARGEST = 2**63


@dataclasses.dataclass(frozen=True)
class Stored:
    """A dataclass stored as JSON; values written by earlier versions stay readable.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Step(Stored):
    ...     size: int
    ...     _OLD_NAMES = {"length": "size"}
    >>> Step(3).as_json(), Step.of_json({"length": 3})
    ({'size': 3}, Step(size=3))
    """

    _OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    """Earlier names of renamed fields, to their names."""

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values; the inverse of `of_json`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, values: object) -> Self:
        """The inverse of `as_json`, also for values of earlier versions.

        Raises:
            TypeError: The values are not those of the class.
            search_spaces.RequestError: The class rejects a value.
        """
        return built(cls, values)

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of any version, converted to this version; `built` calls it for nested classes, too."""
        renamed = {old: name for old, name in cls._OLD_NAMES.items() if name not in values}
        return {renamed.get(name, name): value for name, value in values.items()}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The annotations of the fields of a dataclass or named tuple."""
    hints = get_type_hints(kind)
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in dataclasses.fields(kind)]
    return {name: hints[name] for name in names}


def built(kind: type[T], values: object) -> T:
    """A dataclass or named tuple from plain values.

    Numbers must be finite, and whole numbers below 2**63 in magnitude; lists become tuples if annotated so.

    Raises:
        TypeError: A value is missing, unknown, or of another type; the message names it.
        search_spaces.RequestError: The dataclass rejects a value.

    >>> from nas.train.config import Recipe
    >>> built(Recipe, {"epochs": 3, "batch_size": "12", "lr": 0.1, "weight_decay": 0})
    Traceback (most recent call last):
    TypeError: batch_size is '12', expected int
    """
    found: T = checked(kind, values, kind.__name__)
    return found


def checked(kind: Any, value: Any, name: str) -> Any:
    """A value converted to an annotated type: lists become tuples, mappings dataclasses, if annotated so.

    Raises:
        TypeError: The value is of another type, or not finite; the message names it.
    """
    origin, of = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(of, value, name)
    if dataclasses.is_dataclass(kind) or (isinstance(kind, type) and hasattr(kind, "_fields")):
        return _fields(kind, value, name)
    if origin in (tuple, list) and isinstance(value, list | tuple):
        return origin(checked(of[0], part, name) for part in value)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {
            checked(of[0], key, name): checked(of[1], part, f"{name}.{key}") for key, part in value.items()
        }
    if kind is Any or (origin is Literal and any(type(value) is type(one) and value == one for one in of)):
        return value
    if origin is None and _is(kind, value):
        return value
    raise TypeError(f"{name} is {shown(value)}, expected {_name(kind)}")


def _one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """A value of a union."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    for kind in others[:-1]:
        with suppress(TypeError):
            return checked(kind, value, name)
    return checked(others[-1], value, name)


def _fields(kind: Any, value: Any, name: str) -> Any:
    """A dataclass or named tuple, from a mapping or, for a named tuple, a list."""
    if isinstance(value, kind):
        return value
    hints = _hints(kind)
    if not isinstance(value, Mapping) and hasattr(kind, "_fields") and isinstance(value, list | tuple):
        value = dict(zip(kind._fields, value, strict=False)) if len(value) == len(kind._fields) else None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is {shown(value)}, expected {kind.__name__}")
    if issubclass(kind, Stored):
        value = kind.upgraded(value)
    if unknown := [key for key in value if key not in hints]:
        raise TypeError(f"{name} has no {shown(unknown[0])}")
    return kind(**{key: checked(hints[key], part, key) for key, part in value.items()})


def _is(kind: Any, value: Any) -> bool:
    """Whether a value is of a plain type; a number must be finite and not a boolean."""
    if kind in (int, float):
        number = isinstance(value, int | kind) and not isinstance(value, bool)
        return number and (abs(value) < _LARGEST if isinstance(value, int) else math.isfinite(value))
    return isinstance(value, kind)


def _name(kind: Any) -> str:
    """The text of an annotation."""
    return str(kind) if get_args(kind) else kind.__name__


def check_alike(stored: Any, fresh: Any, name: str = "state") -> None:
    """Check that stored nested values have the types and shapes of fresh ones.

    Keys in only one of two dictionaries are ignored, since versions differ.

    Raises:
        ValueError: A value differs in type or shape; the message names it.
    """
    if isinstance(fresh, dict) and isinstance(stored, dict):
        for key in fresh.keys() & stored.keys():
            check_alike(stored[key], fresh[key], f"{name}.{key}")
    elif isinstance(fresh, list | tuple) and isinstance(stored, list | tuple):
        if len(stored) != len(fresh):
            raise ValueError(f"{name} has {len(stored)} items, expected {len(fresh)}")
        for index, part in enumerate(fresh):
            check_alike(stored[index], part, f"{name}.{index}")
    elif type(fresh) in (int, float):
        if not _is(float, stored):
            raise ValueError(f"{name} is {shown(stored)}, expected a number")
    elif type(stored) is not type(fresh):
        raise ValueError(f"{name} is {shown(stored)}, expected {type(fresh).__name__}")
    elif hasattr(fresh, "shape") and (stored.shape, stored.dtype) != (fresh.shape, fresh.dtype):
        raise ValueError(f"{name} is of shape {tuple(stored.shape)}, expected {tuple(fresh.shape)}")
