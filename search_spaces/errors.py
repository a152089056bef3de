"""The error of a request that cannot be met: one line that names the value and the way out."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from numbers import Integral
from pathlib import PurePath


class RequestError(ValueError):
    """What the user asked for is wrong; the message is one line that says what and how to mend it."""


def checked_kind(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuse an argument of another kind; a truth value is no number.

    Raises:
        TypeError: It is of none of the kinds.

    >>> checked_kind("row", "x", int, "a whole number")
    Traceback (most recent call last):
    ...
    TypeError: row is 'x', expected a whole number
    """
    of_kind = isinstance(value, kinds)
    if isinstance(value, bool):
        of_kind = bool in (kinds if isinstance(kinds, tuple) else (kinds,))
    if not of_kind:
        raise TypeError(f"{name} is {shown(value)}, expected {wanted}")


def checked_whole(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """A whole number of Python or numpy as one of Python.

    Raises:
        TypeError: It is none.
        RequestError: It is too small or too large.

    >>> checked_whole("top", 11, 1, 10)
    Traceback (most recent call last):
    ...
    search_spaces.errors.RequestError: top is 11, expected a whole number of at least 1 and at most 10
    """
    wanted = f"a whole number of at least {least}" + (f" and at most {most:,}" if most is not None else "")
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {shown(value)}, expected {wanted}")
    number = operator.index(value)
    if number < least or (most is not None and number > most):
        raise RequestError(f"{name} is {shown(number)}, expected {wanted}")
    return number


def checked_path(name: str, value: object) -> None:
    """Refuse what is no path.

    Raises:
        TypeError: It is neither text nor a path.
        RequestError: It is empty or has a NUL.
    """
    checked_kind(name, value, (str, PurePath), "a path")
    if not str(value) or "\0" in str(value):
        raise RequestError(f"{name} is {shown(str(value))}, expected a path")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one, as a question to put behind it; empty if none is similar.

    >>> did_you_mean("MobileNetV2", ["mobilenet_v2", "nn_mass_b"]), did_you_mean("x", ["mobilenet_v2"])
    (' (did you mean mobilenet_v2?)', '')
    """
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one; empty if none is similar."""
    return next(iter(difflib.get_close_matches(name.lower()[:80], list(known), n=1)), "")


def shown(value: object, most: int = 80) -> str:
    """A value as an error names it: its `repr`, which escapes control characters, cut in the middle.

    >>> shown("a\\x1b[31m"), len(shown("9" * 5000))
    ("'a\\\\x1b[31m'", 80)
    """
    try:
        text = repr(value)
    except ValueError:  # of a number with thousands of digits
        text = f"a very large {type(value).__name__}"
    return shortened(text, most)


def printable(text: str) -> str:
    """A text in one line, with control characters escaped.

    >>> printable("no\\x1b[31m\\nfile")
    'no\\\\x1b[31m file'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in " ".join(text.split())
    )


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names joined by commas, the first few where there are many.

    >>> listed("abcde", 3)
    'a, b, c and 2 more'
    """
    known = list(names)
    if len(known) <= most:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most} more"


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, cut in the middle where it is longer.

    >>> shortened("abcdefghij", 6)
    'abc…ij'
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"
