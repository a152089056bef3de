"""Command-line options made from fields of dataclasses: name, type, range, help and default are written once.

`option` makes the field. `add_options` adds the options of a class to a parser, `given` reads back what was
given, `words` writes an instance as arguments. `check` is the class's own check of the same ranges,
`checked_values` checks arguments of Python, and `read` reads one value from text, as `--set NAME=VALUE` does.
Options have no default in the parser, so that what was not given is known.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nas.values import ANY, Range, assignment
from search_spaces import RequestError
from search_spaces.errors import checked_kind, did_you_mean, number_text, shown

_KEY = "option"
T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """How a field of a dataclass is given on the command line.

    Attributes:
        meaning: What it means, for the help; a function where that is known only later.
        flags: Names of the option, if it is not the field's.
        alone: Whether it is an option of its own; if not, it can only be read by `read`.
        metavar: What the help calls its value.
        usual: What the help shows as its default, where that is not the field's.
        range: Numbers that it may be, or that its parts may be.
        choices: Values that it may have.
        const: What it is where the option is given without a value, if it may be.
        keys: Of a mapping, the keys that have an option each; without them it is given as NAME=VALUE.
        convert: Reads its text, where the annotation does not say how.
        name: Name of the field.
        kind: Its annotation, without None.
        optional: Whether the annotation takes None.
        default: Its default; None if it has none.
    """

    meaning: str | Callable[[], str]
    flags: tuple[str, ...] = ()
    alone: bool = True
    metavar: str | None = None
    usual: str | None = None
    range: Range = ANY
    choices: tuple[Any, ...] = ()
    const: Any = None
    keys: tuple[str, ...] = ()
    convert: Callable[[str], Any] | None = None
    name: str = ""
    kind: Any = None
    optional: bool = False
    default: Any = None

    def of_field(self, field: dataclasses.Field[Any], annotation: Any) -> Option:
        """The option of a field, with what the field and its annotation say."""
        kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
        (kind,) = (one for one in kinds if one is not NoneType)
        choices = self.choices
        if get_origin(kind) is Literal:
            choices = get_args(kind)
        made = None if field.default is MISSING else field.default
        made = made if field.default_factory is MISSING else field.default_factory()
        return dataclasses.replace(
            self,
            flags=self.flags
            or tuple(f"--{key}" for key in self.keys)
            or (f"--{field.name.replace('_', '-')}",),
            choices=choices,
            name=field.name,
            kind=type(choices[0]) if choices else kind,
            optional=NoneType in kinds,
            default=made,
        )

    @property
    def _is_mapping(self) -> bool:
        return get_origin(self.kind) in (dict, Mapping)

    @property
    def dests(self) -> dict[str, str]:
        """Where a parser keeps the value: its name there for each key, "" where there are none."""
        if self.keys:
            return {key: _dest(flag) for key, flag in zip(self.keys, self.flags, strict=True)}
        return {"": _dest(self.flags[0])}

    def add(self, parser: argparse._ActionsContainer) -> None:
        """Add it to a parser, or to a group of one."""
        if self.keys:
            for key, flag in zip(self.keys, self.flags, strict=True):
                parser.add_argument(flag, metavar=self.metavar, help=self.described().format(key=key))
            return
        usual = self.usual if self.usual is not None else _written_default(self.default)
        text = self.described() + (f" ({usual})" if usual else "")
        text = text.replace("%", "%%")
        parser.add_argument(*self.flags, dest=self.dests[""], default=None, help=text, **self._settings())

    def _settings(self) -> dict[str, Any]:
        """What the annotation says, as arguments of `add_argument`."""
        if self.kind is bool:
            return {"action": argparse.BooleanOptionalAction if self.default else "store_true"}
        metavar = {"metavar": self.metavar} if self.metavar else {}
        if self._is_mapping:
            return {"nargs": "+", "action": "extend", "type": assignment, **metavar}
        if self.kind == tuple[str, ...]:
            return {"nargs": "+", "action": "extend", **metavar}
        if self.choices:
            number = partial(ANY.read, int) if self.kind is int else str
            return {"choices": self.choices, "type": number, **metavar}
        if self.kind is int:
            metavar = {"metavar": self.metavar or "N"}
        several = {} if self.const is None else {"nargs": "?", "const": self.const}
        return {"type": self.read, **metavar, **several}

    def described(self) -> str:
        """What it means."""
        return self.meaning if isinstance(self.meaning, str) else self.meaning()

    def read(self, text: str) -> Any:
        """A value from text.

        Raises:
            argparse.ArgumentTypeError: It is none.
        """
        if self.convert:
            return self.convert(text)
        if self.choices:
            if text not in map(str, self.choices):
                hint = did_you_mean(text, map(str, self.choices))
                raise argparse.ArgumentTypeError(f"{shown(text)} is not {self.text()}{hint}")
            return next(choice for choice in self.choices if str(choice) == text)
        if self.kind is bool:
            if text.lower() not in ("true", "false"):
                raise argparse.ArgumentTypeError(f"{shown(text)} is not {self.text()}")
            return text.lower() == "true"
        if self.kind == tuple[int, ...]:
            return self.range.read_several(text)
        if self.kind in (int, float):
            return self.range.read(self.kind, text)
        return text

    def text(self) -> str:
        """The values that it may have, in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.kind is bool:
            return "true or false"
        if self.kind in (int, float):
            return self.range.text(self.kind)
        if self._is_mapping:
            return "names with values"
        return "text" if self.kind is str else "a list"

    def checked(self, value: Any) -> Any:
        """The value, if the field may have it.

        Raises:
            TypeError: It is of another kind.
            RequestError: It lies outside of the range, or is none of the choices.
        """
        own = type(value) is int and value in (self.const, self.default)
        if own or (value is None and self.optional):
            return value
        if self.choices:
            checked_kind(self.name, value, self.kind, self.text())
            if value not in self.choices:
                hint = did_you_mean(value, self.choices) if isinstance(value, str) else ""
                raise RequestError(f"{self.name} is {shown(value)}, expected {self.text()}{hint}")
        elif self.kind is bool:
            checked_kind(self.name, value, bool, "True or False")
        elif self.kind in (int, float):
            return self.range.checked(self.name, value, self.kind)
        elif self.kind in (tuple[int, ...], tuple[str, ...]):
            checked_kind(self.name, value, (list, tuple), self.text())
            (one, _) = get_args(self.kind)
            return tuple(dataclasses.replace(self, kind=one).checked(part) for part in value)
        elif self._is_mapping:
            checked_kind(self.name, value, Mapping, self.text())
            for name in value:
                checked_kind(f"a name in {self.name}", name, str, "text")
        elif self.kind is str:
            checked_kind(self.name, value, str, self.text())
        return value

    def given(self, options: argparse.Namespace) -> Any:
        """What a parser found; None if it was not given."""
        found = {key: getattr(options, dest) for key, dest in self.dests.items()}
        if self.keys:
            return {key: value for key, value in found.items() if value is not None} or None
        value = found[""]
        if value is not None and self._is_mapping:
            if len(dict(value)) < len(value):
                raise RequestError(f"{self.flags[0]} is given twice for one name; give one value each")
            return dict(value)
        if isinstance(value, list):
            return tuple(value)
        return str(value) if isinstance(value, Path) and self.kind is str else value

    def flags_of(self, value: Any) -> list[str]:
        """The options that give it a value: of a mapping with keys, one for each."""
        return [f"--{key}" for key in value] if self.keys else [self.flags[0]]

    def words(self, value: Any) -> list[str]:
        """A value as arguments."""
        flag = self.flags[0]
        if value is None or value == () or (value is False and not self.default):
            return []
        if self.keys:
            return [word for key, part in value.items() for word in (f"--{key}", str(part))]
        if isinstance(value, Mapping):
            return [word for name, part in value.items() for word in (flag, f"{name}={part}")]
        if self.kind is bool:
            return [flag if value else f"--no-{flag[2:]}"]
        if self.kind == tuple[str, ...]:
            return [flag, *value]
        if self.const is not None and value == self.const:
            return [flag]
        return [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def option(meaning: str | Callable[[], str], *, default: Any = MISSING, **settings: Any) -> Any:
    """A field of a dataclass that is an option of commands.

    Args:
        meaning: What it means, in a line that the help of commands shows.
        default: The field's default, or a function that makes it.
        settings: Further attributes of `Option`: flags, alone, metavar, usual, range, choices, const, keys,
            convert.
    """
    metadata = {_KEY: Option(meaning, **settings)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def documented(kind: type[T]) -> type[T]:
    """A dataclass whose docstring lists its options, beside the fields that it describes itself."""
    text, heading = inspect.cleandoc(kind.__doc__ or ""), "\nAttributes:\n"
    lines = [
        f"    {field.name}: {meaning}.\n".replace("{key}", "each cost")
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]  # of a dataclass
        if _KEY in field.metadata
        and isinstance(meaning := field.metadata[_KEY].meaning, str)
        and f"\n    {field.name}:" not in text
    ]
    if heading not in text:
        text += f"\n{heading}"
    kind.__doc__ = text.replace(heading, heading + "".join(lines))
    return kind


def options_of(kind: type[Any]) -> Mapping[str, Option]:
    """The options of a dataclass, by field."""
    return _options_of(kind)  # type: ignore[arg-type]  # mypy takes a class for unhashable


@cache
def _options_of(kind: Any) -> Mapping[str, Option]:
    hints = get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if _KEY in field.metadata]
    return {field.name: field.metadata[_KEY].of_field(field, hints[field.name]) for field in fields}


