"""Arguments of public functions: a misspelt name gets the most similar one.

A package that uses it still catches Ctrl-C from its first import on: nothing slow is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
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
    known = inspect.signature(function).parameters

    @wraps(function)
    def called(*arguments: P.args, **options: P.kwargs) -> R:
        for name in options:
            if name not in known:
                from search_spaces.errors import did_you_mean

                hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
                raise TypeError(f"{function.__name__}() has no argument {name}{hint}")
        return function(*arguments, **options)

    return called
