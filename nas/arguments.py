"""Arguments of public functions: a misspelt name gets the most similar one.

A package that uses it still catches Ctrl-C from its first import on: nothing slow is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


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
        parameters = inspect.signature(function).parameters.values()
        listed = [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]

        @wraps(function)
        def called(*arguments: P.args, **options: P.kwargs) -> R:
            for name in options:
                if name not in listed and name not in old_names:
                    _check_further(function.__name__, name, listed, classes, exclude)
            return function(*arguments, **options)

        return called

    return decorate


def _check_further(
    function: str, name: str, listed: list[str], classes: tuple[str, ...], exclude: Collection[str]
) -> None:
    from pkgutil import resolve_name

    from nas.options import options_of
    from search_spaces.errors import did_you_mean

    kinds = [resolve_name(path) for path in classes]
    # An option that is given by its keys, as budgets are by their costs, is among the listed ones.
    further = [option for kind in kinds for option, each in options_of(kind).items() if not each.keys]
    known = dict.fromkeys([*listed, *(option for option in further if option not in exclude)])
    if name not in known:
        hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
        raise TypeError(f"{function}() has no argument {name}{hint}")