def add_options(parser: argparse._ActionsContainer, kind: type[Any], exclude: Collection[str] = ()) -> None:
    """Add the options of a dataclass to a parser, or to a group of one, apart from some fields."""
    for each in options_of(kind).values():
        if each.alone and each.name not in exclude:
            each.add(parser)


def given(options: argparse.Namespace, kind: type[Any]) -> dict[str, Any]:
    """What was given for the fields of a dataclass whose options the parser has.

    Raises:
        RequestError: A name of a mapping is given twice.
    """
    there = [
        each
        for each in options_of(kind).values()
        if each.alone and all(dest in options for dest in each.dests.values())
    ]
    values = {each.name: each.given(options) for each in there}
    return {name: value for name, value in values.items() if value is not None}


def flags_of(kind: type[Any], values: Mapping[str, Any]) -> list[str]:
    """The options that give fields of a dataclass these values."""
    return [flag for name, value in values.items() for flag in options_of(kind)[name].flags_of(value)]


def words(values: object, always: Collection[str] = ()) -> list[str]:
    """An instance of a dataclass as arguments: what is not its default, and some fields always."""
    return [
        word
        for each in options_of(type(values)).values()
        if each.alone and (each.name in always or getattr(values, each.name) != each.default)
        for word in each.words(getattr(values, each.name))
    ]


