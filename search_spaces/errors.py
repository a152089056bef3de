"""The error for wrong requests, argument checks, and how messages print values."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from numbers import Integral
from pathlib import PurePath

_OTHER_NAMES = {"gpu": "cuda"}
"""Names that users know things by, and ours for them."""


class RequestError(ValueError):
    """A request is wrong; the message is one line that names the value and how to correct it."""


def checked_kind(name: str, value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Check the type of an argument; bool does not count as a number.

    Args:
        expected: Description of a valid value, for the message.

    Raises:
        TypeError: The value has none of these types.

    >>> checked_kind("row", "x", int, "a whole number")
    Traceback (most recent call last):
    ...
    TypeError: row is 'x', expected a whole number
    """
    of_kind = isinstance(value, kinds)
    if isinstance(value, bool):
        of_kind = bool in (kinds if isinstance(kinds, tuple) else (kinds,))
    if not of_kind:
        raise TypeError(f"{name} is {shown(value)}, expected {expected}")


def checked_whole(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """Check a whole number, of Python or NumPy, and return it as an int.

    Raises:
        TypeError: The value is not a whole number.
        RequestError: The value is below `least` or above `most`.

    >>> checked_whole("top", 11, 1, 10)
    Traceback (most recent call last):
    ...
    search_spaces.errors.RequestError: top is 11, expected a whole number of at least 1 and at most 10
    """
    expected = f"a whole number of at least {least:,}" + (
        f" and at most {most:,}" if most is not None else ""
    )
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {shown(value)}, expected {expected}")
    number = operator.index(value)
    if number < least or (most is not None and number > most):
        raise RequestError(f"{name} is {shown(number)}, expected {expected}")
    return number


def checked_path(name: str, value: object) -> None:
    """Check a path.

    Raises:
        TypeError: The value is neither a string nor a path.
        RequestError: The path is empty or contains a NUL.
    """
    checked_kind(name, value, (str, PurePath), "a path")
    if not str(value) or "\0" in str(value):
        raise RequestError(f"{name} is {shown(str(value))}, expected a path")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one, as a question in parentheses; empty if none is similar.

    >>> did_you_mean("MobileNetV2", ["mobilenet_v2", "nn_mass_b"]), did_you_mean("x", ["mobilenet_v2"])
    (' (did you mean mobilenet_v2?)', '')
    """
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one; empty if none is similar."""
    known = list(known)
    if (other := _OTHER_NAMES.get(name.lower())) in known:
        return str(other)
    return next(iter(difflib.get_close_matches(name.lower()[:80], known, n=1)), "")


def shown(value: object, most: int = 80) -> str:
    """A value as messages print it: its `repr`, shortened in the middle to `most` characters.

    >>> shown("a\\x1b[31m"), len(shown("9" * 5000))
    ("'a\\\\x1b[31m'", 80)
    """
    try:
        text = repr(value)
    except ValueError:  # an int with thousands of digits
        text = f"a very large {type(value).__name__}"
    return shortened(text, most)


def number_text(number: float) -> str:
    """A number as messages and help print it.

    >>> number_text(1024), number_text(1e6), number_text(0.001)
    ('1,024', '1,000,000', '0.001')
    """
    return f"{number:,}" if isinstance(number, int) else f"{number:,.12g}"


def printable(text: str) -> str:
    """A string as one line, with control characters escaped.

    >>> printable("no\\x1b[31m\\nfile")
    'no\\\\x1b[31m file'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in " ".join(text.split())
    )


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names joined by commas; if there are more than `most`, the first ones and the number of the others.

    >>> listed("abcde", 3)
    'a, b, c and 2 more'
    """
    known = list(names)
    if len(known) <= most:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most} more"


def shortened(text: str, most: int) -> str:
    """A string shortened in the middle to at most `most` characters.

    >>> shortened("abcdefghij", 6)
    'abc…ij'
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"
