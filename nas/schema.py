"""Dataclasses kept as plain values, and such values checked against the annotations of their dataclass."""

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
    """A dataclass that is kept as JSON; values that earlier versions wrote stay readable.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Step(Stored):
    ...     size: int
    ...     _OLD_NAMES = {"length": "size"}
    >>> Step(3).as_json(), Step.of_json({"length": 3})
    ({'size': 3}, Step(size=3))
    """

    _OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    """A renamed field's earlier name, to its name."""

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values; the inverse of `of_json`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, values: object) -> Self:
        """What `as_json` gave, of this version or an earlier one.

        Raises:
            TypeError: The values are not those of the class.
            search_spaces.RequestError: The class refuses them.
        """
        return built(cls, values)

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values under today's names, from any version; `built` asks at any depth."""
        renamed = {old: name for old, name in cls._OLD_NAMES.items() if name not in values}
        return {renamed.get(name, name): value for name, value in values.items()}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The annotations of the fields of a dataclass or named tuple."""
    hints = get_type_hints(kind)
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in dataclasses.fields(kind)]
    return {name: hints[name] for name in names}


def built(kind: type[T], values: object) -> T:
    """A dataclass, or named tuple, of plain values, as JSON and checkpoints hold them.

    Numbers must be finite and whole ones below 2**63; lists become tuples where those are expected.

    Raises:
        TypeError: A value is missing, unknown, or of another type; the message names it.
        search_spaces.RequestError: The dataclass refuses it.

    >>> from nas.train.config import Recipe
    >>> built(Recipe, {"epochs": 3, "batch_size": "12", "lr": 0.1, "weight_decay": 0})
    Traceback (most recent call last):
    TypeError: batch_size is '12', expected int
    """
    found: T = checked(kind, values, kind.__name__)
    return found


def checked(kind: Any, value: Any, name: str) -> Any:
    """The value as a type that an annotation may name; lists become tuples, mappings dataclasses, as there.

    Raises:
        TypeError: It is of another type, or not finite; the message names it.
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
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    for kind in others[:-1]:
        with suppress(TypeError):
            return checked(kind, value, name)
    return checked(others[-1], value, name)


def _fields(kind: Any, value: Any, name: str) -> Any:
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
    if kind in (int, float):
        number = isinstance(value, int | kind) and not isinstance(value, bool)
        return number and (abs(value) < _LARGEST if isinstance(value, int) else math.isfinite(value))
    return isinstance(value, kind)


def _name(kind: Any) -> str:
    """A type as annotations write it, generic ones with what they are of."""
    return str(kind) if get_args(kind) else kind.__name__


def check_alike(kept: Any, fresh: Any, name: str = "state") -> None:
    """Check that stored nested values have the types and shapes of fresh ones.

    What only one of two dictionaries has is not looked at: versions differ.

    Raises:
        ValueError: They have not; the message names the part.
    """
    if isinstance(fresh, dict) and isinstance(kept, dict):
        for key in fresh.keys() & kept.keys():
            check_alike(kept[key], fresh[key], f"{name}.{key}")
    elif isinstance(fresh, list | tuple) and isinstance(kept, list | tuple):
        if len(kept) != len(fresh):
            raise ValueError(f"{name} has other parts")
        for index, part in enumerate(fresh):
            check_alike(kept[index], part, f"{name}.{index}")
    elif type(fresh) in (int, float):
        if not _is(float, kept):
            raise ValueError(f"{name} is {shown(kept)}, expected a number")
    elif type(kept) is not type(fresh):
        raise ValueError(f"{name} is {shown(kept)}, expected {type(fresh).__name__}")
    elif hasattr(fresh, "shape") and (kept.shape, kept.dtype) != (fresh.shape, fresh.dtype):
        raise ValueError(f"{name} is of shape {tuple(kept.shape)}, expected {tuple(fresh.shape)}")
