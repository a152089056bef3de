"""Arguments of public functions: a misspelt name gets the most similar one, and errors name arguments.

A package that uses it still catches Ctrl-C from its first import on: nothing slow is imported here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from pkgutil import resolve_name
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from nas.options import Option

P = ParamSpec("P")
R = TypeVar("R")
_FLAG = re.compile(r"(?:^|(?<=[\s(]))(--[a-z]+(?:-[a-z]+)*)(?: (\w+=\w+(?:\.\w+)*))?")
"""An option in a message, perhaps with NAME=VALUE."""


def checked_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose error about an argument that it does not have names the most similar one.

    >>> @checked_arguments
    ... def cost(network: str) -> int: ...
    >>> cost(netwrok="mobilenet_v2")
    Traceback (most recent call last):
    ...
    TypeError: cost() has no argument netwrok (did you mean network?)
    """
    return takes_options()(function)


def takes_options(
    *classes: str, exclude: Collection[str] = (), old_names: Collection[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator of a function that takes the options of dataclasses as further keyword arguments.

    Args:
        classes: The dataclasses, as "nas.query:Query"; imported when an argument is none of the listed ones.
        exclude: Their options that the function does not take.
        old_names: Names of earlier versions that it takes, too.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = _Arguments(function, classes, exclude)

        @wraps(function)
        def called(*arguments: P.args, **options: P.kwargs) -> R:
            for name in options:
                if name not in known.listed and name not in old_names:
                    known.check(name)
            try:
                return function(*arguments, **options)
            except ValueError as error:
                from search_spaces import RequestError

                if isinstance(error, RequestError):
                    error.args = (known.named_in(str(error)),)
                raise

        return called

    return decorate


class _Arguments:
    """The arguments of a function: the listed ones, and the options of dataclasses."""

    def __init__(
        self, function: Callable[..., object], classes: Collection[str], exclude: Collection[str]
    ) -> None:
        self._name, self._classes, self._exclude = function.__name__, classes, exclude
        parameters = inspect.signature(function).parameters.values()
        self.listed = {
            one.name: one.default for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD
        }

    def _further(self) -> Iterator[Option]:
        from nas.options import options_of

        for kind in map(resolve_name, self._classes):
            # An option that is given by its keys, as budgets are by their costs, is among the listed ones.
            yield from (each for each in options_of(kind).values() if not each.keys)

    def check(self, name: str) -> None:
        """Check that an argument that is not listed is one of the options.

        Raises:
            TypeError: It is not.
        """
        from search_spaces.errors import did_you_mean

        further = [each.name for each in self._further()]
        known = dict.fromkeys([*self.listed, *(one for one in further if one not in self._exclude)])
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
            raise TypeError(f"{self._name}() has no argument {name}{hint}")

    def named_in(self, message: str) -> str:
        """A message of a command, with arguments of the function for options of the command."""
        from nas.values import assignment

        defaults = {f"--{name.replace('_', '-')}": (name, default) for name, default in self.listed.items()}
        further = (each for each in self._further() if each.name not in self._exclude)
        defaults |= {flag: (each.name, each.default) for each in further for flag in each.flags}

        def named(found: re.Match[str]) -> str:
            flag, value = found.groups()
            if flag not in defaults:
                return found[0]
            name, default = defaults[flag]
            if value:
                return f"{name}={dict([assignment(value)])}"
            return f"{name}=True" if default is False else name

        return _FLAG.sub(named, message)