def check(values: object) -> None:
    """Check the fields of a dataclass that are options: the types, ranges and choices of the command line.

    Whole numbers, as of numpy, become numbers of Python.

    Raises:
        TypeError: A value is of another kind.
        RequestError: A value lies outside of its range, or is none of the choices.
    """
    for name, each in options_of(type(values)).items():
        before = getattr(values, name)
        after = each.checked(before)
        if after is not before:
            object.__setattr__(values, name, after)


def checked_values(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for fields of a dataclass that are options, by name, each checked as `check` does.

    Raises:
        TypeError: A value is of another kind.
        RequestError: A value lies outside of its range, or is none of the choices.
    """
    return {name: options_of(kind)[name].checked(value) for name, value in values.items()}


def read(kind: type[Any], name: str, text: str) -> Any:
    """A value for a field of a dataclass, from text.

    Raises:
        RequestError: There is no such field, or the text is no value of it.
    """
    options = options_of(kind)
    if name not in options:
        known = f"it has {', '.join(options)}"
        raise RequestError(
            f"a {kind.__name__.lower()} has no {shown(name)}{did_you_mean(name, options)}; {known}"
        )
    try:
        return options[name].read(text)
    except argparse.ArgumentTypeError as error:
        raise RequestError(f"{name}: {error}") from None


def values_text(kind: type[Any], title: str, width: int) -> str:
    """What `read` takes for a dataclass, as lines for a help: name, values and meaning."""
    lines = [f"{title}:"]
    for name, each in options_of(kind).items():
        text = f"{each.described()}; {each.text()}"
        wrapped = textwrap.wrap(text, max(width - 24, 24))
        lines.append(f"  {name:<20}  {wrapped[0]}")
        lines += [f"{'':24}{line}" for line in wrapped[1:]]
    return "\n".join(lines) + "\n"


def _dest(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _written_default(default: Any) -> str:
    """A default as the help shows it; empty where it is nothing."""
    if default is None or default is False or default in ((), {}):
        return ""
    if default is True:
        return "yes"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return number_text(default) if isinstance(default, int | float) else str(default)
